"""Faults in the words of the API."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tsvec.model.errors import InvalidRequestError
from tsvec.model.points import IngestRequest, PointInput
from tsvec.model.queries import TemporalKnnBatchRequest, TemporalKnnRequest
from tsvec.model.validation import (
    DETAILS_MAX,
    detail_at,
    details_of,
    field_path,
    given_record,
    invalid_request,
    refusal,
)


def fault(record, text: str) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        record.model_validate_json(text)
    return caught.value


@pytest.mark.parametrize(
    ("loc", "path"),
    [
        ((), "body"),
        (("k",), "k"),
        (("points", 3, "vector", 17), "points[3].vector[17]"),
        (("metadata", "a b", "c"), "metadata.a b.c"),
        ((1, "a"), "[1].a"),
    ],
)
def test_paths(loc, path):
    assert field_path(loc) == path


def test_rows_are_those_of_points_and_queries():
    assert detail_at(("points", 3, "vector"), "").row == 3
    assert detail_at(("queries", 0), "").row == 0
    assert detail_at(("entity_ids", 3), "").row is None
    assert detail_at(("points",), "").row is None


def test_an_element_out_of_range_is_named():
    error = fault(IngestRequest, '{"points": [{"entity_id": "a", "vector": [0, 1e39]}]}')
    assert [(detail.field, detail.row) for detail in details_of(error)] == [
        ("points[0].vector[1]", 0)
    ]


def test_messages_are_for_people():
    error = fault(TemporalKnnRequest, '{"query_vector": [1], "tiem_decay": 1}')
    assert "check its spelling" in details_of(error)[0].message
    error = fault(TemporalKnnRequest, "{}")
    assert details_of(error)[0].message == "give exactly one of query_vector and entity_id"


def test_a_prefix_places_the_fault():
    error = fault(PointInput, '{"vector": [1]}')
    assert details_of(error, ("points", 5))[0].field == "points[5].entity_id"


def test_many_faults_are_counted_but_not_listed():
    queries = ",".join(["{}"] * 30)
    error = invalid_request(fault(TemporalKnnBatchRequest, f'{{"queries": [{queries}]}}'))
    assert len(error.details) == DETAILS_MAX
    assert "the first of 30 faults" in error.message


def test_very_many_faults_cost_nothing():
    fields = ",".join(f'"f{number}": 0' for number in range(10_001))
    error = invalid_request(fault(PointInput, f"{{{fields}}}"), ("points", 2))
    assert len(error.details) == 1
    assert "too many to list" in error.message
    assert error.details[0].row == 2


def test_one_fault_is_the_message():
    assert refusal([detail_at(("k",), "is too large")]).message == "k: is too large"


def test_what_is_none_was_not_given():
    assert given_record(PointInput, entity_id="a", vector=[1], key=None).model_fields_set == {
        "entity_id",
        "vector",
    }
    with pytest.raises(InvalidRequestError, match="vector"):
        given_record(PointInput, entity_id="a", vector=None)


@pytest.mark.parametrize(
    ("record", "given", "meant"),
    [
        (TemporalKnnRequest, '{"query_vector": [1], "star_time": 0}', "'start_time'"),
        (TemporalKnnRequest, '{"query_vector": [1], "distinct": "entitty"}', "'entity'"),
        (
            TemporalKnnRequest,
            '{"query_vector": [1], "filter": {"a": {"$exist": true}}}',
            "'$exists'",
        ),
        (TemporalKnnRequest, '{"query_vector": [1], "filter": {"$ro": []}}', "'$or'"),
        (
            TemporalKnnBatchRequest,
            '{"queries": [{"query_vector": [1], "expln": true}]}',
            "'explain'",
        ),
        (
            IngestRequest,
            '{"points": [{"entity_id": "a", "vector": [1], "timestmp": 1}]}',
            "'timestamp'",
        ),
    ],
)
def test_what_was_probably_meant_is_suggested(record, given, meant):
    assert f"; did you mean {meant}?" in details_of(fault(record, given))[0].message


def test_what_is_like_nothing_is_not_suggested():
    error = fault(TemporalKnnRequest, '{"query_vector": [1], "zzzzzzzz": 0, "x": 0}')
    assert all("did you mean" not in detail.message for detail in details_of(error))


def test_suggestions_are_bounded():
    fields = ", ".join(f'"star_time{number}": 0' for number in range(50))
    details = details_of(fault(TemporalKnnRequest, f'{{"query_vector": [1], {fields}}}'))
    assert sum("did you mean" in detail.message for detail in details) == 20
    error = fault(TemporalKnnRequest, f'{{"query_vector": [1], "{"start_time" * 99}": 0}}')
    assert "did you mean" not in details_of(error)[0].message
