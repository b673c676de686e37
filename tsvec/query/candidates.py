"""Exact nearest rows: a float32 scan proposes, double precision decides, widening until certain.

The scan's error bound says when no row it left out can belong to the answer; until then it is
asked for more. So the result is that of measuring every row in double precision. Many searches are
measured together, since for a few rows the calls cost more than the arithmetic.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsvec.kernels.distance import Metric, measure_distances
from tsvec.kernels.scan import SAFE_NORM, cost_error, cost_of, scan_nearest
from tsvec.model.vectors import Float32Array, Int64Array
from tsvec.window.part import Columns, Numbers, Rows, count_rows

_SLACK = 6
_WIDEN = 4
_SPARSE = 16
"""Rows wanted out of this many are skipped over where they lie; fewer are copied together first."""

_GROUP_ELEMENTS = 1 << 22
"""Vector elements measured together, about; it bounds the memory of many wide searches."""

_NO_ROWS = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Target:
    """A query vector: as given for measuring, of unit length (cosine) for scanning."""

    metric: Metric
    vector: Float32Array
    scan_vector: Float32Array
    norm: float

    @classmethod
    def of(cls, metric: Metric, vector: Float32Array) -> Target:
        """The target for a query vector, which must not be zero under cosine."""
        exact = vector.astype(np.float64)
        norm = math.sqrt(float(exact.dot(exact)))
        scan = (exact / norm).astype(np.float32) if metric == "cosine" else vector
        return cls(metric, vector, np.ascontiguousarray(scan), norm)


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


@dataclass(slots=True)
class _Proposal:
    """What a search would measure, and the cost that every other row certainly exceeds.

    The floor is None if no other row is left.
    """

    search: Search
    width: int
    measured: int = 0
    floor: float | None = None
    rows: list[tuple[Columns, Int64Array]] = field(default_factory=list)

    @property
    def elements(self) -> int:
        """Elements of the vectors it would measure."""
        return len(self.search.target.vector) * sum(len(rows) for _, rows in self.rows)


def find_nearest(searches: Sequence[Search]) -> list[Candidates]:
    """What each search finds; fewer than k only if there are no more. One metric, one dim."""
    found: dict[int, Candidates] = {}
    waiting = deque((place, _Proposal(one, one.k + _SLACK)) for place, one in enumerate(searches))
    while waiting:
        group: list[tuple[int, _Proposal]] = []
        elements = 0
        while waiting and elements < _GROUP_ELEMENTS:
            place, proposal = waiting.popleft()
            _propose(proposal)
            group.append((place, proposal))
            elements += proposal.elements
        measured = _measure([proposal for _, proposal in group])
        for (place, proposal), candidates in zip(group, measured, strict=True):
            best = _settle(proposal, candidates)
            if best is None:
                waiting.append((place, proposal))
            else:
                found[place] = best
    return [found[place] for place in range(len(searches))]


def _settle(proposal: _Proposal, candidates: Candidates) -> Candidates | None:
    """The answer if it is certain; else the proposal is widened for another round."""
    search, floor = proposal.search, proposal.floor
    proposal.measured += len(candidates.row)
    if search.one_per_entity:
        candidates = candidates.at(first_of_entities(candidates))
    count, k = len(candidates.row), search.k
    if floor is not None and (
        count < k or cost_of(search.target.metric, float(candidates.distance[k - 1])) >= floor
    ):
        proposal.width *= _WIDEN
        return None
    best = candidates.at(slice(0, k))
    best.complete = floor is None and count <= k
    best.measured = proposal.measured
    return best


def _propose(proposal: _Proposal) -> None:
    """Choose the rows to measure: the best `width` of a scan, or all where that is not many."""
    target, width = proposal.search.target, proposal.width
    proposal.rows, proposal.floor = [], None
    scanned: list[tuple[Source, NDArray[np.float64], Int64Array]] = []
    for source in proposal.search.sources:
        safe = max(source.part.norm_max, target.norm) < SAFE_NORM
        if not safe or source.count <= 2 * width:
            proposal.rows.append((source.part, source.all_rows()))
            continue
        scanned.append((source, *source.scan(target, width)))
    if not scanned:
        return
    cut = _smallest([costs for _, costs, _ in scanned], width)
    norm_max = max(source.part.norm_max for source, _, _ in scanned)
    error = cost_error(target.metric, cut, len(target.vector), target.norm, norm_max)
    proposal.floor = cut - error
    for source, costs, rows in scanned:
        near = int(np.searchsorted(costs, cut, side="right"))
        proposal.rows.append((source.part, rows[:near]))


def _smallest(ascending: list[NDArray[np.float64]], count: int) -> float:
    """The last of the `count` smallest numbers of these arrays."""
    if len(ascending) == 1:
        return float(ascending[0][count - 1])
    return float(np.partition(np.concatenate(ascending), count - 1)[count - 1])


def _measure(proposals: Sequence[_Proposal]) -> list[Candidates]:
    """The proposed rows of each search with their distances, in total order."""
    parts: list[Columns] = []
    chosen: dict[int, list[tuple[int, Int64Array]]] = {}
    for number, proposal in enumerate(proposals):
        for part, rows in proposal.rows:
            if len(rows):
                if id(part) not in chosen:
                    parts.append(part)
                chosen.setdefault(id(part), []).append((number, rows))
    asked, source, row, distance, time = [], [], [], [], []
    for place, (part, mine) in enumerate(zip(parts, chosen.values(), strict=True)):
        rows = _join([rows for _, rows in mine])
        who = np.repeat([number for number, _ in mine], [len(rows) for _, rows in mine])
        targets = [proposals[number].search.target for number, _ in mine]
        query = targets[0].vector
        if len(mine) > 1:
            query = np.repeat(
                [target.vector for target in targets], [len(rows) for _, rows in mine], axis=0
            )
        asked.append(who)
        source.append(np.full(len(rows), place))
        row.append(rows)
        distance.append(measure_distances(targets[0].metric, query, part.vectors(rows)))
        time.append(part.times(rows))
    if not chosen:
        nothing = Candidates([], _NO_ROWS, _NO_ROWS, np.empty(0), _NO_ROWS)
        return [nothing for _ in proposals]
    every = Candidates(parts, _join(source), _join(row), _join(distance), _join(time))
    who = _join(asked)
    order = np.lexsort((-every.time, every.distance, who))
    ends = np.searchsorted(who[order], np.arange(len(proposals) + 1))
    every = every.at(order)
    return [
        order_ties(every.at(slice(begin, end)))
        for begin, end in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)
    ]


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


def measure_rows(target: Target, rows: Sequence[tuple[Columns, Int64Array]]) -> Candidates:
    """Some rows of some parts with their distances, in total order."""
    return _measure([_Proposal(Search(target, (), 0), 0, rows=list(rows))])[0]
