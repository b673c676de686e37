"""Frames of every make become the same batch, or are refused by column, or by field and row."""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from tsvec.engine.intake.frames import FramePlan, batch_of_frame, is_frame
from tsvec.model.errors import InvalidRequestError, TooLargeError
from tsvec.model.limits import Limits, in_force

SECOND = 1_000_000
UTC_US = pa.timestamp("us", "UTC")
TIMES = [datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 3)]
MICROS = [1_767_225_600_000_000 + day * 86_400 * SECOND for day in range(3)]
ROWS = [[0.5, 1.0], [2.0, 3.0], [4.0, 5.5]]
TABLE = pa.table(
    {
        "vehicle": ["a", "b", "é"],
        "seen": pa.array(TIMES, UTC_US),
        "x": [0.5, 2.0, 4.0],
        "y": [1.0, 3.0, 5.5],
        "speed": [1, None, 3],
        "route": pa.array(["r1", "r2", None]),
    }
)
PLAN = {
    "columns": {"vehicle": "entity_id", "seen": "timestamp"},
    "vector": ["x", "y"],
    "metadata": ["speed", "route"],
}
PLAIN = pa.table(
    {
        "entity_id": ["a", "b", "é"],
        "timestamp": pa.array(TIMES, UTC_US),
        "vector": pa.array(ROWS, pa.list_(pa.float32(), 2)),
    }
)


def read(frame, on_error="reject_all", dim=None, **plan):
    return batch_of_frame(frame, FramePlan.given(plan), on_error, dim=dim)


def contents(batch):
    return [
        list(batch.entity_id),
        batch.timestamp.tolist(),
        batch.vector.tolist(),
        [text.decode() for text in batch.metadata],
        list(batch.entity_type),
        list(batch.key),
        batch.origin.tolist(),
    ]


class Foreign:
    """Some library's table: nothing is known of it but the protocol."""

    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


class ForeignBatch:
    def __init__(self, batch):
        self.batch = batch

    def __arrow_c_array__(self, requested_schema=None):
        return self.batch.__arrow_c_array__(requested_schema)


MAKERS = {
    "table": lambda table: table,
    "chunks": lambda table: pa.concat_tables([table.slice(0, 1), table.slice(1)]),
    "record batch": lambda table: table.to_batches()[0],
    "stream": Foreign,
    "array": lambda table: ForeignBatch(table.to_batches()[0]),
    "pandas": lambda table: table.to_pandas(),
    "pandas of arrow": lambda table: table.to_pandas(types_mapper=pd.ArrowDtype),
    "pandas filtered": lambda table: pd.concat([table.to_pandas(), table.to_pandas()]).iloc[
        [0, 4, 2]
    ],
    "polars": pl.from_arrow,
    "polars codes": lambda table: pl.from_arrow(table).with_columns(
        pl.col("vehicle").cast(pl.Categorical), pl.col("route").cast(pl.Enum(["r2", "r1"]))
    ),
    "duckdb": duckdb.from_arrow,
    "views": lambda table: pa.table(
        {
            name: column.cast(pa.string_view()) if column.type == pa.string() else column
            for name, column in zip(table.column_names, table.columns, strict=True)
        }
    ),
}


@pytest.mark.parametrize("make", MAKERS)
def test_a_frame_of_any_make_is_the_same_batch(make):
    frame = MAKERS[make](TABLE)
    assert is_frame(frame)
    found = contents(read(frame, **PLAN))
    found[3] = [text.replace("3.0", "3").replace("1.0", "1") for text in found[3]]
    assert found == [
        ["a", "b", "é"],
        MICROS,
        ROWS,
        ['{"speed":1,"route":"r1"}', '{"route":"r2"}', '{"speed":3}'],
        [None] * 3,
        [None] * 3,
        [0, 1, 2],
    ]


@pytest.mark.parametrize(
    "make", ["table", "chunks", "pandas", "pandas of arrow", "polars", "duckdb", "stream"]
)
def test_a_frame_with_the_names_of_fields_needs_no_plan(make):
    frame = MAKERS[make](PLAIN)
    assert contents(read(frame))[:4] == [["a", "b", "é"], MICROS, ROWS, ["{}"] * 3]


def test_what_is_a_frame():
    for no in (None, [], [{"entity_id": "a"}], "a", {"a": 1}, np.zeros((2, 2)), 5):
        assert not is_frame(no)
    assert is_frame(np.zeros(1, [("entity_id", "U1")]))


def test_a_structured_array_is_a_frame():
    made = np.zeros(2, [("entity_id", "U4"), ("timestamp", "M8[s]"), ("vector", "f8", (2,))])
    made["entity_id"] = ["a", "b"]
    made["vector"] = ROWS[:2]
    assert contents(read(made))[:3] == [["a", "b"], [0, 0], ROWS[:2]]


