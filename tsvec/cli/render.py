"""Answers as tables for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tsvec.engine.verify import VerifyReport
from tsvec.model.collections import CollectionInfo, CollectionStats, CompactionStatus
from tsvec.model.lists.replies import PointList
from tsvec.model.nearest.replies import RankedHit, TemporalDiffReply, TemporalRangeReply
from tsvec.model.replies import (
    DeletedPointList,
    DeleteReply,
    Explain,
    Health,
    HistoryReply,
    Info,
    IngestReply,
    Point,
    RestoreReply,
    TemporalKnnReply,
)

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_VECTOR_ELEMENTS_SHOWN = 4
_ELASTIC = {"collection", "entity", "key", "metadata", "attributes", "meaning"}
"""Columns of any length, which give way where the terminal is narrow."""


def table(columns: Iterable[str], *, right: Iterable[str] = (), title: str | None = None) -> Table:
    """An empty table with these columns, those also in `right` aligned to the right."""
    made = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="bold cyan",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
    numeric = set(right)
    for column in columns:
        made.add_column(
            column,
            justify="right" if column in numeric else "left",
            no_wrap=column not in _ELASTIC,
            overflow="ellipsis",
        )
    return made


def moment(time: datetime) -> str:
    """A UTC time as short as it can be told exactly, such as `2005-08-28 18:00`."""
    whole_minute = not time.second and not time.microsecond
    return time.replace(tzinfo=None).isoformat(" ", "minutes" if whole_minute else "auto")


def _minute(time: datetime | None) -> str:
    return f"{time:%Y-%m-%d %H:%M}" if time else "-"


def size(count: float) -> str:
    """Bytes in the unit a person would choose."""
    unit = 0
    while count >= 1024 and unit < len(_UNITS) - 1:
        count, unit = count / 1024, unit + 1
    return f"{count:.0f} B" if unit == 0 else f"{count:.1f} {_UNITS[unit]}"


def printable(text: str) -> str:
    """The same text, fit for one cell of a terminal: stored text may hold escape sequences."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def plural(count: int, word: str) -> str:
    """`1 row`, `2 rows`, `1,000 rows`."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def knn(reply: TemporalKnnReply) -> RenderableType:
    """Hits as a table, nearest first, and a line on how they were found."""
    columns = ["entity", "type", "time (UTC)", "distance", "score", "key", "vector", "metadata"]
    counted = reply.eligible.relation == "eq"
    among = f"of {reply.eligible.value:,} to choose from" if counted else "found"
    found = "exact" if reply.exact else "approximate"
    told = f"{reply.returned:,} {among}, {found}, as of seq {reply.as_of_seq:,}"
    parts: list[RenderableType] = [_points(reply.hits, columns), Text(told, style="dim")]
    if reply.explain:
        parts.append(_plan(reply.explain))
    return Group(*parts)


def within(reply: TemporalRangeReply) -> RenderableType:
    """The points within a radius as a table, nearest first, and how many there are."""
    columns = ["entity", "type", "time (UTC)", "distance", "key", "vector", "metadata"]
    told = f"{reply.matched.value:,} within the radius of {reply.eligible.value:,} to choose from"
    if reply.truncated:
        told += f", the nearest {reply.returned:,} shown"
    told += f", as of seq {reply.as_of_seq:,}"
    parts: list[RenderableType] = [_points(reply.hits, columns), Text(told, style="dim")]
    if reply.explain:
        parts.append(_plan(reply.explain))
    return Group(*parts)


def difference(reply: TemporalDiffReply) -> RenderableType:
    """Entities that entered, left or moved, one a line."""
    ranks = ["rank", "was", "distance", "change"]
    rows = table(["entity", "what", *ranks, "time (UTC)"], right=ranks)
    changed = [(one, "entered", "", "") for one in reply.entered]
    for each in reply.moved:
        change = f"{each.distance_delta:+.5g}"
        changed.append((each.after, "moved", f"{each.before.rank:,}", change))
    for one, what, was, change in sorted(changed, key=lambda row: row[0].rank):
        rows.add_row(*_ranked(one, what, f"{one.rank:,}", was, change))
    for one in reply.left:
        rows.add_row(*_ranked(one, "left", "", f"{one.rank:,}", ""))
    told = (
        f"{len(reply.entered):,} entered, {len(reply.left):,} left, {len(reply.moved):,} moved, "
        f"{reply.stayed:,} stayed, as of seq {reply.as_of_seq:,}"
    )
    return Group(rows, Text(told, style="dim"))


def _ranked(one: RankedHit, what: str, rank: str, was: str, change: str) -> list[Text]:
    hit = one.hit
    name, time = printable(hit.entity_id), moment(hit.timestamp)
    return [cell(text) for text in (name, what, rank, was, f"{hit.distance:.5g}", change, time)]


def _plan(explain: Explain) -> RenderableType:
    steps = table(["part", "method", "rows", "rows scanned"], right=["rows", "rows scanned"])
    for step in explain.steps:
        steps.add_row(step.part, step.method, f"{step.rows:,}", f"{step.rows_scanned:,}")
    summary = (
        f"{plural(explain.rows_scanned, 'row')} scanned, {explain.rows_rescored:,} measured again, "
        f"{plural(explain.parts_pruned, 'part')} pruned, {explain.microseconds / 1e3:.2f} ms"
    )
    if explain.rows_decayed:
        summary += f", {plural(explain.rows_decayed, 'row')} too old to count"
    return Group(steps, Text(summary, style="dim"))


def history(entity_id: str, reply: HistoryReply) -> RenderableType:
    """An entity's points, one a line."""
    columns = ["time (UTC)", "type", "seq", "key", "vector", "metadata"]
    points = _points(reply.items, columns, printable(entity_id))
    return Group(points, *_page_end(reply))


