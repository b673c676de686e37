"""Arrow columns of every accepted type become one batch; the others are named."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from tsvec.engine.intake.arrow import batch_from_arrow, batch_from_table
from tsvec.model.errors import InvalidRequestError, TooLargeError
from tsvec.model.limits import LIMITS
from tsvec.model.times import TIME_MISSING

UTC_US = pa.timestamp("us", "UTC")
TIMES = [datetime(2026, 1, 2, tzinfo=UTC), None, datetime(1969, 12, 31, tzinfo=UTC)]
MICROS = [1_767_312_000_000_000, TIME_MISSING, -86_400_000_000]
COLUMNS = {
    "entity_id": pa.array(["a", "b", "a"]),
    "vector": pa.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], pa.list_(pa.float32(), 2)),
    "timestamp": pa.array(TIMES, UTC_US),
    "entity_type": pa.array(["ship", None, None]),
    "metadata": pa.array(['{"n": 1}', None, "{}"]),
    "key": pa.array([None, "k", "é"]),
}


def body_of(columns):
    sink = io.BytesIO()
    table = pa.table(columns)
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    return sink.getvalue()


def read(on_error="reject_all", dim=None, **changes):
    columns = {name: col for name, col in (COLUMNS | changes).items() if col is not None}
    return batch_from_arrow(body_of(columns), on_error, dim)


def test_every_column_arrives():
    batch = read()
    assert list(batch.entity_id) == ["a", "b", "a"]
    assert batch.vector.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert batch.timestamp.tolist() == MICROS
    assert list(batch.entity_type) == ["ship", None, None]
    assert list(batch.metadata) == [b'{"n":1}', b"{}", b"{}"]
    assert list(batch.key) == [None, "k", "é"]


@pytest.mark.parametrize("name", ["entity_id", "entity_type", "key"])
def test_texts_may_be_large_or_coded(name):
    expected = list(getattr(read(), name))
    plain = COLUMNS[name]
    for column in (
        plain.cast(pa.large_string()),
        plain.dictionary_encode(),
        plain.cast(pa.large_string()).dictionary_encode(),
    ):
        assert list(getattr(read(**{name: column}), name)) == expected


@pytest.mark.parametrize("number", [pa.float16(), pa.float32(), pa.float64()])
def test_vectors_may_be_any_list_of_floats(number):
    rows = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    flat = pa.array(np.arange(1, 7).astype(number.to_pandas_dtype()))
    listed = [
        pa.FixedSizeListArray.from_arrays(flat, 2),
        pa.ListArray.from_arrays([0, 2, 4, 6], flat),
        pa.LargeListArray.from_arrays([0, 2, 4, 6], flat),
    ]
    for column in listed:
        batch = read(vector=column)
        assert batch.vector.tolist() == rows
        assert batch.vector.dtype == np.float32


def test_a_slice_of_a_longer_column_is_read_from_its_own_place():
    flat = pa.array(np.arange(20, dtype=np.float32))
    for column in (
        pa.FixedSizeListArray.from_arrays(flat, 2).slice(3, 3),
        pa.ListArray.from_arrays(list(range(0, 21, 2)), flat).slice(3, 3),
    ):
        assert read(vector=column).vector.tolist() == [[6, 7], [8, 9], [10, 11]]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "+05:30"])
def test_times_of_any_unit_and_zone_are_instants(unit, zone):
    times = COLUMNS["timestamp"].cast(pa.timestamp(unit, zone))
    assert read(timestamp=times).timestamp.tolist() == MICROS
    assert read(timestamp=None).timestamp.tolist() == [TIME_MISSING] * 3


def test_metadata_may_be_a_struct_of_plain_values():
    kind = pa.struct({"n": pa.int64(), "x": pa.float64(), "ok": pa.bool_(), "s": pa.string()})
    rows = [{"n": 1, "x": 0.5, "ok": True, "s": "é"}, None, {"n": None, "x": 2.0}]
    batch = read(metadata=pa.array(rows, kind))
    expected = ['{"n":1,"x":0.5,"ok":true,"s":"é"}', "{}", '{"x":2.0}']
    assert [text.decode() for text in batch.metadata] == expected


def test_metadata_may_be_a_map_of_plain_values():
    kind = pa.map_(pa.string(), pa.float64())
    batch = read(metadata=pa.array([[("a", 0.5), ("b", None)], None, []], kind))
    assert [text.decode() for text in batch.metadata] == ['{"a":0.5,"b":null}', "{}", "{}"]
    twice = pa.array([[], [("a", 0.5), ("a", 1.0)], []], kind)
    with pytest.raises(
        InvalidRequestError, match=r"points\[1\].metadata: a key is given more than"
    ):
        read(metadata=twice)
    assert read("skip_row", metadata=twice).origin.tolist() == [0, 2]


def test_two_fields_of_one_name_are_no_metadata():
    fields = [pa.array([1, 2, 3]), pa.array([4, 5, 6])]
    with pytest.raises(InvalidRequestError, match="each named once"):
        read(metadata=pa.StructArray.from_arrays(fields, ["a", "a"]))


def test_many_rows_of_metadata_keep_their_places():
    rows = 3_000
    columns = {
        "entity_id": pa.array(["a"] * rows),
        "vector": pa.FixedSizeListArray.from_arrays(np.ones(rows, np.float32), 1),
        "metadata": pa.array([{"n": row} for row in range(rows)]),
    }
    batch = batch_from_arrow(body_of(columns), "reject_all")
    assert list(batch.metadata) == [b'{"n":%d}' % row for row in range(rows)]


def test_what_grows_when_it_is_read_is_refused_from_outside():
    view = pa.array(["a", "b", "c"], pa.string_view())
    for name in ("entity_id", "key"):
        with pytest.raises(InvalidRequestError, match=name):
            read(**{name: view})
    for column in (view, pa.array(["{}"] * 3).dictionary_encode()):
        with pytest.raises(InvalidRequestError, match="metadata"):
            read(metadata=column)


def test_rows_are_counted_from_the_first():
    column = pa.array([[1.0, 2.0], [1.0], [np.nan, 2.0]], pa.list_(pa.float64()))
    table = pa.table(COLUMNS | {"vector": column})
    with pytest.raises(InvalidRequestError) as caught:
        batch_from_table(table, "reject_all", first_row=40)
    assert [(one.field, one.row) for one in caught.value.details] == [
        ("points[41].vector", 41),
        ("points[42].vector[0]", 42),
    ]
    batch = batch_from_table(table, "skip_row", first_row=40)
    assert (batch.origin.tolist(), [one.index for one in batch.refused]) == ([40], [41, 42])


def test_a_missing_time_is_the_commit_time_unless_times_are_needed():
    table = pa.table(COLUMNS)
    assert batch_from_table(table, "reject_all").timestamp.tolist() == MICROS
    batch = batch_from_table(table, "skip_row", needs_times=True)
    assert (batch.timestamp.tolist(), [one.index for one in batch.refused]) == (MICROS[::2], [1])
    absent = table.drop_columns("timestamp")
    assert len(batch_from_table(absent, "reject_all", needs_times=True)) == 3


def test_columns_of_nulls_are_as_good_as_absent():
    nothing = pa.nulls(3)
    batch = read(entity_type=nothing, key=nothing, metadata=nothing, timestamp=nothing)
    assert list(batch.entity_type) == list(batch.key) == [None] * 3


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"vetcor": pa.array([1, 2, 3])}, "vetcor"),
        ({"entity_id": None}, "entity_id"),
        ({"vector": None}, "vector"),
        ({"vector": pa.nulls(3)}, "vector"),
        ({"entity_id": pa.array([1, 2, 3])}, "entity_id"),
        ({"entity_id": pa.array([b"a", b"b", b"c"])}, "entity_id"),
        ({"vector": pa.array([1.0, 2.0, 3.0])}, "vector"),
        ({"vector": pa.array([[1], [2], [3]], pa.list_(pa.int64()))}, "vector"),
        ({"timestamp": pa.array([1, 2, 3])}, "timestamp"),
        ({"timestamp": pa.array([1, 2, 3], pa.timestamp("us"))}, "timestamp"),
        ({"metadata": pa.array([[1], [2], [3]])}, "metadata"),
        ({"metadata": pa.array([{"a": {"b": 1}}] * 3)}, "metadata"),
    ],
)
def test_a_column_that_cannot_be_is_named(change, field):
    with pytest.raises(InvalidRequestError) as caught:
        read("skip_row", **change)
    assert [detail.field for detail in caught.value.details] == [field]


def test_two_columns_of_one_name_are_refused():
    table = pa.Table.from_arrays(
        [COLUMNS["entity_id"], COLUMNS["vector"], COLUMNS["entity_id"]],
        names=["entity_id", "vector", "entity_id"],
    )
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(InvalidRequestError, match="several columns"):
        batch_from_arrow(sink.getvalue(), "reject_all")


FLOATS = pa.list_(pa.float64())


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"entity_id": pa.array(["a", None, "b"])}, "points[1].entity_id"),
        ({"entity_id": pa.array(["a", "", "b"])}, "points[1].entity_id"),
        ({"entity_id": pa.array(["a", "x" * 257, "b"])}, "points[1].entity_id"),
        ({"entity_type": pa.array(["a", "x" * 65, None])}, "points[1].entity_type"),
        ({"key": pa.array([None, "a\0b", None])}, "points[1].key"),
        ({"vector": pa.array([[1.0, 2.0], None, [1.0, 2.0]], FLOATS)}, "points[1].vector"),
        ({"vector": pa.array([[1.0, 2.0], [], [1.0, 2.0]], FLOATS)}, "points[1].vector"),
        ({"vector": pa.array([[1.0, 2.0], [1.0], [1.0, 2.0]], FLOATS)}, "points[1].vector"),
        (
            {"vector": pa.array([[1.0, 2.0], [1.0, None], [1.0, 2.0]], FLOATS)},
            "points[1].vector[1]",
        ),
        (
            {"vector": pa.array([[1.0, 2.0], [np.nan, 2.0], [1.0, 2.0]], FLOATS)},
            "points[1].vector[0]",
        ),
        (
            {"vector": pa.array([[1.0, 2.0], [1.0, 1e39], [1.0, 2.0]], FLOATS)},
            "points[1].vector[1]",
        ),
        (
            {"timestamp": pa.array([1_000, 1_001, 0], pa.timestamp("ns", "UTC"))},
            "points[1].timestamp",
        ),
        ({"timestamp": pa.array([1, 2**62, 0], UTC_US)}, "points[1].timestamp"),
        ({"timestamp": pa.array([1, -(2**62), 0], UTC_US)}, "points[1].timestamp"),
        (
            {"timestamp": pa.array([1, 2**62, 0], pa.timestamp("s", "UTC"))},
            "points[1].timestamp",
        ),
        ({"metadata": pa.array(["{}", "[1]", "{}"])}, "points[1].metadata"),
        ({"metadata": pa.array(["{}", "{", "{}"])}, "points[1].metadata"),
        ({"metadata": pa.array(["{}", '{"a":1,"a":2}', "{}"])}, "points[1].metadata"),
        ({"metadata": pa.array(["{}", '{"a":NaN}', "{}"])}, "points[1].metadata"),
        (
            {"metadata": pa.array([{"x": 1.0}, {"x": np.inf}, {"x": 1.0}])},
            "points[1].metadata",
        ),
    ],
)
def test_a_bad_row_is_named_or_left_out(change, field):
    with pytest.raises(InvalidRequestError) as caught:
        read(**change)
    assert [(d.field.split(".metadata")[0], d.row) for d in caught.value.details] == [
        (field.removesuffix(".metadata"), 1)
    ]
    batch = read("skip_row", **change)
    assert batch.origin.tolist() == [0, 2]
    assert [error.index for error in batch.refused] == [1]
    assert np.isfinite(batch.vector).all()


def test_the_collections_dim_decides_which_rows_fit():
    column = pa.array([[1.0], [1.0, 2.0], [3.0, 4.0]], FLOATS)
    assert read("skip_row", vector=column).origin.tolist() == [0]
    assert read("skip_row", 2, vector=column).origin.tolist() == [1, 2]


def test_metadata_that_grows_beyond_the_body_is_refused():
    text = '{"x":"' + "a" * (LIMITS.metadata_bytes_max - 8) + '"}'
    rows = LIMITS.body_bytes_max // len(text) + 1
    coded = pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array([text]))
    columns = {
        "entity_id": pa.array(["a"] * rows),
        "vector": pa.FixedSizeListArray.from_arrays(np.ones(rows, np.float32), 1),
    }
    with pytest.raises(InvalidRequestError, match="metadata"):
        batch_from_arrow(body_of(columns | {"metadata": coded}), "reject_all")
    with pytest.raises(TooLargeError, match="body_bytes_max"):
        batch_from_arrow(body_of(columns | {"metadata": pa.array([text] * rows)}), "reject_all")