def test_an_index_with_a_name_is_a_column_and_row_labels_are_not():
    frame = PLAIN.to_pandas()
    indexed = frame.set_index("timestamp")
    assert read(indexed).timestamp.tolist() == MICROS
    assert len(read(frame.iloc[[2, 0]])) == 2
    with pytest.raises(InvalidRequestError, match="rename_axis"):
        read(indexed.rename_axis(None))


def test_one_name_renames_and_none_leaves_out():
    frame = PLAIN.rename_columns(["entity_id", "timestamp", "embedding"])
    frame = frame.append_column("info", pa.array(['{"a":1}', None, "{}"]))
    frame = frame.append_column("noise", pa.array([1, 2, 3]))
    batch = read(frame, vector="embedding", metadata="info", columns={"noise": None})
    assert contents(batch)[2:4] == [ROWS, ['{"a":1}', "{}", "{}"]]


def metadata(column):
    return [t.decode() for t in read(PLAIN.append_column("metadata", column)).metadata]


def test_metadata_may_be_text_json_struct_map_or_coded():
    text = pa.array(['{"a": 1}', None, "{}"])
    for column in (
        text,
        text.dictionary_encode(),
        text.cast(pa.string_view()),
        text.cast(pa.string_view()).dictionary_encode(),
        pa.ExtensionArray.from_storage(pa.json_(), text),
        pa.array([[("a", 1)], None, []], pa.map_(pa.string(), pa.int64())),
        pa.array([{"a": 1}, None, {"a": None}]),
    ):
        assert metadata(column) == ['{"a":1}', "{}", "{}"]
    coded = pa.StructArray.from_arrays(
        [pa.array(["x", "y", None], pa.string_view()).dictionary_encode(), pa.array([1, 2, 3])],
        ["s", "n"],
        mask=pa.array([False, True, False]),
    )
    assert metadata(coded) == ['{"s":"x","n":1}', "{}", '{"n":3}']


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint64(), pa.float16(), pa.float64()])
def test_elements_may_be_any_number(kind):
    values = pa.array(np.array([1, 2, 3], kind.to_pandas_dtype()))
    frame = PLAIN.drop_columns("vector").append_column("x", values)
    assert read(frame, vector=["x"]).vector.tolist() == [[1], [2], [3]]


def test_vectors_of_float32_are_not_copied():
    values = np.arange(8, dtype=np.float32)
    column = pa.FixedSizeListArray.from_arrays(pa.array(values), 2)
    frame = pa.table({"entity_id": list("abcd"), "vector": column})
    for given in (frame, Foreign(frame), frame.to_batches()[0]):
        assert read(given).vector.ctypes.data == values.ctypes.data
        assert read(given).vector.tolist() == values.reshape(4, 2).tolist()
    assert read(frame.slice(1)).vector.ctypes.data == values.ctypes.data + 8
    framed = pl.from_arrow(frame)
    address = pa.table(framed)["vector"].chunk(0).values.to_numpy().ctypes.data
    assert read(framed).vector.ctypes.data == address


def test_what_was_given_is_not_changed_by_a_bad_row():
    values = np.array([1, np.nan, 3, 4], np.float32)
    column = pa.FixedSizeListArray.from_arrays(pa.array(values), 2)
    frame = pa.table({"entity_id": list("ab"), "vector": column})
    assert read(frame, "skip_row").vector.tolist() == [[3, 4]]
    assert np.isnan(values[1])


def changed(name, column):
    return TABLE.set_column(TABLE.column_names.index(name), name, column)


