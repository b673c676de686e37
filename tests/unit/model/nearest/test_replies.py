"""The shape of what is sent."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson

from tsvec.model.nearest.replies import (
    MovedEntity,
    RankedHit,
    TemporalDiffReply,
    TemporalRangeReply,
)
from tsvec.model.replies import Eligible, Hit

NOW = datetime(2026, 1, 31, tzinfo=UTC)
HIT = Hit(
    entity_id="a",
    entity_type="x",
    timestamp=NOW,
    recorded_at=NOW,
    seq=1,
    distance=0.5,
    similarity=0.5,
)


def test_what_was_not_asked_for_is_left_out():
    counted = Eligible(value=1, relation="eq")
    within = TemporalRangeReply(
        hits=[HIT],
        returned=1,
        matched=counted,
        truncated=False,
        exact=True,
        eligible=counted,
        as_of_seq=1,
    )
    sent = orjson.loads(within.model_dump_json())
    assert "explain" not in sent
    assert sent["hits"][0].keys() & {"score", "key", "vector", "metadata"} == set()
    assert TemporalRangeReply.model_validate_json(within.model_dump_json()) == within


def test_a_diff_comes_back_as_it_was_sent():
    ranked = RankedHit(rank=1, hit=HIT)
    moved = MovedEntity(
        entity_id="a", before=ranked, after=ranked, rank_delta=0, distance_delta=0.0
    )
    diff = TemporalDiffReply(
        entered=[ranked], left=[], moved=[moved], stayed=0, exact=True, as_of_seq=1
    )
    assert TemporalDiffReply.model_validate_json(diff.model_dump_json()) == diff
    assert "explain" not in orjson.loads(diff.model_dump_json())
