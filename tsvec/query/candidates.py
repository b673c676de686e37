"""Exact nearest rows: a float32 scan proposes, double precision decides, widening until certain.

The scan's error bound says when no row it left out can belong to the answer; until then it is
asked for more. So the result is that of measuring every row in double precision.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsvec.kernels.distance import Float64Array, Metric, choose_nearest, measure_distances
from tsvec.kernels.scan import SAFE_NORM, cost_error, cost_of, scan_nearest
from tsvec.model.bounds.deadline import NEVER, Deadline
from tsvec.model.vectors import Float32Array, Int64Array
from tsvec.window.part import Columns, Numbers, Rows, count_rows

_SLACK = 6
_WIDEN = 4
_SPARSE = 16
"""Rows wanted out of this many are skipped over where they lie; fewer are copied together first."""

_FEW_ROWS = 1_024
"""Up to so many rows of a part are measured without a scan, which would not be quicker."""

_FEW_NEAREST = 64
"""Up to so many are chosen by insertion; for more of them all rows are sorted."""

_NO_ROWS = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Target:
    """A query vector: as given, in double precision for measuring, of unit length (cosine) for
    scanning.
    """

    metric: Metric
    vector: Float32Array
    exact: Float64Array
    scan_vector: Float32Array
    norm: float

    @classmethod
    def of(cls, metric: Metric, vector: Float32Array) -> Target:
        """The target for a query vector, which must not be zero under cosine."""
        exact = vector.astype(np.float64)
        norm = math.sqrt(float(exact.dot(exact)))
        scan = (exact / norm).astype(np.float32) if metric == "cosine" else vector
        return cls(metric, vector, exact, np.ascontiguousarray(scan), norm)


@dataclass(frozen=True, slots=True)
class Source:
    """The rows of one part that a search may choose from, ascending."""

    part: Columns
    rows: Rows

    @property
    def count(self) -> int:
        """How many."""
        return count_rows(self.rows)

    def scan(self, target: Target, width: int) -> tuple[NDArray[np.float64], Int64Array]:
        """The `width` rows of least cost: costs ascending, and row numbers in the part."""
        rows, part = self.rows, self.part
        query = target.scan_vector
        if isinstance(rows, slice):
            costs, places = scan_nearest(target.metric, query, part.scan_vectors(rows), width)
            return costs, places + rows.start
        span = slice(int(rows[0]), int(rows[-1]) + 1)
        if span.stop - span.start > _SPARSE * len(rows):
            costs, places = scan_nearest(target.metric, query, part.scan_vectors(rows), width)
            return costs, rows[places]
        keep = np.zeros(span.stop - span.start, np.bool_)
        keep[rows - span.start] = True
        vectors = part.scan_vectors(span)
        costs, places = scan_nearest(target.metric, query, vectors, width, keep)
        return costs, places + span.start

    def all_rows(self) -> Int64Array:
        """All row numbers."""
        if isinstance(self.rows, slice):
            return np.arange(self.rows.start, self.rows.stop)
        return self.rows


@dataclass(frozen=True, slots=True)
class Search:
    """The nearest `k` rows of some sources, or the nearest row of each of `k` entities."""

    target: Target
    sources: Sequence[Source]
    k: int
    one_per_entity: bool = False
    deadline: Deadline = NEVER


@dataclass(slots=True)
class Candidates:
    """Measured rows in total order: distance, newer first, entity_id, key, newer commit first.

    Row i is `row[i]` of the part `parts[source[i]]`. `complete` says that no row was left out,
    `measured` counts the rows measured to find these. Under time decay `score` comes first in the
    order, the greatest before, and `decayed` counts the rows that were too old to look at, by part.
    """

    parts: Sequence[Columns]
    source: NDArray[np.int64]
    row: Int64Array
    distance: NDArray[np.float64]
    time: Int64Array
    complete: bool = False
    measured: int = 0
    score: NDArray[np.float64] | None = None
    decayed: Mapping[str, int] = field(default_factory=dict)

    def at(self, places: NDArray[np.int64] | slice) -> Candidates:
        """Only the candidates at these places."""
        return Candidates(
            self.parts,
            self.source[places],
            self.row[places],
            self.distance[places],
            self.time[places],
            self.complete,
            self.measured,
            None if self.score is None else self.score[places],
            self.decayed,
        )


def find_nearest(search: Search) -> Candidates:
    """What a search finds: k rows, or fewer if there are no more."""
    width, measured = search.k + _SLACK, 0
    while True:
        proposed, floor = _propose(search, width)
        count = sum(count_rows(rows) for _, rows in proposed)
        measured += count
        if search.one_per_entity:
            found = measure_rows(search.target, proposed)
            found = found.at(first_of_entities(found))
            count = len(found.row)
        else:
            found = measure_rows(search.target, proposed, search.k)
        if floor is None or _is_certain(search, found, floor):
            best = found.at(slice(0, search.k)) if len(found.row) > search.k else found
            best.complete = floor is None and count <= search.k
            best.measured = measured
            return best
        width *= _WIDEN


def _is_certain(search: Search, found: Candidates, floor: float) -> bool:
    """Whether k rows were found that certainly come before every row with a cost above a floor."""
    if len(found.row) < search.k:
        return False
    return cost_of(search.target.metric, float(found.distance[search.k - 1])) < floor


def _propose(search: Search, width: int) -> tuple[list[tuple[Columns, Rows]], float | None]:
    """The rows to measure, and the cost that every other row certainly exceeds.

    The best `width` of a scan, or all where that is not many; the cost is None if no row is left.
    """
    target = search.target
    proposed: list[tuple[Columns, Rows]] = []
    scanned: list[tuple[Source, NDArray[np.float64], Int64Array]] = []
    for source in search.deadline.each(search.sources):
        safe = max(source.part.norm_max, target.norm) < SAFE_NORM
        if source.count <= max(2 * width, _FEW_ROWS) or not safe:
            proposed.append((source.part, source.rows))
        else:
            scanned.append((source, *source.scan(target, width)))
    if not scanned:
        return proposed, None
    cut = _smallest([costs for _, costs, _ in scanned], width)
    norm_max = max(source.part.norm_max for source, _, _ in scanned)
    error = cost_error(target.metric, cut, len(target.vector), target.norm, norm_max)
    for source, costs, rows in scanned:
        near = int(np.searchsorted(costs, cut, side="right"))
        proposed.append((source.part, rows[:near]))
    return proposed, cut - error


def _smallest(ascending: list[NDArray[np.float64]], count: int) -> float:
    """The last of the `count` smallest numbers of these arrays."""
    if len(ascending) == 1:
        return float(ascending[0][count - 1])
    return float(np.partition(np.concatenate(ascending), count - 1)[count - 1])


def measure_rows(
    target: Target, chosen: Sequence[tuple[Columns, Rows]], k: int | None = None
) -> Candidates:
    """Some rows of some parts with their distances, in total order; the first k of them."""
    chosen = [(part, rows) for part, rows in chosen if count_rows(rows)]
    if not chosen:
        return Candidates([], _NO_ROWS, _NO_ROWS, np.empty(0), _NO_ROWS)
    distances = [
        measure_distances(target.metric, target.exact, part.vectors(rows)) for part, rows in chosen
    ]
    times = [part.times(rows) for part, rows in chosen]
    numbers = [
        np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows for _, rows in chosen
    ]
    source = np.repeat(np.arange(len(chosen)), [len(rows) for rows in numbers])
    parts = [part for part, _ in chosen]
    every = Candidates(parts, source, _join(numbers), _join(distances), _join(times))
    if k is not None and k <= _FEW_NEAREST:
        places, tied = choose_nearest(every.distance, every.time, k)
        if not tied:
            return every.at(places)
    every = order_ties(every.at(np.lexsort((-every.time, every.distance))))
    return every if k is None else every.at(slice(0, k))


def _join(arrays: list[NDArray[Any]]) -> NDArray[Any]:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def order_ties(found: Candidates) -> Candidates:
    """Order runs of equal distance (score) and time by entity_id, key and newer commit first."""
    measure = found.distance if found.score is None else found.score
    time = found.time
    tied = (measure[1:] == measure[:-1]) & (time[1:] == time[:-1])
    if not tied.any():
        return found

    def rank(place: int) -> tuple[str, str, int]:
        part, rows = found.parts[found.source[place]], found.row[place : place + 1]
        return (part.entity_id(int(rows[0])), part.keys(rows)[0] or "", -int(part.seqs(rows)[0]))

    order = np.arange(len(measure))
    begin = 0
    for end in [*(np.flatnonzero(~tied) + 1).tolist(), len(order)]:
        if end - begin > 1:
            order[begin:end] = sorted(range(begin, end), key=rank)
        begin = end
    return found.at(order)


def first_of_entities(found: Candidates) -> NDArray[np.int64]:
    """The place of the first candidate of each entity, in order."""
    _, first = np.unique(entities_of(found), return_index=True)
    return np.sort(first)


def entities_of(found: Candidates) -> Numbers:
    """The entity number of each candidate."""
    entity = np.empty(len(found.row), np.uint32)
    for number, part in enumerate(found.parts):
        mine = found.source == number
        entity[mine] = part.entities(found.row[mine])
    return entity
