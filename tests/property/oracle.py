"""What the database ought to answer, by looking at every point, in plain Python.

Points are written and replaced here, never deleted: `timeline` knows about that.

Shares no code with the engine: sums are exact (`math.fsum`), rows are a list, nothing is clever.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RELATIVE_TOLERANCE = 1e-12
"""Of a distance; under cosine and dot, of the lengths that were multiplied."""

Identity = tuple[str, int, str | None]


def micros(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


@dataclass(frozen=True)
class Row:
    """One stored point; `timestamp` in µs since 1970 UTC."""

    entity_id: str
    timestamp: int
    vector: tuple[float, ...]
    key: str | None
    metadata: dict[str, Any]
    seq: int

    @property
    def identity(self) -> Identity:
        return (self.entity_id, self.timestamp, self.key)

    @property
    def content(self) -> str:
        return repr((self.vector, self.metadata))

    @property
    def tie_break(self) -> tuple[int, str, str, int]:
        """Among equal distances: newer first, then entity_id, key, newer commit."""
        return (-self.timestamp, self.entity_id, self.key or "", -self.seq)


@dataclass(frozen=True)
class Unit:
    """One place in an answer: its distance, and the seqs that may fill it."""

    distance: float
    seqs: frozenset[int]


@dataclass(frozen=True)
class Question:
    """A temporal kNN question; times in µs, None for an open side."""

    vector: tuple[float, ...] | None = None
    entity_id: str | None = None
    at: int | None = None
    start: int | None = None
    end: int | None = None
    k: int = 10
    entity_types: tuple[str, ...] | None = None
    entity_ids: tuple[str, ...] | None = None
    distinct: bool = False

    def arguments(self) -> dict[str, Any]:
        """The keywords of `Collection.temporal_knn`."""
        given = {
            "query_vector": None if self.vector is None else list(self.vector),
            "entity_id": self.entity_id,
            "at": self.at,
            "start_time": self.start,
            "end_time": self.end,
            "entity_types": None if self.entity_types is None else list(self.entity_types),
            "entity_ids": None if self.entity_ids is None else list(self.entity_ids),
            "distinct": "entity" if self.distinct else None,
        }
        return {name: value for name, value in given.items() if value is not None} | {"k": self.k}


@dataclass
class Oracle:
    """Every version of the points of one collection, by seq, and which of them live."""

    metric: str
    rows: list[Row] = field(default_factory=list)
    living: dict[Identity, Row] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    longest: float = 0.0
    _measured: dict[tuple[float, ...], list[float]] = field(default_factory=dict)

    def add(self, points: Sequence[dict[str, Any]]) -> dict[str, int]:
        """Store points given as `Collection.ingest` takes them, event times as int µs; the counts.

        A row with the identity of a point replaces it; the last of such rows does.
        """
        given = [_row(point) for point in points]
        newest = {row.identity: place for place, row in enumerate(given)}
        unchanged = replaced = 0
        for place, row in enumerate(given):
            last = newest[row.identity]
            there = given[last] if last != place else self.living.get(row.identity)
            if there is not None and there.content == row.content:
                unchanged += 1
                continue
            replaced += there is not None
            if last == place:
                self._store(row, points[place].get("entity_type"))
        return {
            "ingested": len(points) - unchanged,
            "unchanged": unchanged,
            "replaced": replaced,
        }

    def _store(self, row: Row, kind: str | None) -> None:
        self.longest = max(self.longest, math.hypot(*row.vector))
        self.rows.append(replace(row, seq=len(self.rows) + 1))
        self.living[row.identity] = self.rows[-1]
        if self.types.get(row.entity_id, "GENERIC") == "GENERIC":
            self.types[row.entity_id] = kind or "GENERIC"

    def between(self, start: int | None, end: int | None) -> Iterator[Row]:
        """The living rows with start <= event time < end."""
        for row in self.living.values():
            if (start is None or start <= row.timestamp) and (end is None or row.timestamp < end):
                yield row

    def history(
        self, entity_id: str, start: int | None = None, end: int | None = None
    ) -> list[Row]:
        """One entity's rows, oldest first."""
        mine = [row for row in self.between(start, end) if row.entity_id == entity_id]
        return sorted(mine, key=lambda row: (row.timestamp, row.seq))

    def vector_of(self, question: Question) -> tuple[float, ...] | None:
        """The vector a question compares with; None if its entity has no point yet."""
        if question.vector is not None:
            return tuple(np.asarray(question.vector, np.float32).astype(float).tolist())
        until = None if question.at is None else question.at + 1
        history = self.history(str(question.entity_id), None, until)
        return history[-1].vector if history else None

    def eligible(self, question: Question) -> list[Row]:
        """The rows a question may choose from."""
        ids, types = question.entity_ids, question.entity_types
        own = question.entity_id if ids is None else None
        return [
            row
            for row in self.between(question.start, question.end)
            if row.entity_id != own
            and (ids is None or row.entity_id in ids)
            and (types is None or self.types[row.entity_id] in types)
        ]

    def distances(self, vector: tuple[float, ...]) -> list[float]:
        """The distance of every row, in the order of `rows`."""
        known = self._measured.setdefault(vector, [])
        known += [distance(self.metric, vector, row.vector) for row in self.rows[len(known) :]]
        return known

    def tolerance(self, vector: tuple[float, ...], away: float) -> float:
        """How far a computed distance may be from `away`."""
        match self.metric:
            case "cosine":
                return RELATIVE_TOLERANCE
            case "dot":
                return RELATIVE_TOLERANCE * math.hypot(*vector) * self.longest
            case _:
                return RELATIVE_TOLERANCE * away

    def windows(self, start: int | None, end: int | None, width: int) -> dict[int, int]:
        """Points by the first instant of their window."""
        counts: dict[int, int] = {}
        for row in self.between(start, end):
            low = row.timestamp - row.timestamp % width
            counts[low] = counts.get(low, 0) + 1
        return dict(sorted(counts.items()))


