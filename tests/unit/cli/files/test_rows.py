from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import orjson
import pyarrow as pa
import pytest

from tsvec.cli.files.columns import plan_columns
from tsvec.cli.files.readers import open_source
from tsvec.cli.files.rows import prepare, prepare_all
from tsvec.engine.intake.points import ARROW, decode_points
from tsvec.model.errors import InvalidRequestError
from tsvec.model.times import TIME_MISSING

NOON = 1_769_860_800_000_000
VECTORS = [[1.0, 0.0], [0.0, 1.0]]


def decoded(chunk, on_error="reject_all", **options):
    """The batch that ingest makes of a chunk."""
    prepared = prepare(chunk, plan_columns(list(chunk), **options), 0, on_error)
    return decode_points(prepared.stream, ARROW, on_error)[0]


def chunk(**columns):
    return {"id": ["a", "b"], "ts": [NOON // 10**6] * 2, "vec": VECTORS} | columns


def test_every_kind_of_file_becomes_the_same_batch(every_file, rows):
    source = open_source(every_file)
    plan = plan_columns(source.names)
    batches = [
        decode_points(prepared.stream, ARROW, "reject_all")[0]
        for prepared in prepare_all(source, plan, 20, "reject_all")
    ]
    assert [len(batch) for batch in batches] == [20, 20, 17]
    assert [i for batch in batches for i in batch.entity_id] == rows.entity_id
    assert [t for batch in batches for t in batch.entity_type] == rows.entity_type
    assert np.array_equal(np.concatenate([batch.vector for batch in batches]), rows.vector)
    assert [t for batch in batches for t in batch.timestamp.tolist()] == [
        (time - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1e6 for time in rows.timestamp
    ]
    metadata = [orjson.loads(m) for batch in batches for m in batch.metadata]
    assert metadata == [{"speed": speed} for speed in rows.speed]


@pytest.mark.parametrize(
    ("times", "options"),
    [
        ([NOON // 10**6] * 2, {}),
        ([NOON // 10**3] * 2, {}),
        ([NOON] * 2, {}),
        ([NOON * 10**3] * 2, {}),
        ([NOON / 10**6] * 2, {}),
        ([NOON // 10**6] * 2, {"time_unit": "s"}),
        (np.array([NOON // 10**6] * 2, np.int32), {}),
        (np.array([NOON] * 2, "datetime64[us]"), {}),
        (np.array(["2026-01-31T12:00:00Z"] * 2), {}),
        (["2026-01-31T12:00:00Z", "2026-01-31T13:00:00+01:00"], {}),
        (["2026-01-31 12:00:00"] * 2, {"assume_utc": True}),
        (pa.array([NOON] * 2, pa.timestamp("us", "Europe/Paris")), {}),
        (pa.array([NOON * 1000] * 2, pa.timestamp("ns", "UTC")), {}),
        (pa.array([NOON] * 2, pa.timestamp("us")), {"assume_utc": True}),
        (pa.array(["2026-01-31T12:00:00Z"] * 2).dictionary_encode(), {}),
    ],
)
def test_times_of_every_kind_are_the_same_instant(times, options):
    assert decoded(chunk(ts=times), **options).timestamp.tolist() == [NOON, NOON]


def test_a_date_is_its_first_instant():
    batch = decoded(chunk(ts=pa.array([date(2026, 1, 31)] * 2)))
    assert batch.timestamp.tolist() == [NOON - 12 * 3_600_000_000] * 2


def test_now_leaves_the_time_to_the_commit():
    batch = decoded({"id": ["a", "b"], "vec": VECTORS}, time="now")
    assert batch.timestamp.tolist() == [TIME_MISSING, TIME_MISSING]


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (["2026-01-31T12:00:00Z", "2026-01-31T12:00:00"], "row 1: ts: .*RFC 3339"),
        (["2026-01-31T12:00:00Z", None], "row 1: ts: has no time"),
        (pa.array([NOON] * 2, pa.timestamp("us")), "no time zone; --assume-utc"),
        (pa.array([NOON, 1], pa.timestamp("ns", "UTC")), "finer than a microsecond"),
        (["2026-01-31T12:00:00Z", 5], "column 'ts' mixes kinds of values"),
    ],
)
def test_times_that_are_no_instants_are_refused(times, message):
    with pytest.raises(InvalidRequestError, match=message):
        decoded(chunk(ts=times))


@pytest.mark.parametrize(
    "vectors",
    [
        VECTORS,
        [[1, 0], [0, 1.0]],
        ["[1, 0]", "[0.0, 1e0]"],
        np.array(VECTORS),
        np.array(VECTORS, np.float16),
        np.array(VECTORS, np.int64),
        pa.array(VECTORS),
        pa.array([[1, 0], [0, 1]]),
        pa.array(["[1,0]", "[0,1]"]),
        pa.array(VECTORS, pa.list_(pa.float64(), 2)),
    ],
)
def test_vectors_of_every_kind_are_the_same(vectors):
    assert decoded(chunk(vec=vectors)).vector.tolist() == VECTORS


def test_columns_of_numbers_make_a_vector():
    columns = {"id": ["a", "b"], "ts": [NOON] * 2, "v0": pa.array([1, 0]), "v1": [0.0, 1.0]}
    assert decoded(columns).vector.tolist() == VECTORS


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ([[1.0, 0.0], "north"], "row 1: vec:"),
        ([[1.0, 0.0], [True, 1.0]], "row 1: vec: a vector is a list of numbers"),
        ([[1.0, 0.0], [1e39, 1.0]], "row 1: vec: .*finite"),
        ([[1.0, 0.0], []], "row 1: vec: a vector is a non-empty"),
        (pa.array([1.0, 2.0]), "column 'vec' holds double, not lists of numbers"),
        (pa.array([[1.0, 0.0], [float("nan"), 0.0]]), "finite"),
    ],
)
def test_vectors_that_are_none_are_refused(vectors, message):
    with pytest.raises(InvalidRequestError, match=message):
        decoded(chunk(vec=vectors))


def test_a_missing_number_is_told():
    columns = {"id": ["a", "b"], "ts": [NOON] * 2, "v0": [1.0, None], "v1": [0.0, 1.0]}
    with pytest.raises(InvalidRequestError, match="row 1: v0: a number is missing"):
        decoded(columns)
    with pytest.raises(InvalidRequestError, match="column 'v0' holds string, not numbers"):
        decoded(columns | {"v0": ["x", "y"]})


def test_bad_rows_are_left_out_and_listed_by_their_place_in_the_file():
    columns = chunk(ts=["noon", "2026-01-31T12:00:00Z"])
    prepared = prepare(columns, plan_columns(list(columns)), 40, "skip_row")
    assert list(prepared.rows) == [41]
    assert [(error.index, error.code) for error in prepared.refused] == [(40, "invalid_request")]
    batch, *_ = decode_points(prepared.stream, ARROW, "skip_row")
    assert batch.entity_id == ["b"]


def test_entities_may_be_numbers_and_types_may_be_absent():
    batch = decoded(chunk(id=[7, 8], type=["", "SHIP"], key=[None, "k"]))
    assert list(batch.entity_id) == ["7", "8"]
    assert list(batch.entity_type) == [None, "SHIP"]
    assert list(batch.key) == [None, "k"]


def test_other_columns_become_metadata_without_their_nulls():
    batch = decoded(
        chunk(
            speed=[1.5, None],
            price=pa.array([Decimal("2.50"), Decimal("3.00")]),
            day=pa.array([date(2026, 1, 31)] * 2),
            tags=[["a"], []],
        )
    )
    assert [orjson.loads(m) for m in batch.metadata] == [
        {"speed": 1.5, "price": 2.5, "day": "2026-01-31", "tags": ["a"]},
        {"price": 3.0, "day": "2026-01-31", "tags": []},
    ]


@pytest.mark.parametrize(
    "column",
    [
        [{"x": 1}, None],
        ['{"x": 1}', ""],
        pa.array(['{"x": 1}', None]),
        pa.array([{"x": 1}, None]),
        pa.array([[("x", 1)], None], pa.map_(pa.string(), pa.int64())),
    ],
)
def test_a_column_called_metadata_is_spread(column):
    batch = decoded(chunk(metadata=column, speed=[5, 6]))
    assert [orjson.loads(m) for m in batch.metadata] == [{"x": 1, "speed": 5}, {"speed": 6}]


def test_metadata_that_json_cannot_hold_is_refused():
    with pytest.raises(InvalidRequestError, match="JSON serializable: bytes; --no-metadata"):
        decoded(chunk(raw=pa.array([b"a", b"b"])))
    with pytest.raises(InvalidRequestError, match="row 1: metadata: a JSON object is expected"):
        decoded(chunk(metadata=['{"x": 1}', "7"]))
