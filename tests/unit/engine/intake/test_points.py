"""Bodies and records become batches."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsvec.engine.intake.points import JSON, NDJSON, decode_points, points_to_batch
from tsvec.model.errors import InvalidRequestError
from tsvec.model.points import PointInput
from tsvec.model.times import TIME_MAX_US, TIME_MIN_US, TIME_MISSING

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
POINTS = st.lists(
    st.builds(
        PointInput,
        entity_id=NAMES,
        vector=st.lists(FLOATS, min_size=3, max_size=3),
        timestamp=st.none() | st.integers(TIME_MIN_US, TIME_MAX_US),
        entity_type=st.none() | NAMES.filter(lambda name: len(name.encode()) <= 64),
        metadata=st.none() | st.dictionaries(st.text(), st.integers(0, 9) | st.text(), max_size=3),
        key=st.none() | NAMES,
    ),
    min_size=1,
    max_size=5,
)
ROW = {"entity_id": "a", "vector": [1.0, 2.0]}


def texts(points: list[PointInput]) -> list[bytes]:
    return [point.model_dump_json(exclude_none=True).encode() for point in points]


def contents(batch) -> tuple:
    return (
        list(batch.entity_id),
        batch.vector.tobytes(),
        batch.vector.shape,
        batch.timestamp.tolist(),
        [orjson.loads(text) for text in batch.metadata],
        list(batch.entity_type),
        list(batch.key),
        batch.origin.tolist(),
        batch.refused,
    )


@given(POINTS)
def test_every_way_in_gives_the_same_batch(points):
    expected = contents(points_to_batch(points))
    rows = texts(points)
    as_json, *policy = decode_points(b'{"points": [' + b",".join(rows) + b"]}", JSON)
    as_ndjson, *_ = decode_points(b"\n".join(rows), NDJSON)
    assert policy == ["reject_all", "replace"]
    assert contents(as_json) == contents(as_ndjson) == expected
    assert contents(points_to_batch([point.model_dump() for point in points])) == expected


def test_a_time_left_out_is_marked():
    assert points_to_batch([ROW]).timestamp.tolist() == [TIME_MISSING]


@pytest.mark.parametrize(
    ("given_rows", "dim", "kept", "wrong"),
    [
        ([[1, 2], [3, 4, 5], [6, 7]], None, [0, 2], {1: "2 elements are expected, not 3"}),
        ([[1, 2], [3, 4, 5], [6, 7]], 3, [1], {0: "3 elements", 2: "3 elements"}),
        ([[1, 2], [3, 4]], 9, [], {0: "9 elements", 1: "9 elements"}),
        ([[], [1, 2]], None, [1], {0: "at least 1"}),
    ],
)
def test_vectors_of_other_lengths_are_refused(given_rows, dim, kept, wrong):
    points = [{"entity_id": "a", "vector": vector} for vector in given_rows]
    batch = points_to_batch(points, "skip_row", dim=dim)
    assert batch.origin.tolist() == kept
    assert batch.vector.shape[0] == len(kept)
    assert {error.index for error in batch.refused} == set(wrong)
    for error in batch.refused:
        assert wrong[error.index] in error.message
        assert error.field == f"points[{error.index}].vector"
    with pytest.raises(InvalidRequestError) as caught:
        points_to_batch(points, "reject_all", dim=dim)
    assert [detail.row for detail in caught.value.details] == sorted(wrong)


def test_json_with_a_bad_row_is_decoded_row_by_row():
    good = {"entity_id": "ü", "vector": [0.1, 1e-40], "metadata": {"big": 2**63, "x": [1.5, None]}}
    rows = [good, {"entity_id": "b", "vector": [1, None]}, good]
    document = {"points": rows, "on_error": "skip_row", "on_conflict": "ignore"}
    batch, *policy = decode_points(orjson.dumps(document), JSON, "reject_all", "error")
    assert policy == ["skip_row", "ignore"]
    assert batch.origin.tolist() == [0, 2]
    whole = points_to_batch([good, good])
    assert batch.vector.tobytes() == whole.vector.tobytes()
    assert list(batch.metadata) == list(whole.metadata)
    assert batch.refused[0].field == "points[1].vector[1]"


@pytest.mark.parametrize("rows", [[ROW, {"entity_id": ""}], [ROW]], ids=["bad row", "good rows"])
def test_parameters_hold_where_the_body_is_silent(rows):
    batch, *policy = decode_points(orjson.dumps({"points": rows}), JSON, "skip_row", "error")
    assert (policy, len(batch)) == (["skip_row", "error"], 1)
    body = orjson.dumps({"points": rows, "on_error": "skip_row", "on_conflict": "replace"})
    assert decode_points(body, JSON, "reject_all", "ignore")[1:] == ("skip_row", "replace")


def test_what_else_is_wrong_goes_before_the_rows():
    rows = {"points": [{"entity_id": ""}], "on_eror": "skip_row"}
    with pytest.raises(InvalidRequestError, match="on_eror"):
        decode_points(orjson.dumps(rows), JSON)


def test_a_line_that_is_no_json_is_a_bad_row():
    body = b"\n".join([orjson.dumps(ROW), b"{", orjson.dumps(ROW)])
    batch, *_ = decode_points(body, NDJSON, "skip_row")
    assert [error.index for error in batch.refused] == [1]
    with pytest.raises(InvalidRequestError, match=r"points\[1\]"):
        decode_points(body, NDJSON)


def test_lines_cannot_make_up_for_each_other():
    row = orjson.dumps(ROW)
    start, end = row[:20], row[20:]
    with pytest.raises(InvalidRequestError, match="3 faults"):
        decode_points(b"\n".join([start, end, row + b"," + row]), NDJSON)


def test_a_media_type_nobody_reads():
    with pytest.raises(InvalidRequestError, match="application/x-ndjson"):
        decode_points(b"", "text/csv")
