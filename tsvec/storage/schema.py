"""The Arrow schemas of points: in the log, and on their way into a partition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from tsvec.model.vectors import Float32Array, Int64Array

_TIME = pa.timestamp("us", "UTC")


def log_schema(dim: int) -> pa.Schema:
    """Columns of an INSERT_POINTS frame; row i has seq first_seq + i, `commit` ends its batch."""
    return pa.schema(
        [
            pa.field("entity_id", pa.large_string(), nullable=False),
            pa.field("entity_type", pa.large_string(), nullable=False),
            pa.field("timestamp", _TIME, nullable=False),
            pa.field("key", pa.large_string()),
            pa.field("vector", pa.list_(pa.float32(), dim), nullable=False),
            pa.field("metadata", pa.large_binary(), nullable=False),
            pa.field("commit", pa.uint64(), nullable=False),
        ]
    )


def partition_schema(dim: int) -> pa.Schema:
    """Columns of the table `points` of a partition, ordered by (timestamp, seq)."""
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
) -> pa.Buffer:
    """The payload of an INSERT_POINTS frame: an Arrow record batch message without its schema."""
    schema = log_schema(vector.shape[1])
    columns = [
        pa.array(entity_id, pa.large_string()),
        pa.array(entity_type, pa.large_string()),
        times_to_arrow(timestamp),
        pa.array(key, pa.large_string()),
        vectors_to_arrow(vector),
        pa.array(metadata, pa.large_binary()),
        pa.array(commit, pa.uint64()),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema).serialize()


def decode_points(payload: Any, dim: int) -> pa.RecordBatch:
    """The record batch of an INSERT_POINTS frame, viewing the payload's memory."""
    return pa.ipc.read_record_batch(pa.py_buffer(payload), log_schema(dim))
