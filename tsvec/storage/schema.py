"""The Arrow schemas of points and deletions: in the log, and on their way into a partition."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntFlag
from typing import Any

import numpy as np
import pyarrow as pa

from tsvec.model.times import TIME_MISSING
from tsvec.model.vectors import Float32Array, Int64Array

_TIME = pa.timestamp("us", "UTC")


class PointFlag(IntFlag):
    """What else is known of a point in the log: that it came late, or that it was restored."""

    LATE = 1
    RESTORED = 2


def log_schema(dim: int) -> pa.Schema:
    """Columns of an INSERT_POINTS frame; row i has seq first_seq + i.

    `commit` is the last seq of its batch, `replaces` the seq of the version it ends (0: none), and
    `flags` are `PointFlag`s.
    """
    return pa.schema(
        [
            pa.field("entity_id", pa.large_string(), nullable=False),
            pa.field("entity_type", pa.large_string(), nullable=False),
            pa.field("timestamp", _TIME, nullable=False),
            pa.field("key", pa.large_string()),
            pa.field("vector", pa.list_(pa.float32(), dim), nullable=False),
            pa.field("metadata", pa.large_binary(), nullable=False),
            pa.field("commit", pa.uint64(), nullable=False),
            pa.field("replaces", pa.uint64(), nullable=False),
            pa.field("flags", pa.uint8(), nullable=False),
        ]
    )


def deletions_schema() -> pa.Schema:
    """Columns of a DELETE_POINTS frame; row i has seq first_seq + i.

    `victim` is the seq of the version that is deleted. With `victim` 0 and no `timestamp` the row
    is about the entity itself, whose type and attributes are reset.
    """
    return pa.schema(
        [
            pa.field("entity_id", pa.large_string(), nullable=False),
            pa.field("timestamp", _TIME),
            pa.field("key", pa.large_string()),
            pa.field("victim", pa.uint64(), nullable=False),
            pa.field("commit", pa.uint64(), nullable=False),
        ]
    )


def partition_schema(dim: int) -> pa.Schema:
    """Columns of the table `points` of a partition, ordered by (timestamp, seq).

    `dead_seq`, `dead_at` and `dead_by` (`replaced` or `deleted`) tell which change ended the row,
    and are null together while none has.
    """
    return pa.schema(
        [
            pa.field("entity_id", pa.large_string(), nullable=False),
            pa.field("entity_type", pa.large_string(), nullable=False),
            pa.field("timestamp", _TIME, nullable=False),
            pa.field("key", pa.large_string()),
            pa.field("seq", pa.uint64(), nullable=False),
            pa.field("recorded_at", _TIME, nullable=False),
            pa.field("vector", pa.list_(pa.float32(), dim), nullable=False),
            pa.field("metadata", pa.large_string(), nullable=False),
            pa.field("dead_seq", pa.uint64()),
            pa.field("dead_at", _TIME),
            pa.field("dead_by", pa.large_string()),
        ]
    )


def vectors_to_arrow(vectors: Float32Array) -> pa.FixedSizeListArray:
    """A (rows, dim) matrix as an Arrow column, without a copy if it is contiguous."""
    flat = pa.array(np.ascontiguousarray(vectors).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])


def vectors_from_arrow(column: Any, dim: int) -> Float32Array:
    """The (rows, dim) matrix of an Arrow vector column, a view where possible."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    flat: Float32Array = column.flatten().to_numpy(zero_copy_only=True)
    return flat.reshape(-1, dim)


def times_to_arrow(times: Int64Array) -> pa.TimestampArray:
    """Microseconds since 1970 UTC as an Arrow column."""
    return pa.array(times).cast(_TIME)


def times_from_arrow(column: Any) -> Int64Array:
    """Microseconds since 1970 UTC of an Arrow time column."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    times: Int64Array = column.cast(pa.int64()).to_numpy()
    return times


def encode_points(
    *,
    entity_id: Sequence[str],
    entity_type: Sequence[str],
    timestamp: Int64Array,
    key: Sequence[str | None],
    vector: Float32Array,
    metadata: Sequence[bytes],
    commit: Any,
    replaces: Any,
    flags: Any,
) -> pa.Buffer:
    """The payload of an INSERT_POINTS frame: an Arrow record batch message without its schema.

    `commit` and `replaces` are seqs (uint64), `flags` are `PointFlag`s (uint8), one a row.
    """
    schema = log_schema(vector.shape[1])
    columns = [
        pa.array(entity_id, pa.large_string()),
        pa.array(entity_type, pa.large_string()),
        times_to_arrow(timestamp),
        pa.array(key, pa.large_string()),
        vectors_to_arrow(vector),
        pa.array(metadata, pa.large_binary()),
        pa.array(commit, pa.uint64()),
        pa.array(replaces, pa.uint64()),
        pa.array(flags, pa.uint8()),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema).serialize()


def decode_points(payload: Any, dim: int) -> pa.RecordBatch:
    """The record batch of an INSERT_POINTS frame, viewing the payload's memory."""
    return pa.ipc.read_record_batch(pa.py_buffer(payload), log_schema(dim))


def encode_deletions(
    *,
    entity_id: Sequence[str],
    timestamp: Int64Array,
    key: Sequence[str | None],
    victim: Any,
    commit: Any,
) -> pa.Buffer:
    """The payload of a DELETE_POINTS frame, as `encode_points` makes that of points.

    `timestamp` is in µs since 1970 UTC, TIME_MISSING where there is none; `victim` and `commit` are
    seqs (uint64), one a row.
    """
    columns = [
        pa.array(entity_id, pa.large_string()),
        pa.array(timestamp, mask=timestamp == TIME_MISSING).cast(_TIME),
        pa.array(key, pa.large_string()),
        pa.array(victim, pa.uint64()),
        pa.array(commit, pa.uint64()),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=deletions_schema()).serialize()


def decode_deletions(payload: Any) -> pa.RecordBatch:
    """The record batch of a DELETE_POINTS frame, viewing the payload's memory."""
    return pa.ipc.read_record_batch(pa.py_buffer(payload), deletions_schema())
