"""Reads about single entities through the facade; what they answer is tested in query."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.unit.engine.rig import batch_of
from tsvec.model.errors import (
    CollectionNotFoundError,
    EntityNotFoundError,
    InvalidRequestError,
)
from tsvec.model.limits import LIMITS
from tsvec.model.lists.requests import EntitiesRequest
from tsvec.model.queries import HistoryRequest


@pytest.fixture
def entities(database):
    collection = database.collection("c")
    collection.ingest(batch_of(20, entity_type="ship"))
    return collection.entities


def test_an_entity_is_described(entities):
    info = entities.get_entity("e2")
    assert (info.entity_type, info.points, info.as_of_seq) == ("ship", 4, 20)
    assert info.first_seen == datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC)
    assert info.last_seen == info.latest.timestamp == datetime(1970, 1, 1, 0, 0, 17, tzinfo=UTC)
    assert info.latest.seq == 18


def test_keywords_and_record_ask_the_same(entities):
    request = HistoryRequest(entity_id="e1", limit=2, order="desc", start_time=2_000_000)
    by_keyword = entities.get_history(
        "e1", limit=2, order="desc", start_time="1970-01-01T00:00:02Z", include=["metadata"]
    )
    assert by_keyword == entities.history(request)
    assert [point.seq for point in by_keyword.items] == [17, 12]
    assert by_keyword.next_cursor is not None


def test_nobody_and_nothing_are_told_apart(entities, database):
    for ask in (entities.get_entity, entities.get_history):
        with pytest.raises(EntityNotFoundError, match="no entity 'ghost'"):
            ask("ghost")
        with pytest.raises(CollectionNotFoundError):
            getattr(database.collection("nope").entities, ask.__name__)("e1")
    assert entities.get_history("e1", start_time=10**15).items == []


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": LIMITS.page_items_max + 1}, "limit"),
        ({"limit": True}, "limit"),
        ({"order": "up"}, "order"),
        ({"include": ["secrets"]}, "include[0]"),
        ({"start_time": "yesterday"}, "start_time"),
        ({"start_time": datetime(2026, 1, 1)}, "start_time"),  # noqa: DTZ001
        ({"start_time": 2, "end_time": 1}, "body"),
        ({"cursor": "rubbish"}, "cursor"),
    ],
)
def test_a_bad_question_is_refused_by_field(entities, fields, field):
    with pytest.raises(InvalidRequestError) as caught:
        entities.get_history("e1", **fields)
    assert caught.value.details[0].field == field


def test_entities_are_listed_by_keyword_and_record(entities):
    page = entities.list_entities(limit=2, sort="last_seen", order="desc")
    assert page == entities.summaries(EntitiesRequest(limit=2, sort="last_seen", order="desc"))
    assert [(one.entity_id, one.points) for one in page.items] == [("e4", 4), ("e3", 4)]
    rest = entities.list_entities(sort="last_seen", order="desc", cursor=page.next_cursor)
    assert [one.entity_id for one in rest.items] == ["e2", "e1", "e0"]
    entities.set_entity_attributes("e1", {"flag": "NL"})
    [found] = entities.list_entities(filter={"flag": "NL"}).items
    assert (found.entity_id, found.entity_type, found.attributes) == ("e1", "ship", {"flag": "NL"})
    assert entities.list_entities(filter={"flag": "NL"}, as_of=20).items == []
    for wrong, field in (
        ({"sort": "size"}, "sort"),
        ({"prefix": ""}, "prefix"),
        ({"filter": {"$attributes": {}}}, None),
        ({"filter": {"$attributes": {"a": 1}}}, "filter"),
        ({"filter": {"a": {"$no": 1}}}, "filter.a.$no"),
        ({"cursor": page.next_cursor}, "cursor"),
    ):
        if field is None:
            assert len(entities.list_entities(**wrong).items) == 5
            continue
        with pytest.raises(InvalidRequestError) as caught:
            entities.list_entities(**wrong)
        assert caught.value.details[0].field == field


def test_a_history_is_thinned_out(entities):
    found = entities.get_history("e1", every="10s")
    assert [point.seq for point in found.items] == [7, 17]
    for wrong in ("10", "0s", 10, "36526d"):
        with pytest.raises(InvalidRequestError) as caught:
            entities.get_history("e1", every=wrong)
        assert caught.value.details[0].field == "every"