@pytest.mark.parametrize(
    ("frame", "plan", "field", "words"),
    [
        (TABLE, PLAN | {"metadata": None}, "speed", "leave it out"),
        (TABLE, PLAN | {"metadata": ["speed"]}, "route", "metadata=['route']"),
        (TABLE, PLAN | {"vector": None}, "x", "no field of a point"),
        (TABLE, PLAN | {"vector": ["x", "z"]}, "z", "no such column; there are vehicle"),
        (TABLE, PLAN | {"metadata": ["sped", "route"]}, "sped", "did you mean 'speed'"),
        (TABLE, PLAN | {"columns": {"vehicel": "entity_id"}}, "vehicel", "did you mean"),
        (TABLE, PLAN | {"columns": {"vehicle": "entity"}}, "columns", "none of entity_id"),
        (TABLE, PLAN | {"columns": {"entity_id": "vehicle"}}, "columns", "comes first"),
        (TABLE, PLAN | {"columns": ["vehicle"]}, "columns", "mapping"),
        (TABLE, PLAN | {"columns": {"vehicle": None, "seen": None}}, "entity_id", "required"),
        (TABLE, PLAN | {"vector": []}, "vector", "list of names"),
        (TABLE, PLAN | {"vector": [0.5, 1.0]}, "vector", "list of names"),
        (TABLE, PLAN | {"vector": np.zeros(2)}, "vector", "list of names"),
        (TABLE, PLAN | {"vector": ["x", "x"]}, "vector", "twice"),
        (TABLE, PLAN | {"entity_type": "SHIP"}, "entity_type", "does not go with a frame"),
        (TABLE, PLAN | {"metdata": ["speed"]}, "metdata", "did you mean 'metadata'"),
        (changed("x", pa.array(["1", "2", "3"])), PLAN, "x", "is a number, not string"),
        (changed("x", pa.array([True] * 3)), PLAN, "x", "is a number, not bool"),
        (changed("vehicle", pa.array([1, 2, 3])), PLAN, "entity_id", "texts"),
        (changed("seen", pa.array([1, 2, 3])), PLAN, "timestamp", "tz_localize"),
        (changed("seen", pa.array(MICROS, pa.timestamp("us"))), PLAN, "timestamp", "replace_tim"),
        (changed("speed", pa.array(TIMES, UTC_US)), PLAN, "metadata", "speed: timestamp"),
        (PLAIN.append_column("x", pa.array([1, 2, 3])), {"vector": ["x"]}, "x", "already"),
        (PLAIN.append_column("vector", PLAIN["vector"]), {}, "vector", "already"),
        (PLAIN.append_column("x", PLAIN["vector"]), {"vector": "x"}, "x", "already"),
        (PLAIN.drop_columns("vector"), {}, "vector", "vector=[...]"),
        (pa.table({}), {}, "points", "no points"),
        (PLAIN.slice(0, 0), {}, "points", "no points"),
        (PLAIN.set_column(2, "vector", pa.array([[1], [2], [3]])), {}, "vector", "float16"),
    ],
)
def test_a_column_that_cannot_be_is_named_with_what_to_do(frame, plan, field, words):
    with pytest.raises(InvalidRequestError) as caught:
        read(frame, "skip_row", **plan)
    assert [detail.field for detail in caught.value.details] == [field]
    assert words in caught.value.message


def test_two_columns_of_one_name_cannot_be_meant():
    frame = pa.Table.from_arrays([*TABLE.columns, TABLE["x"]], names=[*TABLE.column_names, "x"])
    with pytest.raises(InvalidRequestError, match="x: there are several"):
        read(frame, **PLAN)


@pytest.mark.parametrize(
    ("frame", "field"),
    [
        (changed("vehicle", pa.array(["a", None, "b"])), "points[1].entity_id"),
        (changed("seen", pa.array([TIMES[0], None, TIMES[2]], UTC_US)), "points[1].timestamp"),
        (changed("x", pa.array([1.0, None, 2.0])), "points[1].vector[0]"),
        (changed("y", pa.array([1.0, np.nan, 2.0])), "points[1].vector[1]"),
        (changed("y", pa.array([1.0, 1e39, 2.0])), "points[1].vector[1]"),
        (changed("speed", pa.array([1.0, np.inf, 2.0])), "points[1].metadata"),
    ],
)
@pytest.mark.parametrize("make", ["table", "pandas", "polars"])
def test_a_bad_row_is_named_or_left_out(make, frame, field):
    frame = MAKERS[make](frame)
    with pytest.raises(InvalidRequestError) as caught:
        read(frame, **PLAN)
    assert [(one.field, one.row) for one in caught.value.details] == [(field, 1)]
    batch = read(frame, "skip_row", **PLAN)
    assert (batch.origin.tolist(), [one.index for one in batch.refused]) == ([0, 2], [1])


def test_no_time_at_all_is_the_commit_time_but_a_missing_one_is_a_fault():
    assert len(read(PLAIN.drop_columns("timestamp"))) == 3
    for nothing in (pa.nulls(3), pa.nulls(3, UTC_US)):
        with pytest.raises(InvalidRequestError, match="a time is required") as caught:
            read(PLAIN.set_column(1, "timestamp", nothing))
        assert len(caught.value.details) == 3


def test_what_is_no_table_is_refused():
    broken = pa.StringArray.from_buffers(
        2, pa.py_buffer(np.array([0, 1, 2], np.int32)), pa.py_buffer(b"\xff\xfe")
    )
    for frame, words in (
        (pa.array([1, 2]), "cannot be read as a table"),
        (pl.Series([1, 2]), "cannot be read as a table"),
        (pa.table({"entity_id": broken}), "cannot be read as a table"),
        (pd.DataFrame({"entity_id": ["a", 1]}), "cannot be read as a table"),
        (PLAIN.to_reader(), "ingest_frames"),
    ):
        with pytest.raises(InvalidRequestError, match=words):
            read(frame)


def test_one_row_more_than_a_commit_may_have_is_told_where_to_go():
    with in_force(Limits(batch_rows_max=3)):
        assert len(read(PLAIN)) == 3
        with pytest.raises(TooLargeError, match="ingest_frames"):
            read(pa.concat_tables([PLAIN, PLAIN.slice(0, 1)]))
