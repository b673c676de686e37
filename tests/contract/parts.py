"""The same points as hot slices and as sealed partitions, and which of them died."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from tsvec.model.collections import CollectionConfig, Metric
from tsvec.model.points import PointBatch
from tsvec.model.times import TIME_MIN_US
from tsvec.storage.duck import DuckFiles
from tsvec.storage.files import Files
from tsvec.storage.layout import CollectionPaths
from tsvec.storage.open_columns import LazyColumns, OpenColumns
from tsvec.storage.overlay import DeathCause
from tsvec.storage.partition import PartitionStore
from tsvec.window.deaths import deaths_of
from tsvec.window.entities import EntityDraft, EntityRegistry
from tsvec.window.hot import HotRows, HotSet
from tsvec.window.merge import MergedRun
from tsvec.window.part import StoredPart
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


@dataclass(frozen=True)
class Death:
    """How a version ended."""

    seq: int
    at: int
    by: DeathCause


class Holding:
    """A registry and a hot set that take points as commits do, and partitions made of them.

    It remembers what it was told, by seq: the points `given`, when each was `recorded`, and the
    `deaths`. Every commit is recorded a microsecond a seq after `RECORDED_AT`.
    """

    def __init__(
        self, directory: Path, *, dim: int = 4, metric: Metric = "cosine", block_rows: int = 1_000
    ) -> None:
        self.config = CollectionConfig(name="c", dim=dim, metric=metric)
        self.registry = EntityRegistry()
        self.hot = HotSet(dim, self.registry, cosine=metric == "cosine", block_rows=block_rows)
        self.seq = 0
        self.given: dict[int, Sample] = {}
        self.recorded: dict[int, int] = {}
        self.deaths: dict[int, Death] = {}
        paths = CollectionPaths(directory)
        paths.partitions.mkdir(parents=True, exist_ok=True)
        self._partitions = PartitionStore(Files(), DuckFiles(directory), paths)
        self._open = OpenColumns(8)
        self._written = 0

    def commit(self, samples: Sequence[Sample]) -> list[int]:
        """Take points as one commit; their seqs."""
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
        seqs = list(range(self.seq + 1, self.seq + len(samples) + 1))
        self.seq += len(samples)
        rows = HotRows(
            number=np.array(numbers, np.uint32),
            timestamp=batch.timestamp,
            seq=np.array(seqs, np.uint64),
            recorded_at=RECORDED_AT + self.seq,
            vector=batch.vector,
            metadata=batch.metadata,
            key=batch.key,
        )
        draft.since.update(dict.fromkeys(draft.types, self.seq))
        draft.births.update(dict.fromkeys(draft.numbers.values(), self.seq))
        self.registry.apply(draft)
        self.registry.observe(rows.number, rows.timestamp)
        self.hot.append(rows)
        self.given |= zip(seqs, samples, strict=True)
        self.recorded |= dict.fromkeys(seqs, RECORDED_AT + self.seq)
        return seqs

    def delete(self, parts: Iterable[StoredPart], victims: Sequence[int]) -> None:
        """Let the versions of these seqs die in one commit, each by a change of its own."""
        first = self.seq + 1
        self.seq += len(victims)
        self._end(parts, dict(zip(victims, range(first, self.seq + 1), strict=True)), "DELETED")

    def replace(self, parts: Iterable[StoredPart], victims: Sequence[int]) -> list[int]:
        """Commit other versions of the points of these seqs; the new seqs."""
        old = [self.given[victim] for victim in victims]
        seqs = self.commit([replace(one, vector=one.vector[::-1]) for one in old])
        self._end(parts, dict(zip(victims, seqs, strict=True)), "REPLACED")
        return seqs

    def seal(self, parts: Sequence[StoredPart], *, purge_seq: int = 0) -> SealedPart:
        """A partition of these parts, which stay where they are."""
        self._written += 1
        run = MergedRun(parts, self.registry, self.config.dim, purge_seq=purge_seq)
        entry = self._partitions.write(f"p-{self._written:08d}", run.table(), self.config)
        columns = LazyColumns(self._open, partial(self._partitions.open, entry))
        return SealedPart(entry, columns, self.registry)

    def living(self, seq: int | None = None, cutoff: int = TIME_MIN_US) -> dict[int, Sample]:
        """The versions to be seen after a change, by default the last, by seq."""
        at = self.seq if seq is None else seq
        return {
            one: sample
            for one, sample in self.given.items()
            if one <= at
            and sample.timestamp >= cutoff
            and (one not in self.deaths or self.deaths[one].seq > at)
        }

    def _end(self, parts: Iterable[StoredPart], ends: Mapping[int, int], by: str) -> None:
        at, cause = RECORDED_AT + self.seq, DeathCause[by]
        found = []
        for part in parts:
            seqs = part.seqs(slice(0, part.rows)).tolist()
            rows = [row for row, seq in enumerate(seqs) if seq in ends]
            dead = np.array([ends[seqs[row]] for row in rows], np.uint64)
            part.bury(deaths_of(np.array(rows, np.int64), dead, at, cause))
            found += [seqs[row] for row in rows]
        assert sorted(found) == sorted(ends)
        names = [self.given[victim].entity_id for victim in ends]
        numbers = [self.registry.number_of(name) for name in names]
        self.registry.count_dead(np.array(numbers, np.uint32))
        self.deaths |= {victim: Death(seq, at, cause) for victim, seq in ends.items()}
