"""Questions for points and entities: what they take, and what they refuse by field."""

from __future__ import annotations

import pytest

from tsvec.model.errors import InvalidRequestError
from tsvec.model.lists.requests import EntitiesRequest, PointPatch, PointRequest, PointsRequest
from tsvec.model.queries import DeletedPointsRequest, HistoryRequest, WindowsRequest
from tsvec.model.validation import record_of


def test_what_is_not_said():
    points, entities = PointsRequest(), EntitiesRequest()
    assert (points.limit, points.order, points.include, points.filter) == (
        100,
        "asc",
        ["metadata"],
        None,
    )
    assert (entities.limit, entities.sort, entities.order) == (100, "entity_id", "asc")
    assert PointRequest(entity_id="a", timestamp=1).include == ["metadata"]


def test_each_list_names_its_operation():
    kinds = (PointsRequest, EntitiesRequest, HistoryRequest, WindowsRequest, DeletedPointsRequest)
    assert len({kind.operation for kind in kinds}) == len(kinds)
    assert "operation" not in PointsRequest.model_fields


def test_an_empty_filter_of_attributes_says_nothing_of_entities():
    assert EntitiesRequest(filter={"$attributes": {}}).filter.is_empty


@pytest.mark.parametrize(
    ("kind", "fields", "field"),
    [
        (PointsRequest, {"limit": 0}, "limit"),
        (PointsRequest, {"limit": 1_001}, "limit"),
        (PointsRequest, {"cursor": 5}, "cursor"),
        (PointsRequest, {"start_time": 2, "end_time": 1}, "body"),
        (PointsRequest, {"entity_ids": ["a"] * 1_001}, "entity_ids"),
        (PointsRequest, {"entity_types": [""]}, "entity_types[0]"),
        (PointsRequest, {"filter": []}, "filter"),
        (PointsRequest, {"filter": {"a": {"$gt": []}}}, "filter.a.$gt"),
        (PointsRequest, {"order": "up"}, "order"),
        (PointsRequest, {"include": ["vector"] * 3}, "include"),
        (PointsRequest, {"sort": "points"}, "sort"),
        (PointRequest, {"entity_id": "a"}, "timestamp"),
        (PointRequest, {"entity_id": "", "timestamp": 1}, "entity_id"),
        (PointPatch, {}, "metadata"),
        (PointPatch, {"metadata": None}, "metadata"),
        (PointPatch, {"metadata": {}, "vector": [1]}, "vector"),
        (EntitiesRequest, {"sort": "seq"}, "sort"),
        (EntitiesRequest, {"prefix": "x" * 257}, "prefix"),
        (EntitiesRequest, {"filter": {"$not": {"$attributes": {"a": 1}}}}, "filter"),
    ],
)
def test_what_is_wrong_is_refused_by_field(kind, fields, field):
    with pytest.raises(InvalidRequestError) as caught:
        record_of(kind, fields)
    assert caught.value.details[0].field == field
