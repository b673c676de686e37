"""What the crash tests write: batches whose every byte follows from their id.

So whoever finds a row in a database can say whether it was ever sent, and whether it is whole. No
two batches share the identity of a point, so none replaces what another brought.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

DIM = 8
ENTITIES = 40
COLLECTION = "crash"
TYPE = "SHIP"
SIZES = (1, 1, 1, 2, 3, 7, 20, 60, 200)
START_US = 1_600_000_000_000_000
SPAN_US = 30 * 86_400_000_000


@dataclass(frozen=True)
class Content:
    """One batch as columns, a row a point."""

    batch: str
    entity_id: list[str]
    times: np.ndarray
    vectors: np.ndarray
    keys: list[str | None]
    is_typed: bool

    def __len__(self) -> int:
        return len(self.entity_id)

    def row(self, row: int) -> tuple[str, int, str | None, bytes]:
        """All that makes a point, comparable."""
        return (
            self.entity_id[row],
            int(self.times[row]),
            self.keys[row],
            self.vectors[row].tobytes(),
        )

    def metadata(self, row: int) -> dict[str, Any]:
        """What the point says of itself."""
        entity_id, micros, key, vector = self.row(row)
        checksum = zlib.crc32(repr((entity_id, micros, key)).encode() + vector)
        return {
            "batch": self.batch,
            "size": len(self),
            "row": row,
            "crc": checksum,
            "typed": self.is_typed,
        }

    def columns(self) -> dict[str, Any]:
        """The same as `Collection.ingest` takes it."""
        rows = range(len(self))
        return {
            "entity_id": self.entity_id,
            "vector": self.vectors,
            "timestamp": self.times.astype("datetime64[us]"),
            "metadata": [self.metadata(row) for row in rows],
            "key": self.keys,
            "entity_type": [TYPE if self.is_typed else None for _ in rows],
        }


@lru_cache(maxsize=4_096)
def content_of(batch: str) -> Content:
    """The batch of an id."""
    chance = np.random.default_rng(zlib.crc32(batch.encode()))
    size = int(chance.choice(SIZES))
    return Content(
        batch=batch,
        entity_id=[f"e{number}" for number in chance.integers(0, ENTITIES, size).tolist()],
        times=START_US + chance.integers(0, SPAN_US, size),
        vectors=chance.normal(size=(size, DIM)).astype(np.float32),
        keys=[f"{batch}/{row}" if row % 3 == 0 else None for row in range(size)],
        is_typed=bool(chance.random() < 0.3),
    )
