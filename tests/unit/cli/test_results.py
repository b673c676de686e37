from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest

from tsvec.cli.results import TABLE_ROWS_MAX, plain, show_rows

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def shown(capsys):
    """What is written for a table, in batches of two rows."""

    def show(table, how):
        show_rows(table.schema, table.to_batches(max_chunksize=2), how)
        return capsys.readouterr().out

    return show


TABLE = pa.table(
    {
        "name": ["a", None, 'quo"ted,\x1b[1m'],
        "at": pa.array([NOON, NOON + timedelta(seconds=1), None], pa.timestamp("us", "UTC")),
        "vector": pa.array([[1, 2], [3, 4], None], pa.list_(pa.float32(), 2)),
        "sum": pa.array([Decimal(3), Decimal(2**70), None], pa.decimal128(38, 0)),
    }
)


def test_json_has_the_rows_as_objects(shown):
    rows = json.loads(shown(TABLE, "json"))
    assert rows == [
        {"name": "a", "at": "2026-01-31T12:00:00Z", "vector": [1.0, 2.0], "sum": 3},
        {"name": None, "at": "2026-01-31T12:00:01Z", "vector": [3.0, 4.0], "sum": str(2**70)},
        {"name": 'quo"ted,\x1b[1m', "at": None, "vector": None, "sum": None},
    ]
    assert [json.loads(line) for line in shown(TABLE, "jsonl").splitlines()] == rows
    assert json.loads(shown(TABLE[:0], "json")) == []
    assert shown(TABLE[:0], "jsonl") == ""


def test_csv_has_a_head_even_without_rows(shown):
    lines = shown(TABLE, "csv").split("\n")
    assert lines[0] == "name,at,vector,sum"
    assert lines[1] == 'a,2026-01-31T12:00:00Z,"[1.0,2.0]",3'
    assert lines[3] == '"quo""ted,\x1b[1m",,,'
    assert shown(TABLE[:0], "csv") == "name,at,vector,sum\n"


def test_a_table_has_no_control_signs_and_an_end(shown):
    told = shown(TABLE, "table")
    assert "\x1b" not in told
    assert "[1, 2]" in told
    assert told.endswith("3 rows\n")
    many = pa.table({"n": range(TABLE_ROWS_MAX + 1)})
    told = shown(many, "table")
    assert f"the first {TABLE_ROWS_MAX} rows; --csv or --json writes all of them" in told
    assert shown(many[:TABLE_ROWS_MAX], "table").endswith(f"{TABLE_ROWS_MAX} rows\n")


def test_columns_of_one_name_are_told_apart(shown):
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2]), pa.array([3])], ["a", "a", "a_2"])
    assert json.loads(shown(twice, "json")) == [{"a": 1, "a_2": 2, "a_2_2": 3}]


def test_nanoseconds_are_text(shown):
    times = pa.table({"t": pa.array([1], pa.timestamp("ns"))})
    assert json.loads(shown(times, "json")) == [{"t": "1970-01-01 00:00:00.000000001"}]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("0.25"), 0.25),
        (b"\x00\xff", "00ff"),
        (NOON.replace(tzinfo=None), "2026-01-31T12:00:00"),
        ({"a": (Decimal(1), None)}, {"a": [1, None]}),
        (timedelta(days=1), "1 day, 0:00:00"),
        (True, True),
        (2**64, str(2**64)),
    ],
)
def test_values_are_plain(value, expected):
    assert plain(value) == expected
