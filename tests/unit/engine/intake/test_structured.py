"""Structured arrays become tables."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tsvec.engine.intake.structured import is_structured, table_of_array
from tsvec.model.errors import InvalidRequestError

KIND = [("entity_id", "U8"), ("timestamp", "M8[ms]"), ("vector", "f4", (3,)), ("n", "i2")]


def records(rows=2):
    made = np.zeros(rows, KIND)
    made["entity_id"] = [f"é{row}" for row in range(rows)]
    made["timestamp"] = np.datetime64("1969-12-31T23:59:59", "ms") + np.arange(rows)
    made["vector"] = np.arange(3 * rows).reshape(rows, 3)
    made["n"] = range(rows)
    return made


def test_what_is_structured():
    assert is_structured(records())
    assert is_structured(records().view(np.recarray))
    assert not is_structured(np.zeros((2, 2)))
    assert not is_structured([("a", 1)])


def test_each_field_is_a_column():
    table = table_of_array(records())
    assert table.schema.types == [
        pa.string(),
        pa.timestamp("ms", "UTC"),
        pa.list_(pa.float32(), 3),
        pa.int16(),
    ]
    assert table["entity_id"].to_pylist() == ["é0", "é1"]
    assert table["vector"].to_pylist() == [[0, 1, 2], [3, 4, 5]]
    assert table["timestamp"].cast(pa.int64()).to_pylist() == [-1_000, -999]
    assert table_of_array(records()[::2]).num_rows == 1
    assert table_of_array(records()[0]).num_rows == 1
    assert table_of_array(records(0)).num_rows == 0


@pytest.mark.parametrize("unit", ["D", "h", "m", "s", "ms", "us", "ns", "12h", "10us"])
def test_times_of_any_unit_are_utc(unit):
    times = np.array(["2026-01-31T12:00", "NaT"], f"M8[{unit}]")
    made = np.zeros(2, [("t", times.dtype)])
    made["t"] = times
    column = table_of_array(made)["t"]
    assert column.type.tz == "UTC"
    wanted = int(times[0].astype("M8[us]").astype(np.int64))
    assert column.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_pylist() == [wanted, None]


@pytest.mark.parametrize(
    "kind",
    [("f4", (2, 2)), ("f4", (0,)), ("V3",), ([("b", "f4")],), ("M8[ps]",), (">f4",), ("c8",)],
    ids=str,
)
def test_a_field_without_a_place_in_a_table_is_named(kind):
    with pytest.raises(InvalidRequestError) as caught:
        table_of_array(np.zeros(2, [("n", "i2"), ("a", *kind)]))
    assert [detail.field for detail in caught.value.details] == ["a"]


def test_objects_of_many_kinds_are_no_column():
    made = np.zeros(2, [("a", "O")])
    made["a"] = ["x", 1]
    with pytest.raises(InvalidRequestError, match=r"^a: "):
        table_of_array(made)


def test_a_day_beyond_all_seconds_does_not_come_round():
    made = np.zeros(2, [("t", "M8[D]")])
    made["t"] = np.array([1, 2**62], "M8[D]")
    with pytest.raises(InvalidRequestError, match="t: event times lie in the years"):
        table_of_array(made)


def test_records_lie_in_one_row():
    with pytest.raises(InvalidRequestError, match="one dimension"):
        table_of_array(np.zeros((2, 2), KIND))
