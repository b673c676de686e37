"""Points as Arrow columns."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np

from tsvec.model.times import TIME_MAX_US, TIME_MIN_US, TIME_MISSING
from tsvec.storage.schema import (
    PointFlag,
    decode_deletions,
    decode_points,
    deletions_schema,
    encode_deletions,
    encode_points,
    log_schema,
    partition_schema,
    times_from_arrow,
    times_to_arrow,
    vectors_from_arrow,
    vectors_to_arrow,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
SEQS = st.integers(0, 2**64 - 1)
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 5))


@given(st.data(), st_np.arrays(np.float32, SHAPES, elements=FLOATS))
def test_points_come_back_bit_for_bit(data, vectors):
    rows, dim = vectors.shape

    def column(values):
        return data.draw(st.lists(values, min_size=rows, max_size=rows))

    ids, types, metadata = column(TEXT), column(TEXT), column(st.binary(max_size=30))
    keys = column(st.none() | TEXT)
    times = np.array(column(st.integers(TIME_MIN_US, TIME_MAX_US)), np.int64)
    commit = np.array(column(SEQS), np.uint64)
    replaces = np.array(column(SEQS), np.uint64)
    flags = np.array(column(st.sampled_from([0, PointFlag.LATE, 3])), np.uint8)
    payload = encode_points(
        entity_id=ids,
        entity_type=types,
        timestamp=times,
        key=keys,
        vector=vectors,
        metadata=metadata,
        commit=commit,
        replaces=replaces,
        flags=flags,
    )
    batch = decode_points(bytes(payload), dim)
    assert batch.schema == log_schema(dim)
    assert batch.column("entity_id").to_pylist() == ids
    assert batch.column("entity_type").to_pylist() == types
    assert batch.column("key").to_pylist() == keys
    assert batch.column("metadata").to_pylist() == metadata
    assert batch.column("commit").to_pylist() == commit.tolist()
    assert batch.column("replaces").to_pylist() == replaces.tolist()
    assert batch.column("flags").to_pylist() == flags.tolist()
    assert times_from_arrow(batch.column("timestamp")).tolist() == times.tolist()
    assert vectors_from_arrow(batch.column("vector"), dim).tobytes() == vectors.tobytes()


def test_a_decoded_batch_views_the_payload():
    payload = encode_points(
        entity_id=["a"],
        entity_type=["T"],
        timestamp=np.zeros(1, np.int64),
        key=[None],
        vector=np.ones((1, 4), np.float32),
        metadata=[b"{}"],
        commit=np.ones(1, np.uint64),
        replaces=[0],
        flags=[PointFlag.RESTORED | PointFlag.LATE],
    )
    values = decode_points(payload, 4).column("vector").values.buffers()[1]
    assert payload.address <= values.address < payload.address + payload.size


def test_vectors_of_a_slice_and_of_many_chunks():
    vectors = np.arange(24, dtype=np.float32).reshape(8, 3)
    column = vectors_to_arrow(vectors)
    assert vectors_from_arrow(column.slice(2, 3), 3).tolist() == vectors[2:5].tolist()
    chunked = pa.chunked_array([column.slice(0, 5), column.slice(5)])
    assert vectors_from_arrow(chunked, 3).tolist() == vectors.tolist()
    assert vectors_to_arrow(vectors[:, ::-1]).flatten().to_numpy()[0] == 2.0


def test_times_of_many_chunks():
    times = np.array([TIME_MIN_US, -1, 0, TIME_MAX_US])
    column = times_to_arrow(times)
    assert column.type == pa.timestamp("us", "UTC")
    chunked = pa.chunked_array([column.slice(0, 1), column.slice(1)])
    assert times_from_arrow(chunked).tolist() == times.tolist()


@given(st.data(), st.integers(0, 6))
def test_deletions_come_back(data, rows):
    def column(values):
        return data.draw(st.lists(values, min_size=rows, max_size=rows))

    ids, keys = column(TEXT), column(st.none() | TEXT)
    times = column(st.none() | st.integers(TIME_MIN_US, TIME_MAX_US))
    victim, commit = column(SEQS), column(SEQS)
    payload = encode_deletions(
        entity_id=ids,
        timestamp=np.array([TIME_MISSING if time is None else time for time in times], np.int64),
        key=keys,
        victim=np.array(victim, np.uint64),
        commit=commit,
    )
    batch = decode_deletions(bytes(payload))
    assert batch.schema == deletions_schema()
    assert batch.column("entity_id").to_pylist() == ids
    assert batch.column("timestamp").cast(pa.int64()).to_pylist() == times
    assert batch.column("key").to_pylist() == keys
    assert batch.column("victim").to_pylist() == victim
    assert batch.column("commit").to_pylist() == commit


def test_what_may_be_absent():
    for schema, nullable in (
        (log_schema(3), ["key"]),
        (deletions_schema(), ["timestamp", "key"]),
        (partition_schema(3), ["key", "dead_seq", "dead_at", "dead_by"]),
    ):
        assert [field.name for field in schema if field.nullable] == nullable
