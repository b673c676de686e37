"""Answers about points and entities as JSON."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson

from tsvec.model.lists.replies import EntityList, EntitySummary, PointList, UpdateReply
from tsvec.model.replies import Point

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def point(**fields):
    return Point(
        entity_id="a", entity_type="ship", timestamp=NOON, recorded_at=NOON, seq=1, **fields
    )


def test_pages_keep_their_null_cursor_and_points_are_bare():
    page = PointList(items=[point()], next_cursor=None, as_of_seq=1)
    found = orjson.loads(page.model_dump_json())
    assert found["next_cursor"] is None
    assert set(found["items"][0]) == {"entity_id", "entity_type", "timestamp", "recorded_at", "seq"}
    assert PointList.model_validate_json(page.model_dump_json()) == page


def test_an_update_carries_the_point():
    reply = UpdateReply(
        point=point(metadata={"n": 1}), changed=True, seq=1, recorded_at=NOON, durable=True
    )
    found = orjson.loads(reply.model_dump_json())
    assert found["point"]["metadata"] == {"n": 1}
    assert UpdateReply.model_validate_json(reply.model_dump_json()) == reply


def test_entities_keep_empty_attributes():
    one = EntitySummary(
        entity_id="a",
        entity_type="ship",
        first_seen=NOON,
        last_seen=NOON,
        points=2,
        attributes={},
    )
    page = EntityList(items=[one], next_cursor="c", as_of_seq=9)
    found = orjson.loads(page.model_dump_json())
    assert found["items"][0]["attributes"] == {}
    assert EntityList.model_validate_json(page.model_dump_json()) == page