def _row(point: dict[str, Any]) -> Row:
    """A point as it is given; it has no seq yet."""
    vector = tuple(np.asarray(point["vector"], np.float32).astype(float).tolist())
    metadata = point.get("metadata") or {}
    return Row(point["entity_id"], point["timestamp"], vector, point.get("key"), metadata, 0)


def distance(metric: str, one: Sequence[float], other: Sequence[float]) -> float:
    """The distance of two vectors, its sums without rounding."""
    if metric == "l2":
        return math.sqrt(math.fsum((a - b) ** 2 for a, b in zip(one, other, strict=True)))
    product = math.fsum(a * b for a, b in zip(one, other, strict=True))
    if metric == "dot":
        return -product
    squares = [math.fsum(a * a for a in vector) for vector in (one, other)]
    cosine = product / (math.sqrt(squares[0]) * math.sqrt(squares[1]))
    return min(2.0, max(0.0, 1.0 - cosine))


def check_answer(oracle: Oracle, question: Question, reply: Any) -> None:
    """Assert that a reply answers a question: whom, how far, in which order, how many there were.

    Distances closer to each other than rounding can tell may change places, equal ones may not.
    """
    vector = oracle.vector_of(question)
    assert vector is not None
    rows = oracle.eligible(question)
    away = oracle.distances(vector)
    measured = {row.seq: away[row.seq - 1] for row in rows}
    units = _units_by_entity(oracle, vector, rows) if question.distinct else _units(rows, measured)
    hits = reply.hits

    assert reply.exact
    assert reply.returned == len(hits) == min(question.k, len(units))
    _check_eligible(reply, question, len(units))
    _check_order(hits)
    for hit in hits:
        expected = measured[hit.seq]
        assert abs(hit.distance - expected) <= oracle.tolerance(vector, expected), hit
        _check_fields(oracle, hit)
    _check_places(oracle, vector, units, [hit.seq for hit in hits])
    if not question.distinct:
        _check_ties(rows, {hit.seq for hit in hits})


def _units(rows: list[Row], measured: dict[int, float]) -> list[Unit]:
    return [Unit(measured[row.seq], frozenset({row.seq})) for row in rows]


def _units_by_entity(oracle: Oracle, vector: tuple[float, ...], rows: list[Row]) -> list[Unit]:
    away = oracle.distances(vector)
    mine: dict[str, list[Row]] = {}
    for row in rows:
        mine.setdefault(row.entity_id, []).append(row)
    units = []
    for own in mine.values():
        best = min(away[row.seq - 1] for row in own)
        near = [
            row for row in own if away[row.seq - 1] - best <= 2 * oracle.tolerance(vector, best)
        ]
        first: dict[tuple[float, ...], Row] = {}
        for row in sorted(near, key=lambda row: row.tie_break):
            first.setdefault(row.vector, row)
        units.append(Unit(best, frozenset(row.seq for row in first.values())))
    return units


def _check_eligible(reply: Any, question: Question, count: int) -> None:
    if reply.eligible.relation == "eq":
        assert reply.eligible.value == count
    else:
        assert question.distinct
        assert question.k == reply.returned <= reply.eligible.value <= count


def _check_order(hits: Sequence[Any]) -> None:
    order = [
        (hit.distance, -micros(hit.timestamp), hit.entity_id, hit.key or "", -hit.seq)
        for hit in hits
    ]
    assert order == sorted(order)


def _check_fields(oracle: Oracle, hit: Any) -> None:
    row = oracle.rows[hit.seq - 1]
    found = (hit.entity_id, micros(hit.timestamp), hit.key, hit.metadata)
    assert found == (row.entity_id, row.timestamp, row.key, row.metadata)
    assert hit.entity_type == oracle.types[row.entity_id]
    match oracle.metric:
        case "cosine":
            assert hit.similarity == 1.0 - hit.distance
        case "l2":
            assert hit.similarity == 1.0 / (1.0 + hit.distance)
        case "dot":
            assert hit.similarity == -hit.distance


def _check_places(
    oracle: Oracle, vector: tuple[float, ...], units: list[Unit], seqs: list[int]
) -> None:
    """Each run of units that rounding cannot tell apart fills the next places of the answer."""
    ordered = sorted(units, key=lambda unit: unit.distance)
    begin = 0
    while begin < len(seqs):
        end = begin + 1
        while end < len(ordered) and ordered[end].distance - ordered[
            end - 1
        ].distance <= 2 * oracle.tolerance(vector, ordered[end].distance):
            end += 1
        run = ordered[begin:end]
        places = seqs[begin : min(end, len(seqs))]
        filled = [unit for unit in run if unit.seqs & set(places)]
        assert len(filled) == len(places), (places, run)
        begin = end


def _check_ties(rows: list[Row], chosen: set[int]) -> None:
    """Of rows with the very same vector, those in the answer come before those left out."""
    last: dict[tuple[float, ...], tuple[int, str, str, int]] = {}
    for row in rows:
        if row.seq in chosen:
            last[row.vector] = max(last.get(row.vector, row.tie_break), row.tie_break)
    for row in rows:
        if row.seq not in chosen and row.vector in last:
            assert last[row.vector] < row.tie_break
