"""Points and batches of them."""

from __future__ import annotations

import numpy as np
import orjson
import pytest
from pydantic import ValidationError

from tsvec.model.limits import LIMITS
from tsvec.model.points import (
    EMPTY_METADATA,
    IngestRequest,
    PointBatch,
    PointInput,
    metadata_bytes,
)
from tsvec.model.times import TIME_MISSING


def nested(depth: int) -> dict:
    value: object = 1
    for _ in range(depth):
        value = {"a": value}
    return value


def test_metadata_is_compact_json():
    value = {"b": [1, None, "ü"], "a": {"c": 2**63}}
    assert metadata_bytes(value) == '{"b":[1,null,"ü"],"a":{"c":9223372036854775808}}'.encode()
    assert metadata_bytes(None) == metadata_bytes({}) == EMPTY_METADATA


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ({"a": float("nan")}, "NaN"),
        ({"a": [{"b": float("inf")}]}, "NaN"),
        ({"a": (float("nan"),)}, "NaN"),
        ({"a": 2**64}, "64-bit"),
        ({1: 2}, "str"),
        ({"a": b"x"}, "bytes"),
        ({"a": "\ud800"}, "surrogates"),
        (nested(LIMITS.metadata_depth_max + 1), "deeper"),
        (nested(100_000), "deeper"),
        ({"a": "x" * LIMITS.metadata_bytes_max}, "metadata_bytes_max"),
    ],
    ids=lambda value: repr(value)[:30] if isinstance(value, str) else "value",
)
def test_metadata_that_cannot_be_stored(value, fault):
    with pytest.raises(ValueError, match=fault):
        metadata_bytes(value)


def test_metadata_up_to_the_limits():
    assert metadata_bytes(nested(LIMITS.metadata_depth_max))
    text = "x" * (LIMITS.metadata_bytes_max - len('{"a":""}'))
    assert len(metadata_bytes({"a": text})) == LIMITS.metadata_bytes_max


@pytest.mark.parametrize("size", [1, LIMITS.entity_id_bytes_max])
def test_an_entity_id_in_bytes(size):
    assert PointInput(entity_id="x" * size, vector=[1]).entity_id == "x" * size


@pytest.mark.parametrize("text", ["", "x" * 257, "ü" * 129, "a\0", "\ud800", 7, None, b"x"])
def test_what_is_no_entity_id(text):
    with pytest.raises(ValidationError):
        PointInput(entity_id=text, vector=[1])


def test_a_request_needs_a_row():
    with pytest.raises(ValidationError):
        IngestRequest(points=[])


def test_a_request_says_what_a_taken_place_does():
    point = {"entity_id": "a", "vector": [1.0]}
    assert IngestRequest(points=[point]).on_conflict == "replace"
    assert IngestRequest(points=[point], on_conflict="ignore").on_conflict == "ignore"
    with pytest.raises(ValidationError):
        IngestRequest(points=[point], on_conflict="keep")


def batch() -> PointBatch:
    return PointBatch.of_points(
        [
            PointInput(entity_id="a", vector=[1, 2], timestamp=5, metadata={"x": 1}),
            PointInput(entity_id="b", vector=[3, 4], entity_type="t", key="k"),
        ]
    )


def test_a_batch_holds_columns():
    rows = batch()
    assert (len(rows), rows.dim) == (2, 2)
    assert rows.vector.tolist() == [[1, 2], [3, 4]]
    assert rows.timestamp.tolist() == [5, TIME_MISSING]
    assert [orjson.loads(text) for text in rows.metadata] == [{"x": 1}, {}]
    assert (rows.entity_type, rows.key) == ([None, "t"], [None, "k"])
    assert rows.origin.tolist() == [0, 1]


def test_rows_can_be_taken():
    rows = batch()
    assert rows.take(np.array([0, 1])) is rows
    swapped = rows.take(np.array([1, 0]))
    assert (swapped.entity_id, swapped.origin.tolist()) == (["b", "a"], [1, 0])
    assert swapped.take(np.array([1])).entity_id == ["a"]
    assert len(rows.take(np.array([], np.int64))) == 0
