"""`tsvec collections`: make, list, describe, change, compact and delete collections."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tsvec.cli import render
from tsvec.cli.commands.points import ask_first
from tsvec.cli.console import show
from tsvec.cli.options import (
    AsOfOption,
    CollectionOption,
    CursorOption,
    DataOption,
    EndOption,
    IdempotencyKeyOption,
    JsonOption,
    LimitOption,
    NameArgument,
    StartOption,
    UrlOption,
    WaitOption,
    YesOption,
)
from tsvec.cli.progress import compaction_progress
from tsvec.cli.target import open_target
from tsvec.model.collections import (
    DEFAULT_COLLECTION,
    CollectionList,
    CollectionPatch,
    CollectionStats,
    CompactionStatus,
    Metric,
    WindowList,
)
from tsvec.model.errors import InternalError
from tsvec.model.queries import WindowsRequest
from tsvec.model.validation import given_record, record_of

collections = typer.Typer(
    no_args_is_help=True, help="Make, list, describe, change, compact and delete collections."
)

NONE = "none"
"""Takes a setting of a collection away."""

_WindowSize = Annotated[
    str | None, typer.Option(metavar="DURATION", help="Width of a window, such as 1h.")
]
_Lateness = Annotated[
    str | None,
    typer.Option(
        metavar="DURATION", help="How far behind the newest is not late; `none`: the window size."
    ),
]
_Retention = Annotated[
    str | None,
    typer.Option(metavar="DURATION", help="Age beyond which points go; `none`: never."),
]
_Horizon = Annotated[
    str | None, typer.Option(metavar="DURATION", help="How far back --as-of and restore reach.")
]

_Space = Annotated[
    str | None,
    typer.Option(metavar="MODEL", help="The embedding model of the vectors; fixed once set."),
]


@collections.command("list")
def list_collections(
    limit: LimitOption = 100,
    cursor: CursorOption = None,
    url: UrlOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the collections by name."""
    with open_target(url, data) as target:
        reply = target.list_collections(limit=limit, cursor=cursor)
    show(reply, _list_view(reply), as_json=as_json)


