"""Questions, as records."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tsvec.model.limits import LIMITS
from tsvec.model.queries import (
    DeletedPointsRequest,
    DeletePointsRequest,
    HistoryRequest,
    PointRef,
    ReadAt,
    RestorePointsRequest,
    TemporalKnnRequest,
    TimeRange,
    WindowsRequest,
)
from tsvec.model.times import SEQ_MAX, AsOf
from tsvec.model.validation import details_of


def test_defaults():
    question = TemporalKnnRequest(query_vector=[1.0])
    assert (question.k, question.include, question.explain) == (10, ["metadata"], False)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"query_vector": [1.0], "entity_id": "a"},
        {"query_vector": [1.0], "at": 0},
        {"query_vector": [1.0], "k": 0},
        {"query_vector": [1.0], "k": LIMITS.k_max + 1},
        {"query_vector": [1.0], "k": 1.0},
        {"query_vector": [1.0], "start_time": 2, "end_time": 1},
        {"query_vector": [1.0], "include": ["vector", "vector", "vector"]},
        {"query_vector": [1.0], "explain": 1},
        {"query_vector": [1.0], "filters": {}},
        {"query_vector": [1.0], "space": ""},
        {"query_vector": [1.0], "space": "x" * (LIMITS.space_bytes_max + 1)},
        {"query_vector": [1.0], "time_decay": {}},
        {"query_vector": [1.0], "time_decay": {"half_life": "0s"}},
        {"query_vector": [1.0], "time_decay": {"half_life": "1h", "at": 1}},
    ],
)
def test_what_is_no_question(fields):
    with pytest.raises(ValidationError):
        TemporalKnnRequest(**fields)


def test_a_range_may_be_empty_or_open():
    assert TimeRange(start_time=1, end_time=1)
    assert TimeRange().start_time is None
    with pytest.raises(ValidationError, match="must not be after"):
        TimeRange(start_time=2, end_time=1)


READS = [
    (TemporalKnnRequest, {"query_vector": [1.0]}),
    (HistoryRequest, {"entity_id": "a"}),
    (WindowsRequest, {}),
    (DeletedPointsRequest, {}),
    (ReadAt, {}),
]


@pytest.mark.parametrize(
    ("record", "fields"), READS, ids=lambda value: getattr(value, "__name__", "")
)
def test_every_read_may_say_when(record, fields):
    assert (record(**fields).as_of, record(**fields).wait_for_seq) == (None, None)
    asked = record(**fields, as_of=7, wait_for_seq=9)
    assert (asked.as_of, asked.wait_for_seq) == (AsOf(seq=7), 9)


@pytest.mark.parametrize("seq", [-1, True, "5", 5.0, SEQ_MAX + 1])
def test_what_is_no_seq_to_wait_for(seq):
    with pytest.raises(ValidationError):
        ReadAt(wait_for_seq=seq)


@pytest.mark.parametrize("limit", [0, LIMITS.page_items_max + 1, "5", True])
def test_a_page_has_a_size(limit):
    with pytest.raises(ValidationError):
        HistoryRequest(entity_id="a", limit=limit)


A = {"entity_id": "a", "timestamp": "2020-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    "fields",
    [
        {"points": [A]},
        {"points": [A | {"key": "k"}, A]},
        {"entity_ids": ["a"]},
        {"entity_ids": ["a"], "start_time": 1},
        {"start_time": 1},
        {"end_time": 1, "dry_run": True},
    ],
)
def test_selectors(fields):
    assert DeletePointsRequest(**fields).dry_run is fields.get("dry_run", False)
    assert RestorePointsRequest(**fields, first_seq=1, last_seq=1)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "selects nothing"),
        ({"dry_run": True}, "selects nothing"),
        ({"points": None}, "selects nothing"),
        ({"points": []}, "at least 1"),
        ({"entity_ids": []}, "at least 1"),
        ({"entity_ids": [""]}, "1 to 256"),
        ({"points": [A], "entity_ids": ["a"]}, "either points"),
        ({"points": [A], "end_time": 1}, "either points"),
        ({"points": [A] * (LIMITS.selector_points_max + 1)}, "at most"),
        ({"entity_ids": ["a"] * (LIMITS.selector_items_max + 1)}, "at most"),
        ({"start_time": 2, "end_time": 1}, "must not be after"),
        ({"entity_ids": ["a"], "dry_run": 1}, "boolean"),
        ({"entity_ids": ["a"], "entity_id": "a"}, "Extra"),
    ],
)
@pytest.mark.parametrize("record", [DeletePointsRequest, RestorePointsRequest])
def test_what_is_no_selector(record, fields, problem):
    with pytest.raises(ValidationError, match=problem):
        record(**fields)


def test_the_seqs_of_deletions_select_too():
    assert RestorePointsRequest(first_seq=0)
    assert RestorePointsRequest(last_seq=7)
    with pytest.raises(ValidationError, match="first_seq must not be after last_seq"):
        RestorePointsRequest(first_seq=2, last_seq=1)
    with pytest.raises(ValidationError):
        DeletePointsRequest(first_seq=1)


def test_the_place_of_a_named_point_is_told():
    with pytest.raises(ValidationError) as caught:
        DeletePointsRequest(points=[A, {"entity_id": "a"}])
    assert [(one.field, one.row) for one in details_of(caught.value)] == [
        ("points[1].timestamp", 1)
    ]


def test_a_point_is_named_with_its_key_or_has_none():
    assert PointRef(**A).key is None
    with pytest.raises(ValidationError):
        PointRef(**A, key="")
