"""Compaction: which partitions are worth rewriting, and where the rewritten rows are cut.

Pure values and functions: partitions are weighed by their extents alone, nobody's rows are read.
Why these rules and not others: record 0011.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from operator import attrgetter
from typing import Literal, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from tsvec.model.vectors import Int64Array

Reason: TypeAlias = Literal["neighbours", "overlap", "cut", "fold"]

_MEASURES = attrgetter("rows", "bytes", "time_min", "time_max", "unfolded", "purgeable")

DEPTH_MAX = 2
"""Partitions that may cover one instant after a full compaction."""

UNFOLDED_ROWS_MIN = 1_024
UNFOLDED_SHARE = 0.10
PURGEABLE_SHARE = 0.25

_MERGED_MAX = 8
"""Caps of rows or bytes that one merge reads at most, unless two partitions alone hold more."""

_ALONE = 0.495
"""Rows of one instant above this share of a cap are not joined with others of it: a bit less than
a half, since an instant that needs several partitions is cut evenly, and those must stay apart."""

_CROWDED, _CUTTING, _FULL_HOUSE = 0.75, 0.8, 0.9
"""Shares of `partitions_max` above which the cap rises, nothing is cut by span, any neighbours are
merged. The last two differ by more than one rewrite can cut (`Merge.cuts_max`), so that cutting and
merging never undo each other."""


@dataclass(frozen=True, slots=True)
class Extent:
    """What the planner knows of a partition.

    `bytes` are those of vectors and metadata; times are µs, both inclusive. `unfolded` counts the
    deaths that only its overlay knows, `purgeable` the dead rows that nobody can ask for any more.
    """

    name: str
    rows: int
    bytes: int
    time_min: int
    time_max: int
    unfolded: int = 0
    purgeable: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactionRules:
    """How large partitions may be in rows, bytes and time (µs; None: any), and how many.

    `rows_base` is what a seal usually writes. Sizes fall into levels, each `fan_out` times the
    one before; `rows_base` lies in the middle of a level, so that a few rows less change nothing.
    """

    rows_base: int = 8_192
    rows_max: int
    bytes_max: int
    span_max: int | None
    fan_out: int = 4
    partitions_max: int = 1_000


@dataclass(frozen=True, slots=True)
class Merge:
    """Partitions to rewrite as one sorted run, in order of time, and how `cut_rows` cuts it."""

    names: tuple[str, ...]
    reason: Reason
    rows_max: int
    bytes_max: int
    span_max: int | None
    cuts_max: int


def choose_merge(extents: Sequence[Extent], rules: CompactionRules, *, full: bool) -> Merge | None:
    """The next rewrite, the most urgent and cheapest first; None when nothing is worth one.

    `full` asks for all that can be tidied (at most DEPTH_MAX partitions over an instant, nothing
    left to fold or cut), otherwise only what pays by itself is done. Apply it and ask again.
    """
    view = _View.of(extents, rules)
    chosen = next(_choices(view, full=full), None)
    if chosen is None:
        return None
    rows = chosen.rows[np.lexsort((view.high[chosen.rows], view.low[chosen.rows]))]
    # What was merged beyond the cap is not cut up again, and neighbours become one partition.
    held = [view.rows[rows], view.bytes[rows]]
    most = [int(each.sum() if chosen.reason == "neighbours" else each.max()) for each in held]
    return Merge(
        names=tuple(extents[i].name for i in rows.tolist()),
        reason=chosen.reason,
        rows_max=max(rules.rows_max, most[0]),
        bytes_max=max(rules.bytes_max, most[1]),
        span_max=rules.span_max if chosen.cut else None,
        cuts_max=max(1, rules.partitions_max // 16),
    )


def count_waiting(extents: Sequence[Extent], rules: CompactionRules) -> int:
    """How many of these partitions a full compaction would rewrite as things stand.

    0 exactly when `choose_merge(..., full=True)` is None. What the rewritten ones may be merged
    with afterwards is not foreseen.
    """
    waiting = np.zeros(len(extents), dtype=np.bool_)
    for choice in _choices(_View.of(extents, rules), full=True):
        waiting[choice.rows] = True
    return int(waiting.sum())


def most_covering(extents: Sequence[Extent]) -> int:
    """The largest number of partitions that cover one instant; 0 if there are none."""
    spans = np.array([(e.time_min, e.time_max) for e in extents], np.int64).reshape(-1, 2)
    return int(_depths(spans[:, 0], spans[:, 1]).max(initial=0))


@dataclass(frozen=True, slots=True)
class _Choice:
    """Rows of the view to rewrite; `cut`: at multiples of the span limit."""

    rows: Int64Array
    reason: Reason
    cut: bool = True


@dataclass(frozen=True, slots=True)
class _View:
    """The extents as columns, with what follows from the rules.

    `load` is the share of a cap that is filled; `low_cell` and `high_cell` number the multiples of
    the span limit. `blocked` are those that hold one instant between them and cannot be joined:
    they count as a single partition where depth matters.
    """

    rules: CompactionRules
    rows: Int64Array
    bytes: Int64Array
    low: Int64Array
    high: Int64Array
    unfolded: Int64Array
    purgeable: Int64Array
    load: NDArray[np.float64]
    level: Int64Array
    low_cell: Int64Array
    high_cell: Int64Array
    blocked: NDArray[np.bool_]

    @classmethod
    def of(cls, extents: Sequence[Extent], rules: CompactionRules) -> _View:
        columns = np.array([_MEASURES(e) for e in extents], np.int64).reshape(-1, 6).T.copy()
        rows, size, low, high, unfolded, purgeable = columns
        # Levels 0 and 1 hold less than the usual seal, which lies in the middle of level 2.
        sizes = np.maximum(rows / rules.rows_base, rules.fan_out**-2.5)
        level = np.floor(np.log(sizes) / np.log(rules.fan_out) + 2.5 + 1e-9).astype(np.int64)
        span = rules.span_max
        load = np.maximum(rows / rules.rows_max, size / rules.bytes_max)
        alone = (low == high) & (load > _ALONE)
        instants, counts = np.unique(low[alone], return_counts=True)
        cells = (low // span, high // span) if span else (np.zeros_like(low), np.zeros_like(low))
        blocked = alone & np.isin(low, instants[counts > 1])
        return cls(rules, rows, size, low, high, unfolded, purgeable, load, level, *cells, blocked)

    def exceeds(self, share: float) -> bool:
        """Whether there are more partitions than this share of the most there may be."""
        return len(self.rows) > share * self.rules.partitions_max

    def affordable(self, chosen: NDArray[np.bool_]) -> Int64Array:
        """The smallest of the chosen, as many as one merge may read, two at least."""
        rows = np.flatnonzero(chosen)
        rows = rows[np.argsort(self.load[rows], kind="stable")]
        return rows[: max(2, np.searchsorted(np.cumsum(self.load[rows]), _MERGED_MAX, "right"))]


def _depths(low: Int64Array, high: Int64Array) -> Int64Array:
    """How many of these spans cover each of `low`: the greatest depth is among them."""
    begun = np.searchsorted(np.sort(low), low, side="right")
    return (begun - np.searchsorted(np.sort(high), low, side="left")).astype(np.int64)


def _choices(view: _View, *, full: bool) -> Iterator[_Choice]:
    """All that is worth rewriting, the most urgent and cheapest first."""
    if view.exceeds(_FULL_HOUSE):
        none = np.zeros_like(view.low)
        alike = replace(view, level=none, low_cell=none, high_cell=none, blocked=none > 0)
        yield from _crowded(alike)
    cut = not view.exceeds(_CUTTING)
    if full:
        yield from _deep(view, cut=cut)
    for level in np.unique(view.level).tolist():
        if not full:
            yield from _stacked(view, level, cut=cut)
        yield from _neighbours(view, level)
    if view.exceeds(_CROWDED):
        yield from _crowded(view)
    if cut:
        yield from _crossing(view, full=full)
    yield from _fading(view, cut=cut, full=full)


def _deep(view: _View, *, cut: bool) -> Iterator[_Choice]:
    """All but the largest partition over an instant that too many cover, the deepest first."""
    counted = ~view.blocked
    blocked = np.flatnonzero(view.blocked)
    counted[blocked[np.unique(view.low[blocked], return_index=True)[1]]] = True
    size = np.where(view.blocked, np.inf, view.load)
    low = view.low[counted]
    depths = _depths(low, view.high[counted])
    for i in np.argsort(-depths, kind="stable")[: np.sum(depths > DEPTH_MAX)].tolist():
        here = (view.low <= low[i]) & (low[i] <= view.high)
        here[np.argmax(np.where(here, size, -1.0))] = False
        yield _Choice(view.affordable(here & ~view.blocked), "overlap", cut)


def _stacked(view: _View, level: int, *, cut: bool) -> Iterator[_Choice]:
    """Partitions of one level, as many as the fan-out, over one instant; lower ones with them."""
    mergeable = ~view.blocked & (view.level <= level)
    of_level = mergeable & (view.level == level)
    low = view.low[of_level]
    depths = _depths(low, view.high[of_level])
    for i in np.argsort(-depths, kind="stable")[: np.sum(depths >= view.rules.fan_out)].tolist():
        here = (view.low <= low[i]) & (low[i] <= view.high)
        yield _Choice(view.affordable(here & mergeable), "overlap", cut)


@dataclass(frozen=True, slots=True)
class _Row:
    """Partitions of one level in order of time, in runs that nothing interrupts.

    `order` lists the partitions that lie inside one cell, `places` those of the level within it,
    `run` the number of the run that each place belongs to; `sums` are rows and bytes before each.
    """

    view: _View
    order: Int64Array
    places: Int64Array
    run: Int64Array
    sums: NDArray[np.float64]

    @classmethod
    def of(cls, view: _View, level: int) -> _Row:
        inside = np.flatnonzero(view.low_cell == view.high_cell)
        order = inside[np.lexsort((view.high[inside], view.low[inside]))]
        apart = view.blocked[order] | (view.level[order] > level)
        places = np.flatnonzero((view.level[order] == level) & ~apart)
        apart[1:] |= np.diff(view.low_cell[order]) != 0
        shares = [view.rows[order] / view.rules.rows_max, view.bytes[order] / view.rules.bytes_max]
        sums = np.pad(np.cumsum(shares, axis=1), ((0, 0), (1, 0)))
        return cls(view, order, places, np.cumsum(apart, dtype=np.int64)[places], sums)

    def windows(self, width: int) -> Int64Array:
        """Each i such that places[i : i + width] are of one run."""
        last = self.run[width - 1 :]
        return np.flatnonzero(self.run[: len(last)] == last)

    def loads(self, first: Int64Array, width: int) -> NDArray[np.float64]:
        """What share of a cap the windows that begin at `first` fill, lower ones included."""
        ends, starts = self.places[first + width - 1] + 1, self.places[first]
        return np.asarray((self.sums[:, ends] - self.sums[:, starts]).max(axis=0))

    def members(self, first: int, width: int) -> Int64Array:
        return self.order[self.places[first] : self.places[first + width - 1] + 1]


def _neighbours(view: _View, level: int) -> Iterator[_Choice]:
    """Neighbours of one level that fit into one partition, lower ones in between included.

    Where as many as the fan-out wait but are too large together, fewer will do if they fill half
    a partition and none of them is half of it already: no row is rewritten for that twice.
    """
    fan_out = view.rules.fan_out
    row = _Row.of(view, level)
    _, place, counts = np.unique(row.run, return_inverse=True, return_counts=True)
    for width in (fan_out**2, *range(fan_out, 1, -1)):
        first = row.windows(width)
        first = first[counts[place[first]] >= fan_out]
        loads = row.loads(first, width)
        fits = loads <= 1 + 1e-9
        if width < fan_out and len(first):
            held = sliding_window_view(view.load[row.order[row.places]], width)
            fits &= (loads >= 0.5) & (held.max(axis=1)[first] <= loads / 2)
        for i in first[fits].tolist():
            yield _Choice(row.members(i, width), "neighbours")
        if fits.any():
            return


def _crowded(view: _View) -> Iterator[_Choice]:
    """Neighbours of one level beyond the cap, wherever the least has to be rewritten."""
    width = view.rules.fan_out
    found: list[tuple[float, Int64Array]] = []
    for level in np.unique(view.level).tolist():
        row = _Row.of(view, level)
        first = row.windows(width)
        loads = row.loads(first, width).tolist()
        found += zip(loads, (row.members(i, width) for i in first.tolist()), strict=True)
    for _, rows in sorted(found, key=lambda pair: pair[0]):
        yield _Choice(rows, "neighbours", cut=False)


def _crossing(view: _View, *, full: bool) -> Iterator[_Choice]:
    """Partitions across a multiple of the span limit. In the background only those that newer data
    has left behind: until then others are likely to be merged with them, which cuts them as well.
    """
    crossing = view.low_cell < view.high_cell
    if not full:
        crossing &= view.high_cell < view.high_cell.max(initial=0)
    rows = np.flatnonzero(crossing)
    for i in rows[np.argsort(view.rows[rows], kind="stable")].tolist():
        yield _Choice(np.array([i]), "cut")


def _fading(view: _View, *, cut: bool, full: bool) -> Iterator[_Choice]:
    """Partitions with deaths to fold in or dead rows to purge, the largest share first."""
    fold = (view.unfolded > UNFOLDED_SHARE * view.rows) & (view.unfolded >= UNFOLDED_ROWS_MIN)
    worth = fold | (view.purgeable > PURGEABLE_SHARE * view.rows)
    dead = view.unfolded + view.purgeable
    rows = np.flatnonzero(dead > 0 if full else worth)
    for i in rows[np.argsort(-dead[rows] / view.rows[rows], kind="stable")].tolist():
        yield _Choice(np.array([i]), "fold", cut)


def cut_rows(times: Int64Array, row_bytes: Int64Array, merge: Merge) -> list[slice]:
    """Where to cut merged rows into partitions: slices that cover all rows, in order.

    `times` (n,) are event times in µs, ascending; `row_bytes` (n,) the bytes of each row's vector
    and metadata. A piece holds at most `rows_max` rows and `bytes_max` bytes (unless a row alone
    has more) and crosses no multiple of `span_max` (unless there are more than `cuts_max`). As
    few pieces as possible, as even as possible; rows of one instant stay together if they fit.
    """
    n = len(times)
    sums = np.concatenate(([0], np.cumsum(np.minimum(row_bytes, merge.bytes_max))))
    starts = np.concatenate(([0], np.flatnonzero(np.diff(times)) + 1))[:n]
    ends = np.append(starts, n)[1:]
    large = (ends - starts > merge.rows_max) | (sums[ends] - sums[starts] > merge.bytes_max)
    marks = [np.array([0, n]), _cell_edges(times, merge), starts[large], ends[large]]
    pieces: list[slice] = []
    for start, stop in pairwise(np.unique(np.concatenate(marks)).tolist()):
        at, after = np.searchsorted(starts, [start, stop])
        places = np.arange(start + 1, stop + 1) if large[at] else ends[at:after]
        pieces += _cut_evenly(start, stop, places, sums, merge)
    return pieces


def _cell_edges(times: Int64Array, merge: Merge) -> Int64Array:
    """The first row of each span but the first; evenly chosen ones if there are too many."""
    if merge.span_max is None:
        return np.empty(0, dtype=np.int64)
    edges = np.flatnonzero(np.diff(times // merge.span_max)) + 1
    if len(edges) > merge.cuts_max:
        edges = edges[np.linspace(0, len(edges) - 1, merge.cuts_max).astype(np.int64)]
    return edges


def _cut_evenly(
    start: int, stop: int, places: Int64Array, sums: Int64Array, merge: Merge
) -> list[slice]:
    """The fewest pieces of [start, stop) that end at `places`, the largest made smallest."""
    caps = (merge.rows_max, merge.bytes_max)
    best = _fill(start, stop, places, sums, caps) or [slice(start, stop)]
    low, high = 0.0, 1.0
    for _ in range(24 if len(best) > 1 else 0):  # then the share is known to a ten-millionth
        share = (low + high) / 2
        caps = (int(share * merge.rows_max), int(share * merge.bytes_max))
        tried = _fill(start, stop, places, sums, caps)
        if tried and len(tried) <= len(best):
            best, high = tried, share
        else:
            low = share
    return best


def _fill(
    start: int, stop: int, places: Int64Array, sums: Int64Array, caps: tuple[int, int]
) -> list[slice] | None:
    """Pieces of [start, stop), one filled after another; None if none may end within the caps."""
    pieces = []
    while start < stop:
        end = min(int(np.searchsorted(sums, sums[start] + caps[1], "right")) - 1, start + caps[0])
        place = int(np.searchsorted(places, end, "right")) - 1
        end = int(places[place]) if place >= 0 else start
        if end <= start:
            return None
        pieces.append(slice(start, end))
        start = end
    return pieces
