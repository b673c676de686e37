"""Points as Arrow columns."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np

from tsvec.model.times import TIME_MAX_US, TIME_MIN_US
from tsvec.storage.schema import (
    decode_points,
    encode_points,
    log_schema,
    partition_schema,
    times_from_arrow,
    times_to_arrow,
    vectors_from_arrow,
    vectors_to_arrow,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
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
    commit = np.array(column(st.integers(0, 2**64 - 1)), np.uint64)
    payload = encode_points(
        entity_id=ids,
        entity_type=types,
        timestamp=times,
        key=keys,
        vector=vectors,
        metadata=metadata,
        commit=commit,
    )
    batch = decode_points(bytes(payload), dim)
    assert batch.schema == log_schema(dim)
    assert batch.column("entity_id").to_pylist() == ids
    assert batch.column("entity_type").to_pylist() == types
    assert batch.column("key").to_pylist() == keys
    assert batch.column("metadata").to_pylist() == metadata
    assert batch.column("commit").to_pylist() == commit.tolist()
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


def test_only_a_key_may_be_absent():
    for schema in (log_schema(3), partition_schema(3)):
        assert [field.name for field in schema if field.nullable] == ["key"]