def points(reply: PointList) -> RenderableType:
    """Points of any entities, one a line."""
    columns = ["entity", "type", "time (UTC)", "seq", "key", "vector", "metadata"]
    return Group(_points(reply.items, columns), *_page_end(reply))


def point(found: Point, told: str = "") -> RenderableType:
    """One point, and what became of it."""
    columns = ["entity", "type", "time (UTC)", "seq", "key", "vector", "metadata"]
    return Group(_points([found], columns), *([Text(told, style="dim")] if told else []))


def _page_end(page: HistoryReply | DeletedPointList | PointList) -> list[RenderableType]:
    return page_end(plural(len(page.items), "point"), page.as_of_seq, page.next_cursor)


def page_end(told: str, seq: int, cursor: str | None) -> list[RenderableType]:
    """What a page held, and how to get the next."""
    end: list[RenderableType] = [Text(f"{told}, as of seq {seq:,}", style="dim")]
    if cursor:
        end.append(to_be_copied(f"more with --cursor {cursor}"))
    return end


def to_be_copied(text: str) -> Text:
    """Text that is never wrapped."""
    return Text(text, no_wrap=True, overflow="ignore")


def deleted(reply: DeletedPointList) -> RenderableType:
    """Deleted points, one a line."""
    columns = ["entity", "type", "time (UTC)", "key", "deleted (UTC)", "deletion", "metadata"]
    return Group(_points(reply.items, columns), *_page_end(reply))


def deletion(reply: DeleteReply, *, asked: bool) -> RenderableType:
    """What became of a delete; `asked` only to count."""
    lines = [Text(f"{plural(reply.deleted, 'point')} {'would be deleted' if asked else 'deleted'}")]
    if reply.missing:
        lines.append(Text(f"{reply.missing:,} of those named not there"))
    if reply.deleted and not reply.dry_run:
        seqs = f"--first-seq {reply.first_seq} --last-seq {reply.seq}"
        lines.append(to_be_copied(f"undo with `tsvec restore {seqs}`"))
    return Group(*lines)


def restoration(reply: RestoreReply, *, asked: bool) -> RenderableType:
    """What became of a restore; `asked` only to count."""
    lines = [Text(f"{plural(reply.restored, 'point')} {'would come' if asked else 'came'} back")]
    if reply.occupied:
        lines.append(Text(f"{reply.occupied:,} left out: a live point has the place"))
    if reply.missing:
        lines.append(Text(f"{reply.missing:,} of those named not kept"))
    return Group(*lines)


def collection(found: CollectionInfo) -> RenderableType:
    """What a collection is made of."""
    about = Table.grid(padding=(0, 2))
    about.add_row("collection", found.name)
    about.add_row("vectors", f"{found.dim} {found.metric}")
    about.add_row("window size", found.window_size)
    about.add_row("allowed lateness", found.allowed_lateness or f"{found.window_size} (a window)")
    about.add_row("retention", found.retention or "none")
    about.add_row("history horizon", found.history_horizon)
    if found.space is not None:
        about.add_row("space", printable(found.space))
    about.add_row("last change", f"{found.seq:,}")
    return about


def compaction(status: CompactionStatus) -> RenderableType:
    """What a compaction did."""
    done = f"{plural(status.merges, 'merge')}, {plural(status.rows, 'row')}, {size(status.bytes)}"
    left = f"{plural(status.partitions, 'partition')} now"
    waiting = f", {status.waiting:,} still waiting" if status.waiting else ""
    return Text(f"{done} written; {left}{waiting}")


