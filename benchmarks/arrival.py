"""Made-up rows as they arrive: in order of time, or some of them late, or replacing others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import DIM, ENTITIES, START, STEP, Columns, entity_of, make_vectors
from tsvec.model.vectors import Float32Array, Int64Array

LATE_SHARE = 0.3
LAG_ROWS = 20_000
"""How many rows a late one falls back on average, beyond what is allowed."""

_LAG_SHARE_MAX = 0.1
_SEED = 20_240_601
_LATENESS = np.timedelta64(1, "h")
"""`allowed_lateness` of a collection, left to its default."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """How rows lie in time: so many at each instant, of an entity each, `step` between instants."""

    rows_per_instant: int
    step: np.timedelta64

    @property
    def allowed_rows(self) -> int:
        """How many rows back is surely beyond the allowed lateness."""
        return (int(_LATENESS / self.step) + 1) * self.rows_per_instant


STREAM = Timeline(1, STEP)
"""One row after the other, the entities in turns."""

GRID = Timeline(ENTITIES, np.timedelta64(10, "m"))
"""Every entity at every instant, as sensors in a grid."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows in order of time."""

    entity: Int64Array
    timestamp: NDArray[np.datetime64]
    vector: Float32Array

    @classmethod
    def make(cls, rows: int, timeline: Timeline, *, dim: int = DIM) -> Rows:
        """The same ones on every run."""
        numbers = np.arange(rows)
        times = START + numbers // timeline.rows_per_instant * timeline.step
        return cls(numbers % ENTITIES, times, make_vectors(rows, seed=rows, dim=dim))

    def __len__(self) -> int:
        return len(self.entity)

    def batches(
        self, order: Int64Array, batch_rows: int, *, vectors: Int64Array | None = None
    ) -> Sequence[Columns]:
        """Rows in this order as keyword arguments of `Collection.ingest`, a request each.

        `vectors`: whose vectors they carry, if not their own.
        """
        places = order if vectors is None else vectors
        return [
            self._columns(order[at : at + batch_rows], places[at : at + batch_rows])
            for at in range(0, len(order), batch_rows)
        ]

    def _columns(self, rows: Int64Array, vectors: Int64Array) -> dict[str, Any]:
        return {
            "entity_id": list(map(entity_of, self.entity[rows].tolist())),
            "vector": self.vector[vectors],
            "timestamp": self.timestamp[rows],
        }


def late_order(rows: int, timeline: Timeline) -> Int64Array:
    """The order in which rows arrive when `LATE_SHARE` of them are late.

    Each of those waits until so many later rows have arrived: those that the allowed lateness
    covers, and an exponentially distributed number more, `lag_rows` on average.
    """
    random = np.random.default_rng((_SEED, rows))
    arrival = np.arange(rows, dtype=np.float64)
    late = random.random(rows) < LATE_SHARE
    lag = random.exponential(lag_rows(rows), int(late.sum()))
    arrival[late] += timeline.allowed_rows + lag
    return np.argsort(arrival, kind="stable")


def lag_rows(rows: int) -> float:
    """The mean lag of `late_order`, for so many rows."""
    return min(LAG_ROWS, _LAG_SHARE_MAX * rows)


def repeat_earlier(order: Int64Array, share: float) -> Int64Array:
    """An order of arrival in which `share` of the rows are instead some that arrived before.

    How long before is distributed as the lag of late rows is. With vectors of their own these rows
    replace the earlier ones.
    """
    random = np.random.default_rng((_SEED, len(order), 1))
    places = np.flatnonzero(random.random(len(order)) < share)
    back = 1 + random.exponential(lag_rows(len(order)), len(places)).astype(np.int64)
    repeated = order.copy()
    repeated[places] = order[np.maximum(places - back, 0)]
    return repeated
