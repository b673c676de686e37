"""The best scores under time decay: newest rows first, until the rest is too old to matter.

Every row is at most as good as its weight, so once `k` rows are better than the weight of all that
is left, nothing of it is read. Before that, a scan in single precision gives each row bounds on its
score, and those that may be among the best are measured in double precision. So the result is that
of scoring every row.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tsvec.kernels.decay import Decay, closeness_at_cost, closeness_of
from tsvec.kernels.distance import Float64Array
from tsvec.model.vectors import Int64Array
from tsvec.query.candidates import (
    Candidates,
    Search,
    Source,
    entities_of,
    first_of_entities,
    order_ties,
)
from tsvec.query.nearest.bounds import CHUNK_ROWS_MAX, bound_rows
from tsvec.window.part import Columns, Numbers, Rows, count_rows

_FIRST_ROWS: Final = 1_024
"""Rows of the first look; each later one is as large as all before, up to a limit."""

_NONE: Final = np.empty(0, np.int64)


def find_decayed(search: Search, decay: Decay) -> Candidates:
    """The `k` best rows of a search, or the best of each of `k` entities.

    In total order: score descending, newer first, entity_id, key, newer commit first.
    """
    best = _Best(search, decay)
    waiting = [tail for source in search.sources if (tail := _Tail.of(source)) is not None]
    heapq.heapify(waiting)
    seen = 0
    while waiting:
        search.deadline.check()
        tail = waiting[0]
        if best.excludes(decay.bound(tail.newest), tail.newest):
            break
        rows = tail.take(min(max(seen, _FIRST_ROWS), CHUNK_ROWS_MAX))
        seen += count_rows(rows)
        best.add(tail.part, rows)
        if tail.count:
            heapq.heapreplace(waiting, tail)
        else:
            heapq.heappop(waiting)
    found = best.finish()
    found.decayed = {tail.part.name: tail.count for tail in waiting}
    found.complete = found.complete and not waiting
    return found


@dataclass(slots=True)
class _Tail:
    """Rows of a source that were not looked at, taken from their end; `newest` of their times.

    Sealed rows are in order of time. Of hot ones `peaks` holds the newest up to each.
    """

    part: Columns
    rows: Rows
    newest: int
    peaks: Int64Array | None

    @classmethod
    def of(cls, source: Source) -> _Tail | None:
        """All rows of a source; None if it has none."""
        if not source.count:
            return None
        peaks = None
        if source.part.is_hot:
            peaks = np.maximum.accumulate(source.part.times(source.rows))
        tail = cls(source.part, source.rows, 0, peaks)
        tail._look()
        return tail

    @property
    def count(self) -> int:
        """How many rows are left."""
        return count_rows(self.rows)

    def take(self, count: int) -> Rows:
        """The last rows, ascending."""
        rows = self.rows
        if isinstance(rows, slice):
            middle = max(rows.start, rows.stop - count)
            self.rows, taken = slice(rows.start, middle), slice(middle, rows.stop)
            self._look()
            return taken
        middle = max(0, len(rows) - count)
        self.rows = rows[:middle]
        self._look()
        return rows[middle:]

    def __lt__(self, other: _Tail) -> bool:
        return self.newest > other.newest

    def _look(self) -> None:
        count = self.count
        if not count:
            return
        if self.peaks is not None:
            self.newest = int(self.peaks[count - 1])
            return
        last = (
            slice(self.rows.stop - 1, self.rows.stop)
            if isinstance(self.rows, slice)
            else (self.rows[-1:])
        )
        self.newest = int(self.part.times(last)[0])


@dataclass(slots=True)
class _Best:
    """The best rows found, and what a row has to reach to be among them: `floor`, a score and,
    where scores are equal, an event time.
    """

    search: Search
    decay: Decay
    floor: tuple[float, int] = (-1.0, 0)
    found: Candidates = field(
        default_factory=lambda: Candidates([], _NONE, _NONE, np.empty(0), _NONE, score=np.empty(0))
    )
    measured: int = 0
    complete: bool = True
    parts: dict[int, int] = field(default_factory=dict)

    def excludes(self, bound: float, newest: int) -> bool:
        """Whether no row can be among the best whose score and time are at most these."""
        return (bound, newest) < self.floor

    def add(self, part: Columns, rows: Rows) -> None:
        """Look at some rows of a part."""
        target, metric = self.search.target, self.search.target.metric
        times = part.times(rows)
        weights = self.decay.weights(times)
        bounds = bound_rows(target, part, rows)
        highest = weights * closeness_at_cost(metric, bounds.low)
        able = self._may_enter(highest, times)
        if able.any():
            lowest = weights[able] * closeness_at_cost(metric, bounds.high[able])
            floor = self._raised_floor(part, bounds.rows[able], lowest)
            able &= highest >= floor
        chosen = bounds.where(able)
        self.complete = self.complete and bool(able.all())
        self.measured += len(chosen.rows)
        if len(chosen.rows):
            distances = chosen.measure(target)
            scores = weights[able] * closeness_of(metric, distances)
            self._keep(part, chosen.rows, distances, np.asarray(times[able]), scores)

    def finish(self) -> Candidates:
        """The best, in order."""
        found, k = order_ties(self.found), self.search.k
        if self.search.one_per_entity:
            found = found.at(first_of_entities(found))
        best = found.at(slice(0, k))
        best.complete = self.complete and len(found.row) <= k
        best.measured = self.measured
        return best

    def _may_enter(self, scores: Float64Array, times: Int64Array) -> NDArray[np.bool_]:
        score, time = self.floor
        enters: NDArray[np.bool_] = (scores > score) | ((scores == score) & (times >= time))
        return enters

    def _raised_floor(self, part: Columns, rows: Int64Array, lowest: Float64Array) -> float:
        """The k-th best score there is at least, these rows being as good as `lowest`."""
        scores = np.concatenate([_scores(self.found), lowest])
        if self.search.one_per_entity:
            numbers = np.concatenate([entities_of(self.found), part.entities(rows)])
            scores = _best_of_each(numbers, scores)
        k = self.search.k
        if len(scores) < k:
            return -1.0
        return float(np.partition(scores, len(scores) - k)[len(scores) - k])

    def _keep(
        self,
        part: Columns,
        rows: Int64Array,
        distances: Float64Array,
        times: Int64Array,
        scores: Float64Array,
    ) -> None:
        """Add measured rows, order, and let go what is not among the best any more."""
        old = self.found
        place = self.parts.setdefault(id(part), len(self.parts))
        parts = old.parts if place < len(old.parts) else [*old.parts, part]
        every = Candidates(
            parts,
            np.concatenate([old.source, np.full(len(rows), place)]),
            np.concatenate([old.row, rows]),
            np.concatenate([old.distance, distances]),
            np.concatenate([old.time, times]),
            score=np.concatenate([_scores(old), scores]),
        )
        every = every.at(np.lexsort((-every.time, -_scores(every))))
        score, time = _scores(every), every.time
        leaders: Int64Array = np.arange(len(score))
        keep = np.ones(len(score), np.bool_)
        if self.search.one_per_entity:
            _, first, of = np.unique(entities_of(every), return_index=True, return_inverse=True)
            lead = first[of]
            keep = (score == score[lead]) & (time == time[lead])
            leaders = np.sort(first)
        if len(leaders) >= self.search.k:
            last = leaders[self.search.k - 1]
            self.floor = float(score[last]), int(time[last])
            keep &= self._may_enter(score, time)
            self.complete = self.complete and len(leaders) == self.search.k
        self.found = every.at(np.flatnonzero(keep))


def _scores(found: Candidates) -> Float64Array:
    assert found.score is not None  # noqa: S101 - these were made here
    return found.score


def _best_of_each(numbers: Numbers, scores: Float64Array) -> Float64Array:
    """The best score of each entity, in no order."""
    order = np.argsort(numbers, kind="stable")
    numbers = numbers[order]
    begins = np.flatnonzero(np.concatenate([[True], numbers[1:] != numbers[:-1]]))
    best: Float64Array = np.maximum.reduceat(scores[order], begins)
    return best
