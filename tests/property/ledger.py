"""A collection that points are written to, replaced in and deleted from, and all its versions.

Plain Python that shares no code with the engine; `Ledger.seen` is what there is after a change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.property.oracle import distance, micros
from tsvec import Collection

PLACES = ("north", "south", None)


@dataclass(eq=False)
class Version:
    """One version of a point, and the change by which it ended."""

    entity: str
    time: int
    key: str | None
    vector: tuple[float, ...]
    metadata: dict[str, Any]
    seq: int
    dead: int | None = None

    @property
    def identity(self) -> tuple[str, int, str | None]:
        return (self.entity, self.time, self.key)

    @property
    def tie_break(self) -> tuple[int, str, str, int]:
        return (-self.time, self.entity, self.key or "", -self.seq)


@dataclass
class Ledger:
    """Writes to some collections alike, and remembers every version."""

    collections: Sequence[Collection]
    metric: str
    versions: list[Version] = field(default_factory=list)
    commits: list[int] = field(default_factory=lambda: [0])

    def write(self, rng: np.random.Generator, pool: np.ndarray, count: int, times: int) -> None:
        """Store points of few entities at few instants: some replace, none is like another."""
        rows: dict[tuple[str, int, str | None], dict[str, Any]] = {}
        for number in range(count):
            entity, key = f"e{rng.integers(9)}", (None, None, "a")[rng.integers(3)]
            time = int(rng.integers(times)) * 1_000_000
            metadata = {"n": len(self.versions) + number, "place": PLACES[rng.integers(3)]}
            vector = pool[rng.integers(len(pool))].tolist()
            rows[entity, time, key] = {
                "entity_id": entity,
                "timestamp": time,
                "key": key,
                "vector": vector,
                "metadata": metadata,
            }
        replies = [one.ingest(list(rows.values())) for one in self.collections]
        assert {reply.ingested for reply in replies} == {len(rows)}
        (last,) = {reply.seq for reply in replies}
        for seq, (identity, row) in enumerate(rows.items(), last - len(rows) + 1):
            for version in self.versions:
                if version.dead is None and version.identity == identity:
                    version.dead = seq
            vector = tuple(np.float32(row["vector"]).astype(float).tolist())
            self.versions.append(Version(*identity, vector, row["metadata"], seq))
        self.commits.append(last)

    def delete(self, entity: str, start: int, end: int) -> None:
        """Delete an entity's points of a range."""
        selector = {"entity_ids": [entity], "start_time": start, "end_time": end}
        replies = [one.delete_points(**selector) for one in self.collections]
        mine = [v for v in self.seen() if v.entity == entity and start <= v.time < end]
        assert {reply.deleted for reply in replies} == {len(mine)}
        for version in mine:
            version.dead = replies[0].seq
        self.commits.append(replies[0].seq)

    def seen(self, seq: int | None = None) -> list[Version]:
        """What there is after a change."""
        after = self.commits[-1] if seq is None else seq
        return [v for v in self.versions if v.seq <= after and (v.dead is None or v.dead > after)]

    def distances(self, vector: Sequence[float], rows: Sequence[Version]) -> list[float]:
        """How far each of some rows is away."""
        return [distance(self.metric, vector, row.vector) for row in rows]


def check_best(
    hits: Sequence[Any],
    values: Sequence[float],
    rows: Sequence[tuple[float, float, Version]],
    k: int,
    *,
    by_entity: bool,
) -> None:
    """Assert that these hits are the k best: whose value, smaller is better, is least.

    `values` are what the hits say, `rows` every row with its value and how far that may be off.
    """
    away = {row.seq: (value, tolerance) for value, tolerance, row in rows}
    best: dict[Any, tuple[float, float]] = {}
    for value, tolerance, row in rows:
        unit = row.entity if by_entity else row.seq
        best[unit] = min(best.get(unit, (np.inf, 0.0)), (value, tolerance))
    assert len(hits) == min(k, len(best))
    order = [
        (value, -micros(hit.timestamp), hit.entity_id, hit.key or "", -hit.seq)
        for value, hit in zip(values, hits, strict=True)
    ]
    assert order == sorted(order)
    chosen = set()
    for value, hit in zip(values, hits, strict=True):
        unit = hit.entity_id if by_entity else hit.seq
        assert unit not in chosen
        chosen.add(unit)
        expected, tolerance = away[hit.seq]
        assert abs(value - expected) <= tolerance, (value, expected)
        assert expected - best[unit][0] <= tolerance + best[unit][1]
    if hits:
        last, tolerance = away[hits[-1].seq]
        for unit, (value, mine) in best.items():
            assert unit in chosen or value >= last - tolerance - mine
    _check_ties(rows, {hit.seq for hit in hits}, by_entity=by_entity)


def _check_ties(
    rows: Sequence[tuple[float, float, Version]], chosen: set[int], *, by_entity: bool
) -> None:
    """Of rows with the same vector and time, those in the answer come before those left out."""
    last: dict[Any, tuple[int, str, str, int]] = {}
    for _, _, row in rows:
        if row.seq in chosen:
            last[row.vector, row.time] = max(
                last.get((row.vector, row.time), row.tie_break), row.tie_break
            )
    taken = {row.entity for _, _, row in rows if row.seq in chosen}
    for _, _, row in rows:
        left_out = row.seq not in chosen and not (by_entity and row.entity in taken)
        if left_out and (row.vector, row.time) in last:
            assert last[row.vector, row.time] < row.tie_break
