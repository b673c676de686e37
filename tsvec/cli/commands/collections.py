"""Make a collection, change it, compact it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tsvec.cli import render
from tsvec.cli.console import show
from tsvec.cli.options import CollectionOption, DataOption, JsonOption, UrlOption
from tsvec.cli.progress import compaction_progress
from tsvec.cli.target import open_target
from tsvec.model.collections import DEFAULT_COLLECTION, CollectionPatch, Metric
from tsvec.model.errors import InternalError
from tsvec.model.validation import record_of

NONE = "none"
"""Takes a setting of a collection away."""

_NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The collection.")]
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


def create(
    name: _NameArgument,
    dim: Annotated[int, typer.Option(min=1, help="Elements of every vector.")],
    metric: Annotated[Metric, typer.Option(help="How distances are measured.")] = "cosine",
    window_size: _WindowSize = None,
    allowed_lateness: _Lateness = None,
    retention: _Retention = None,
    history_horizon: _Horizon = None,
    space: _Space = None,
    url: UrlOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a collection."""
    wanted = _durations(window_size, allowed_lateness, retention, history_horizon)
    if space is not None:
        wanted["space"] = space
    with open_target(url, data, create=True) as target:
        target.create_collection(name, dim=dim, metric=metric, **wanted)
        made = target.get_collection(name)
    show(made, render.collection(made), as_json=as_json)


def update(
    name: _NameArgument,
    window_size: _WindowSize = None,
    allowed_lateness: _Lateness = None,
    retention: _Retention = None,
    history_horizon: _Horizon = None,
    space: _Space = None,
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
        changed = target.update_collection(name, **wanted)
    show(changed, render.collection(changed), as_json=as_json)


def compact(
    collection: CollectionOption = DEFAULT_COLLECTION,
    url: UrlOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rewrite partitions into fewer, larger ones, and wait until that is done."""
    with open_target(url, data) as target, compaction_progress(collection) as progress:
        status = target.collection(collection).compact(progress=progress)
    show(status, render.compaction(status), as_json=as_json)
    if status.state == "failed":
        raise InternalError(f"the compaction ended early: {status.problem}")


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
