"""Answers leave out what was not asked for, and keep what may be null."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from tsvec.model.replies import HistoryReply, Point

MOMENT = datetime(2020, 1, 1, tzinfo=UTC)


def point(**fields) -> Point:
    fixed = {"entity_id": "a", "entity_type": "t", "timestamp": MOMENT, "recorded_at": MOMENT}
    return Point(**fixed, seq=1, **fields)


def test_a_page_keeps_its_null_cursor_and_its_points_are_bare():
    page = HistoryReply(items=[point()], next_cursor=None, as_of_seq=1)
    found = page.model_dump(mode="json")
    assert found["next_cursor"] is None
    assert set(found["items"][0]) == {
        "entity_id",
        "entity_type",
        "timestamp",
        "recorded_at",
        "seq",
    }


def test_what_was_asked_for_is_there_even_if_empty():
    found = point(metadata={}, key="k", vector=np.array([0.5], np.float32)).model_dump_json()
    assert '"metadata":{}' in found
    assert '"key":"k"' in found
    assert '"vector":[0.5]' in found
    assert '"timestamp":"2020-01-01T00:00:00Z"' in found