@collections.command("get")
def get_collection(
    name: NameArgument,
    url: UrlOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a collection is made of."""
    with open_target(url, data) as target:
        found = target.get_collection(name)
    show(found, render.collection(found), as_json=as_json)


def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="How to call it.")],
    dim: Annotated[int, typer.Option(min=1, help="Elements of every vector.")],
    metric: Annotated[Metric, typer.Option(help="How distances are measured.")] = "cosine",
    window_size: _WindowSize = None,
    allowed_lateness: _Lateness = None,
    retention: _Retention = None,
    history_horizon: _Horizon = None,
    space: _Space = None,
    idempotency_key: IdempotencyKeyOption = None,
    url: UrlOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a collection."""
    wanted = _durations(window_size, allowed_lateness, retention, history_horizon)
    if space is not None:
        wanted["space"] = space
    with open_target(url, data, create=True) as target:
        target.create_collection(
            name, dim=dim, metric=metric, idempotency_key=idempotency_key, **wanted
        )
        made = target.get_collection(name)
    show(made, render.collection(made), as_json=as_json)


def update(
    name: NameArgument,
    window_size: _WindowSize = None,
    allowed_lateness: _Lateness = None,
    retention: _Retention = None,
    history_horizon: _Horizon = None,
    space: _Space = None,
    idempotency_key: IdempotencyKeyOption = None,
    url: UrlOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change a collection; a shorter retention removes points for good."""
    wanted = _durations(window_size, allowed_lateness, retention, history_horizon)
    if space is not None:
        wanted["space"] = space
    record_of(CollectionPatch, wanted)
    with open_target(url, data) as target:
        changed = target.update_collection(name, idempotency_key=idempotency_key, **wanted)
    show(changed, render.collection(changed), as_json=as_json)


@collections.command("delete")
def delete_collection(
    name: NameArgument,
    yes: YesOption = False,
    idempotency_key: IdempotencyKeyOption = None,
    url: UrlOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete a collection and all its points, for good."""
    with open_target(url, data) as target:
        if not yes:
            count = target.collection(name).get_collection_stats().points
            ask_first(f"delete {name!r} with {render.plural(count, 'point')} for good?", yes=False)
        target.delete_collection(name, idempotency_key=idempotency_key)
    show({"deleted": name}, Text(f"{name!r} is gone"), as_json=as_json)


@collections.command()
def stats(
    as_of: AsOfOption = None,
    wait_for_seq: WaitOption = None,
    url: UrlOption = None,
    data: DataOption = None,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """Count what is in a collection."""
    with open_target(url, data) as target:
        found = target.collection(collection).get_collection_stats(
            as_of=as_of, wait_for_seq=wait_for_seq
        )
    show(found, _stats_view(found), as_json=as_json)


@collections.command()
def windows(
    start: StartOption = None,
    end: EndOption = None,
    limit: LimitOption = 100,
    cursor: CursorOption = None,
    as_of: AsOfOption = None,
    wait_for_seq: WaitOption = None,
    url: UrlOption = None,
    data: DataOption = None,
    collection: CollectionOption = DEFAULT_COLLECTION,
    as_json: JsonOption = False,
) -> None:
    """List the windows that hold points."""
    request = given_record(
        WindowsRequest,
        start_time=start,
        end_time=end,
        limit=limit,
        cursor=cursor,
        as_of=as_of,
        wait_for_seq=wait_for_seq,
    )
    with open_target(url, data) as target:
        reply = target.collection(collection).windows(request)
    show(reply, _windows_view(reply), as_json=as_json)


def compact(
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Only begin.")] = False,
    collection: CollectionOption = DEFAULT_COLLECTION,
    url: UrlOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rewrite partitions into fewer, larger ones, and wait until that is done."""
    with open_target(url, data) as target, compaction_progress(collection) as progress:
        status = target.collection(collection).compact(wait=not no_wait, progress=progress)
    show(status, _compaction_view(status), as_json=as_json)
    if status.state == "failed":
        raise InternalError(f"the compaction ended early: {status.problem}")


@collections.command()
def compaction(
    collection: CollectionOption = DEFAULT_COLLECTION,
    url: UrlOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what compaction does or last did."""
    with open_target(url, data) as target:
        status = target.collection(collection).get_compaction()
    show(status, _compaction_view(status), as_json=as_json)


for _command in (create, update, compact):
    collections.command()(_command)


def _durations(
    window_size: str | None, lateness: str | None, retention: str | None, horizon: str | None
) -> dict[str, Any]:
    """The durations that were given, None where `none` takes one away."""
    given = {
        "window_size": window_size,
        "allowed_lateness": lateness,
        "retention": retention,
        "history_horizon": horizon,
    }
    return {
        name: None if text == NONE else text for name, text in given.items() if text is not None
    }


def _list_view(reply: CollectionList) -> RenderableType:
    made = render.table(
        ["collection", "vectors", "window", "retention", "last change"], right=["last change"]
    )
    for item in reply.items:
        kept = item.retention or "none"
        made.add_row(
            item.name, f"{item.dim} {item.metric}", item.window_size, kept, f"{item.seq:,}"
        )
    end = [Text(render.plural(len(reply.items), "collection"), style="dim")]
    if reply.next_cursor:
        end.append(render.to_be_copied(f"more with --cursor {reply.next_cursor}"))
    return Group(made, *end)


def _stats_view(found: CollectionStats) -> RenderableType:
    about = Table.grid(padding=(0, 2))
    about.add_row("collection", found.collection)
    hot = f"{found.hot_points:,} hot, {found.sealed_points:,} sealed"
    about.add_row("points", f"{found.points:,} ({hot}), {found.dead_points:,} dead kept")
    about.add_row("entities", f"{found.entities:,}")
    if found.first_time and found.last_time:
        span = f"{render.moment(found.first_time)} to {render.moment(found.last_time)}"
        about.add_row("times (UTC)", span)
    gaps = render.plural(found.gaps, "gap")
    longest = f", the longest {found.largest_gap_seconds:,.0f} s" if found.gaps else ""
    about.add_row("windows", f"{found.windows:,}, {gaps}{longest}")
    about.add_row("partitions", f"{found.partitions:,}, compaction {found.compaction.state}")
    kinds = ", ".join(f"{name} {render.size(count)}" for name, count in found.bytes)
    about.add_row("on disk", f"{kinds}; written {found.write_amplification:.2f} times")
    about.add_row("as of seq", f"{found.as_of_seq:,}, back to {found.oldest_as_of:,}")
    return about


def _windows_view(reply: WindowList) -> RenderableType:
    counts = ["points", "hot", "dead", "partitions", "empty before"]
    made = render.table(["from (UTC)", "to", *counts], right=counts)
    for item in reply.items:
        numbers = (
            item.points, item.hot_points, item.dead_points, item.partitions, item.empty_before
        )  # fmt: skip
        times = (render.moment(item.start_time), render.moment(item.end_time))
        made.add_row(*times, *(f"{number:,}" for number in numbers))
    told = render.plural(len(reply.items), "window")
    return Group(made, *render.page_end(told, reply.as_of_seq, reply.next_cursor))


def _compaction_view(status: CompactionStatus) -> RenderableType:
    done = render.compaction(status)
    return done if status.state == "idle" else Group(Text(status.state), done)