def _points(points: Sequence[Point], columns: Sequence[str], title: str | None = None) -> Table:
    """Points as rows; optional columns that none of them fills are left out."""
    shown = [
        name
        for name in columns
        if name not in _OPTIONAL or any(_CELLS[name](point) for point in points)
    ]
    made = table(shown, right=["distance", "score", "seq", "deletion"], title=title)
    for point in points:
        made.add_row(*(cell(_CELLS[name](point)) for name in shown))
    return made


def cell(text: str) -> Text:
    """One line, cut where its column has to give way."""
    return Text(text, no_wrap=True, overflow="ellipsis")


def pairs(metadata: Mapping[str, Any] | None) -> str:
    """Metadata as `name=Katrina wind=150`."""
    return printable(" ".join(f"{name}={value}" for name, value in (metadata or {}).items()))


def vector(elements: Sequence[float] | None) -> str:
    """The first elements of a vector."""
    if elements is None:
        return ""
    first = [f"{element:.4g}" for element in elements[:_VECTOR_ELEMENTS_SHOWN]]
    more = ["…"] if len(elements) > _VECTOR_ELEMENTS_SHOWN else []
    return f"[{', '.join(first + more)}]"


_CELLS: dict[str, Callable[[Any], str]] = {
    "entity": lambda point: printable(point.entity_id),
    "type": lambda point: printable(point.entity_type),
    "time (UTC)": lambda point: moment(point.timestamp),
    "distance": lambda hit: f"{hit.distance:.5g}",
    "score": lambda hit: "" if hit.score is None else f"{hit.score:.5g}",
    "deleted (UTC)": lambda point: moment(point.deleted_at),
    "deletion": lambda point: f"{point.deleted_seq:,}",
    "seq": lambda point: f"{point.seq:,}",
    "key": lambda point: printable(point.key or ""),
    "vector": lambda point: vector(point.vector),
    "metadata": lambda point: pairs(point.metadata),
}
_OPTIONAL = {"score", "key", "vector", "metadata"}


def ingest(reply: IngestReply, seconds: float) -> RenderableType:
    """What became of a file."""
    rate = reply.ingested / seconds if seconds else 0.0
    lines = [
        Text(
            f"{plural(reply.ingested, 'point')} stored and on disk in {seconds:.1f} s "
            f"({rate:,.0f} a second), seq {reply.seq:,}"
        )
    ]
    told = {
        "unchanged": reply.unchanged,
        "replaced": reply.replaced,
        "late": reply.late,
    }
    if any(told.values()):
        lines.append(Text(", ".join(f"{count:,} {word}" for word, count in told.items() if count)))
    if reply.rejected:
        lines.append(Text(f"{plural(reply.rejected, 'row')} refused:", style="bold"))
        lines += [Text(f"  row {e.index}: {printable(e.message)}") for e in reply.errors[:10]]
        if reply.rejected > 10:
            lines.append(Text(f"  … and {reply.rejected - 10:,} more; --json lists them"))
    return Group(*lines)


def info(
    where: str | Path,
    found: Info,
    health: Health,
    collections: Sequence[tuple[CollectionInfo, CollectionStats]],
) -> RenderableType:
    """A database at a glance."""
    about = Table.grid(padding=(0, 2))
    about.add_row("database", str(where))
    about.add_row(
        "version", f"{found.version} (API {found.api_version}, format {found.format_version})"
    )
    about.add_row("health", ". ".join([health.status, *health.problems]))
    about.add_row("capabilities", ", ".join(found.capabilities) or "-")
    limits = ", ".join(f"{name} {value:,}" for name, value in found.limits)
    about.add_row("limits", limits)
    if not collections:
        return Group(about, Text("no collections; `tsvec ingest FILE` makes one"))
    rows = table(
        ["collection", "vectors", "points", "entities", "from (UTC)", "to", "disk"],
        right=["points", "entities", "disk"],
    )
    for config, stats in collections:
        rows.add_row(
            config.name,
            f"{config.dim} {config.metric}",
            f"{stats.points:,}",
            f"{stats.entities:,}",
            _minute(stats.first_time),
            _minute(stats.last_time),
            size(sum(count for _, count in stats.bytes)),
        )
    return Group(about, rows)


def verification(path: Path, report: VerifyReport) -> RenderableType:
    """What rereading a directory found."""
    read = f"{plural(report.files, 'file')}, {size(report.bytes)} reread in {path}"
    verdict = "every checksum holds" if report.ok else "damaged"
    found = [*report.problems, *(f"repaired: {file}" for file in report.repaired)]
    return Text("\n  ".join([f"{read}: {verdict}", *found]))
