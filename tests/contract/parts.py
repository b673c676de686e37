"""The same points as hot slices and as a sealed partition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tsvec.model.collections import CollectionConfig, Metric
from tsvec.model.points import PointBatch
from tsvec.storage.duck import DuckFiles
from tsvec.storage.files import Files
from tsvec.storage.layout import CollectionPaths
from tsvec.storage.partition import PartitionStore
from tsvec.window.entities import EntityDraft, EntityRegistry
from tsvec.window.hot import HotRows, HotSet, HotSlice
from tsvec.window.seal import sorted_table
from tsvec.window.sealed import SealedPart

RECORDED_AT = 1_800_000_000_000_000


@dataclass(frozen=True)
class Sample:
    """One point, as it was given."""

    entity_id: str
    timestamp: int
    vector: tuple[float, ...]
    key: str | None = None
    metadata: bytes = b"{}"
    entity_type: str | None = None


def random_samples(
    rows: int, *, seed: int = 0, dim: int = 4, unit: bool = False, ordered: bool = False
) -> list[Sample]:
    """Points of nine entities whose ids sort otherwise as bytes than as they come, some tied."""
    rng = np.random.default_rng(seed)
    names = ["zeta", "é", "a", "A", "aa", "漢", "\U0001f300", "b" * 256, "0"]
    vectors = rng.standard_normal((rows, dim))
    if unit:
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    times = rng.integers(-40, 40, rows)
    if ordered:
        times.sort()
    return [
        Sample(
            entity_id=names[rng.integers(len(names))],
            timestamp=int(time) * 1_000_000,
            vector=tuple(vector.astype(np.float32).tolist()),
            key=(None, "k", "ключ")[rng.integers(3)],
            metadata=(b"{}", b'{"row":%d}' % row, '{"s":"é"}'.encode())[rng.integers(3)],
        )
        for row, (time, vector) in enumerate(zip(times, vectors, strict=True))
    ]


class Holding:
    """A registry and a hot set that take points as commits do, and partitions made of them."""

    def __init__(
        self, directory: Path, *, dim: int = 4, metric: Metric = "cosine", block_rows: int = 1_000
    ) -> None:
        self.config = CollectionConfig(name="c", dim=dim, metric=metric)
        self.registry = EntityRegistry()
        self.hot = HotSet(dim, self.registry, cosine=metric == "cosine", block_rows=block_rows)
        self.seq = 0
        paths = CollectionPaths(directory)
        paths.partitions.mkdir(parents=True, exist_ok=True)
        self._partitions = PartitionStore(Files(), DuckFiles(directory), paths)
        self._sealed = 0

    def commit(self, samples: Sequence[Sample]) -> None:
        """Take points as one commit, recorded a microsecond a seq after `RECORDED_AT`."""
        batch = PointBatch.of_columns(
            entity_id=[sample.entity_id for sample in samples],
            vector=np.array([sample.vector for sample in samples], np.float32),
            timestamp=np.array([sample.timestamp for sample in samples], np.int64),
            metadata=[sample.metadata for sample in samples],
            entity_type=[sample.entity_type for sample in samples],
            key=[sample.key for sample in samples],
        )
        numbers, _, draft, errors = self.registry.resolve(batch, EntityDraft())
        assert errors == []
        first = self.seq + 1
        self.seq += len(samples)
        rows = HotRows(
            number=np.array(numbers, np.uint32),
            timestamp=batch.timestamp,
            seq=np.arange(first, self.seq + 1, dtype=np.uint64),
            recorded_at=RECORDED_AT + self.seq,
            vector=batch.vector,
            metadata=batch.metadata,
            key=batch.key,
        )
        self.registry.apply(draft)
        self.registry.observe(rows.number, rows.timestamp)
        self.hot.append(rows)

    def seal(self, parts: Sequence[HotSlice]) -> SealedPart:
        """A partition of these slices, which stay in the hot set."""
        self._sealed += 1
        table = sorted_table(parts, self.registry, self.config.dim)
        entry = self._partitions.write(f"p-{self._sealed:08d}", table, self.config)
        return SealedPart(entry, self._partitions.open(entry), self.registry)
