"""What the time machine is told to do, and what it is asked: few values, so that they meet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from tests.property.timeline import Config, Row, Timeline, moment, span
from tests.property.timeline_answers import Near, Span
from tests.property.timeline_writes import Selector

NOON = 1_800_000_000_000_000
SECOND = 1_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
ENTITIES = ("a", "b", "c", "d\u00e9", "e")
KINDS = (None, None, None, None, "GENERIC", "ship", "tank")
VECTORS = ((3.0, 4.0), (5.0, 0.0), (5.0, -0.0), (-4.0, 3.0), (0.0, -13.0), (12.0, 5.0), (0.0, 0.0))
METADATA = (None, None, {}, {"n": 1}, {"n": 2, "deep": {"a": [1, "\u00e9"]}}, {"pad": "x" * 5_000})
ATTRIBUTES = ({}, {"a": 1}, {"b": {"c": 2}, "a": None}, {"b": {"c": None, "d": [1]}}, {"a": "x"})
OFFSETS = (0, 0, 1, -1, SECOND, -HOUR, -2 * HOUR, -7 * HOUR, -DAY, -3 * DAY, -40 * DAY, HOUR, DAY)
KEYS = (None, None, None, "k", "l")
COMMITTING = (
    "checkpoint.start",
    "seal.state_written",
    "overlay.written",
    "manifest.before_rename",
    "manifest.after_rename",
)
STEPS = {
    "seal": ("seal.start", "seal.columns_written", "seal.window_set_swapped", *COMMITTING),
    "merge": ("compact.start", "compact.columns_written", "compact.swapped", *COMMITTING),
    "drop": ("drop.start", "drop.logged", "drop.unlinked", *COMMITTING),
}
configs = st.builds(
    Config,
    window_size=st.sampled_from(("1h", "10m", "1d")),
    allowed_lateness=st.sampled_from((None, "1s", "2h")),
    retention=st.sampled_from((None, None, None, "2d", "3h", "60d")),
    history_horizon=st.sampled_from(("7d", "7d", "1d", "1h", "10m")),
)
pages = st.sampled_from((1, 2, 7, 1_000))


def near_times(line: Timeline) -> st.SearchStrategy[int]:
    """Around now, around points that are there, around the cutoff."""
    now = line.expiry.now()
    known = sorted({v.time for v in line.versions[-40:]})
    edges = [line.cutoff()] if line.config.retention else []
    anchors = [now, now // line.width * line.width, *edges, *known]
    return st.builds(int.__add__, st.sampled_from(anchors), st.sampled_from(OFFSETS))


def rows(line: Timeline, rows_max: int = 8) -> st.SearchStrategy[list[Row]]:
    """The rows of a request."""
    near = near_times(line)
    return st.lists(_row(near | near | st.none()), min_size=1, max_size=rows_max)


def _row(times: st.SearchStrategy[int | None]) -> st.SearchStrategy[Row]:
    return st.builds(
        Row,
        entity=st.sampled_from(ENTITIES),
        time=times,
        vector=st.sampled_from(VECTORS),
        key=st.sampled_from(KEYS),
        metadata=st.sampled_from(METADATA),
        kind=st.sampled_from(KINDS),
    )


@st.composite
def repeated_rows(draw: st.DrawFn, line: Timeline) -> list[Row]:
    """Rows with the identity of points that are or were there, some with their content too."""
    versions = draw(st.lists(st.sampled_from(line.versions[-60:]), min_size=1, max_size=6))
    found = []
    for version in versions:
        old = version.row
        vector = draw(st.sampled_from((old.vector, old.vector, *VECTORS[:4])))
        metadata = draw(st.sampled_from((old.metadata, old.metadata, {"n": 9})))
        kind = draw(st.sampled_from(KINDS))
        found.append(Row(old.entity, version.time, vector, old.key, metadata, kind))
    return [*(draw(rows(line, 3)) if draw(st.integers(0, 2)) == 0 else ()), *found]


@st.composite
def runs(draw: st.DrawFn, line: Timeline) -> list[Row]:
    """Many points, in order of time or against it, with few decisions."""
    count = draw(st.integers(5, 30))
    start, step = draw(near_times(line)), draw(st.sampled_from((0, 1, SECOND, 7 * SECOND, -HOUR)))
    spread = draw(st.integers(1, len(ENTITIES)))
    return [
        Row(
            entity=ENTITIES[number % spread],
            time=start + step * number,
            vector=VECTORS[number % (len(VECTORS) - 1)],
            key=f"n{number}" if step == 0 else None,
            metadata={"run": number},
        )
        for number in range(count)
    ]


def crowd() -> list[Row]:
    """Points of many entities: what a checkpoint writes is more than what happens since."""
    names = [*ENTITIES, *(f"x{number}" for number in range(30))]
    return [
        Row(name, NOON - HOUR + number * SECOND, VECTORS[number % 6], metadata={"crowd": number})
        for number, name in enumerate(names)
    ]


@st.composite
def spans(draw: st.DrawFn, line: Timeline, *, is_closed: bool = False) -> Span:
    """Both sides open or not, on points or beside them."""
    side = near_times(line)
    start, end = draw(side if is_closed else st.none() | side), draw(st.none() | side)
    if start is not None and end is not None and start > end:
        start, end = end, start
    return Span(start, end)


some_entities = st.lists(st.sampled_from((*ENTITIES, "nobody")), min_size=1, max_size=3).map(tuple)


@st.composite
def selectors(draw: st.DrawFn, line: Timeline, *, restoring: bool = False) -> Selector:
    """By name, by entity, by range, by both; to restore also by the seqs of deletions."""
    kinds = ["points", "entities", "range", "both", *(["seqs", "seqs"] if restoring else [])]
    match draw(st.sampled_from(kinds)):
        case "points":
            known = [v.identity for v in line.versions[-60:]]
            one = st.sampled_from([*known, ("nobody", NOON, None), ("a", NOON + 7, "k")])
            return Selector(points=tuple(draw(st.lists(one, min_size=1, max_size=4))))
        case "entities":
            return Selector(entities=draw(some_entities))
        case "range":
            within = draw(spans(line, is_closed=True))
            return Selector(start=within.start, end=within.end)
        case "seqs":
            deaths = sorted({v.dead_seq or 1 for v in line.versions} | {1})
            ends = sorted(draw(st.lists(st.sampled_from(deaths), min_size=2, max_size=2)))
            last = draw(st.sampled_from((ends[1], None)))
            return Selector(first_seq=ends[0], last_seq=last)
        case _:
            within = draw(spans(line))
            return Selector(entities=draw(some_entities), start=within.start, end=within.end)


@st.composite
def moments(draw: st.DrawFn, line: Timeline, reported: int) -> Any:
    """The present, a seq or a recorded time: mostly one that can be read, or just not."""
    match draw(st.sampled_from(("now", "seq", "seq", "time", "edge"))):
        case "now":
            return None
        case "seq":
            return draw(st.integers(reported, line.seq))
        case "time":
            at = draw(st.sampled_from(line.recorded[-60:] or [line.clock.wall]))
            return moment(at + draw(st.sampled_from((0, -1, 1))))
        case _:
            reach = line.expiry.now() - span(line.config.history_horizon)
            last = max(line.clock.wall, line.last_at)
            times = [moment(time) for time in (reach, reach - 1, last, last + 1)]
            seqs = [max(reported - 1, 0), reported, line.seq, line.seq + 1]
            return draw(st.sampled_from([*times, *seqs]))


def edges(line: Timeline) -> st.SearchStrategy[int]:
    """How much later some recorded time will lie just at the horizon."""
    seqs = [n - 1 for changes in line.attributes.values() for n, _ in changes if n > 1]
    seqs += [n - 1 for kinds in line.types.values() for n, _ in kinds if n > 1]
    times = [*line.recorded[-40:], *(line.recorded[n - 1] for n in seqs)]
    later = span(line.config.history_horizon) - line.expiry.now()
    return st.sampled_from([max(at + later, 1) for at in times])


@st.composite
def near_questions(draw: st.DrawFn, line: Timeline) -> Near:
    """A kNN question by vector or by entity, with selectors or without."""
    vector: tuple[float, ...] | None = draw(st.sampled_from(VECTORS))
    entity = at = None
    if draw(st.integers(0, 2)) == 0:
        vector, entity = None, draw(st.sampled_from((*ENTITIES, "nobody")))
        at = draw(st.none() | near_times(line))
    types = st.lists(st.sampled_from(("GENERIC", "ship", "tank", "?")), max_size=2).map(tuple)
    return Near(
        vector=vector,
        entity=entity,
        at=at,
        within=draw(st.just(Span()) | spans(line)),
        k=draw(st.sampled_from((1, 3, 10, 1_000))),
        types=draw(st.none() | st.none() | types),
        entities=draw(st.none() | st.none() | some_entities),
        distinct=draw(st.booleans()),
        include=draw(st.sampled_from((("metadata",), ("metadata", "vector"), ()))),
    )


def known_entities(line: Timeline) -> Sequence[str]:
    return (*line.types, "nobody")
