"""Columns given by keyword: the fast way and the careful way make the same batch."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from tsvec.engine.intake.columns import batch_of_columns
from tsvec.model.errors import InvalidRequestError, TooLargeError
from tsvec.model.limits import LIMITS
from tsvec.model.times import TIME_MISSING

VECTORS = np.arange(6, dtype=np.float32).reshape(3, 2)
TIMES = np.array(["2026-01-01", "2026-01-03", "1969-12-31"], "datetime64[us]")
FULL = {
    "entity_id": ["a", "b", "a"],
    "vector": VECTORS,
    "timestamp": TIMES,
    "entity_type": ["ship", None, "ship"],
    "metadata": [{"n": 1}, None, {}],
    "key": ["k", None, "é"],
}


def columns(batch):
    return (
        list(batch.entity_id),
        batch.vector.tolist(),
        batch.timestamp.tolist(),
        list(batch.metadata),
        list(batch.entity_type),
        list(batch.key),
        batch.origin.tolist(),
        batch.refused,
    )


def read(on_error="reject_all", dim=None, **given):
    return batch_of_columns(given, on_error, dim=dim)


def test_arrays_become_columns():
    assert columns(read(**FULL)) == (
        ["a", "b", "a"],
        VECTORS.tolist(),
        TIMES.astype(np.int64).tolist(),
        [b'{"n":1}', b"{}", b"{}"],
        ["ship", None, "ship"],
        ["k", None, "é"],
        [0, 1, 2],
        (),
    )


@pytest.mark.parametrize(
    "change",
    [
        {"vector": VECTORS.tolist()},
        {"vector": VECTORS.astype(np.float64)},
        {"vector": VECTORS.astype(np.float16)},
        {"vector": VECTORS.astype(np.int64)},
        {"vector": [tuple(row) for row in VECTORS.tolist()]},
        {"vector": np.asfortranarray(VECTORS)},
        {"timestamp": TIMES.astype("datetime64[ns]")},
        {"timestamp": TIMES.astype("datetime64[s]")},
        {"timestamp": TIMES.tolist() and [time.replace(tzinfo=UTC) for time in TIMES.tolist()]},
        {"timestamp": TIMES.astype(np.int64).tolist()},
        {"timestamp": [f"{time}Z" for time in TIMES.astype("datetime64[s]")]},
        {"entity_id": np.array(["a", "b", "a"])},
        {"entity_id": ("a", "b", "a")},
        {"entity_type": None, "key": None, "metadata": None},
        {"entity_type": "ship", "metadata": {"n": 1}, "key": "k"},
        {"metadata": {}},
    ],
)
def test_every_form_of_a_column_says_the_same(change):
    given = FULL | change
    rows = [
        {
            name: value[row] if isinstance(value, list | np.ndarray | tuple) else value
            for name, value in given.items()
            if value is not None
        }
        for row in range(3)
    ]
    for row in rows:
        if isinstance(row["timestamp"], np.datetime64):
            row["timestamp"] = int(row["timestamp"].astype("datetime64[us]").astype(np.int64))
    one_by_one = [columns(read(**{k: [v] for k, v in row.items()})) for row in rows]
    together = columns(read(**given))
    assert [list(column) for column in together[:6]] == [
        [single[place][0] for single in one_by_one] for place in range(6)
    ]
    assert together[2] == TIMES.astype(np.int64).tolist()


@pytest.mark.parametrize("vector", [[1, 2], (1.0, 2.0), np.array([1.0, 2.0]), np.ones((1, 2))])
def test_one_point_needs_no_lists(vector):
    batch = read(entity_id="a", vector=vector)
    assert (len(batch), batch.dim, batch.timestamp.tolist()) == (1, 2, [TIME_MISSING])
    when = datetime(2026, 1, 1, tzinfo=UTC)
    assert len(read(entity_id="a", vector=vector, timestamp=when, metadata={"a": [1]})) == 1


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"vetcor": 1}, "vetcor", "is not a column; known are entity_id"),
        ({"entity_id": None}, "entity_id", "is needed"),
        ({"vector": None}, "vector", "is needed"),
        ({"vector": VECTORS[:2]}, "vector", "2 values for 3 rows"),
        ({"timestamp": TIMES[:2]}, "timestamp", "2 values for 3 rows"),
        ({"entity_type": ["x"]}, "entity_type", "1 values for 3 rows"),
        ({"metadata": []}, "metadata", "0 values for 3 rows"),
        ({"entity_id": []}, "points", "no points"),
        ({"entity_id": 5}, "vector", "3 values for 1 rows"),
        ({"entity_id": 5, "vector": [1, 2], "timestamp": 0}, "entity_type", "3 values for 1 rows"),
        ({"entity_id": [5, 6, 7]}, "points[0].entity_id", "string"),
        ({"entity_id": ["a", "", "c"]}, "points[1].entity_id", "1 to 256"),
        ({"entity_id": ["a", ["b"], "c"]}, "points[1].entity_id", "string"),
        ({"entity_type": ["x", "y" * 65, None]}, "points[1].entity_type", "1 to 64"),
        ({"key": ["x", "y", "\0"]}, "points[2].key", "NUL"),
        ({"vector": [[1.0, 2.0], [1.0], [1.0, 2.0]]}, "points[1].vector", "2 elements"),
        ({"vector": ["ab", "cd", "ef"]}, "points[0].vector", "list"),
        ({"vector": VECTORS.astype(bool)}, "points[0].vector", "numbers"),
        ({"metadata": [{}, {"x": float("nan")}, {}]}, "points[1].metadata", "NaN"),
        ({"metadata": [{}, {}, {"x": object()}]}, "points[2].metadata", "JSON"),
        ({"timestamp": TIMES.astype("datetime64[ns]") + 1}, "points[0].timestamp", "microseconds"),
    ],
)
def test_what_is_wrong_is_named(change, field, words):
    with pytest.raises(InvalidRequestError) as caught:
        read(**(FULL | change))
    assert caught.value.details[0].field == field
    assert words in caught.value.message


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e39])
def test_a_number_that_float32_cannot_hold_is_named(value):
    vectors = VECTORS.astype(np.float64)
    vectors[1, 1] = value
    with pytest.raises(InvalidRequestError) as caught:
        read(**(FULL | {"vector": vectors}))
    assert (caught.value.details[0].field, caught.value.details[0].row) == (
        "points[1].vector[1]",
        1,
    )
    kept = read("skip_row", **(FULL | {"vector": vectors}))
    assert kept.origin.tolist() == [0, 2]
    assert [error.index for error in kept.refused] == [1]


def test_not_a_time_is_named():
    times = TIMES.copy()
    times[2] = np.datetime64("NaT")
    with pytest.raises(InvalidRequestError, match="NaT") as caught:
        read(**(FULL | {"timestamp": times}))
    assert caught.value.details[0].row == 2


def test_the_collections_dim_is_expected():
    with pytest.raises(InvalidRequestError, match="4 elements are expected, not 2"):
        read(dim=4, entity_id="a", vector=[1.0, 2.0])


def test_one_row_more_than_a_batch_may_have_is_refused():
    rows = LIMITS.batch_rows_max
    fits = {"entity_id": ["a"] * rows, "vector": np.ones((rows, 1), np.float32)}
    fits["timestamp"] = np.zeros(rows, "datetime64[us]")
    assert len(read(**fits)) == rows
    with pytest.raises(TooLargeError, match="batch_rows_max"):
        read(entity_id=["a"] * (rows + 1), vector=np.ones((rows + 1, 1), np.float32))
