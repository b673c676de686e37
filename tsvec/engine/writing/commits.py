"""The rows of accepted requests, and the frame that many of them share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tsvec.model.points import PointBatch
from tsvec.model.vectors import Int64Array
from tsvec.storage.schema import encode_points
from tsvec.window.hot import HotRows
from tsvec.window.part import Numbers, Seqs

NO_FLAGS = np.empty(0, np.uint8)


@dataclass(frozen=True, slots=True)
class Commit:
    """Rows of one accepted request, or of several in a row, with their entities.

    `times` are event times (µs), `replaces` the seqs of versions that end (0: none), `flags` are
    `PointFlag`s. `sizes` are the rows of each request, None if there is one.
    """

    batch: PointBatch
    numbers: Numbers
    types: Sequence[str]
    times: Int64Array
    replaces: Seqs
    flags: NDArray[np.uint8]
    sizes: Int64Array | None = None

    def __len__(self) -> int:
        return len(self.batch)

    @property
    def bytes(self) -> int:
        """Bytes of vectors and metadata."""
        return self.batch.vector.nbytes + sum(map(len, self.batch.metadata))


@dataclass(frozen=True, slots=True)
class Victims:
    """Living points to be deleted, in the order of their deletions."""

    entity_id: Sequence[str]
    number: Numbers
    timestamp: Int64Array
    key: Sequence[str | None]
    seq: Seqs


def encode_commits(
    commits: Sequence[Commit], first_seq: int, recorded_at: int
) -> tuple[HotRows, pa.Buffer]:
    """The rows of commits as they become hot, and the payload of their frame."""
    sizes = np.concatenate(
        [np.array([len(one)]) if one.sizes is None else one.sizes for one in commits]
    )
    count = int(sizes.sum())
    ends = first_seq - 1 + np.cumsum(sizes)
    batches = [commit.batch for commit in commits]
    vectors = [batch.vector for batch in batches]
    rows = HotRows(
        number=np.concatenate([commit.numbers for commit in commits]),
        timestamp=np.concatenate([commit.times for commit in commits]),
        seq=np.arange(first_seq, first_seq + count, dtype=np.uint64),
        recorded_at=recorded_at,
        vector=vectors[0] if len(vectors) == 1 else np.concatenate(vectors),
        metadata=[text for batch in batches for text in batch.metadata],
        key=[key for batch in batches for key in batch.key],
    )
    payload = encode_points(
        entity_id=[name for batch in batches for name in batch.entity_id],
        entity_type=[name for commit in commits for name in commit.types],
        timestamp=rows.timestamp,
        key=rows.key,
        vector=rows.vector,
        metadata=rows.metadata,
        commit=np.repeat(ends, sizes).astype(np.uint64),
        replaces=np.concatenate([commit.replaces for commit in commits]),
        flags=np.concatenate([commit.flags for commit in commits]),
    )
    return rows, payload
