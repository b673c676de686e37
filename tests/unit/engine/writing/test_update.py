"""Metadata of a point changes in a new version; all else of it stays."""

from __future__ import annotations

import math

import pytest

from tests.unit.engine.rig import SECOND
from tests.unit.engine.workshop import check_counts, everything, kept, shown, values
from tsvec.model.errors import InvalidRequestError, NotFoundError
from tsvec.model.limits import LIMITS
from tsvec.model.lists.requests import PointRequest
from tsvec.model.times import time_to_datetime
from tsvec.query.lists.point import describe_point


@pytest.fixture(params=["hot", "sealed"])
def shop(request, workshop):
    made = workshop()
    made.put(("a", 1, 1, None, "ship"), ("a", 1, 2, "k"), ("b", 1, 3))
    if request.param == "sealed":
        made.seal()
    return made


def metadata(shop, seq=None, **named):
    request = PointRequest(entity_id="a", timestamp=SECOND, **named)
    return describe_point(shop.read(seq), request).metadata


def test_an_update_is_a_new_version_with_the_same_vector(shop):
    shop.clock.now += SECOND
    reply = shop.update("a", 1, {"n": 1, "o": {"p": [1, None], "q": 2}})
    assert (reply.changed, reply.seq, reply.durable) == (True, 4, True)
    assert reply.recorded_at == reply.point.recorded_at == time_to_datetime(shop.clock.now)
    assert (reply.point.seq, reply.point.entity_type, reply.point.key) == (4, "ship", None)
    assert reply.point == describe_point(shop.read(), PointRequest(entity_id="a", timestamp=SECOND))
    second = shop.update("a", 1, {"n": None, "o": {"q": None}})
    assert second.point.metadata == {"o": {"p": [1, None]}}
    assert [metadata(shop, seq) for seq in (3, 4, 5)] == [
        {},
        {"n": 1, "o": {"p": [1, None], "q": 2}},
        {"o": {"p": [1, None]}},
    ]
    assert values(shop.read())["a", 1.0, None] == 1.0
    assert len(shown(shop.read())) == 3
    assert [row[0] for row in kept(shop.read())] == [1, 2, 3, 4, 5]
    check_counts(shop.store)


def test_the_key_says_which_of_several(shop):
    assert shop.update("a", 1, {"n": 1}, "k").point.key == "k"
    assert (metadata(shop), metadata(shop, key="k")) == ({}, {"n": 1})


def test_what_changes_nothing_takes_no_seq(shop):
    shop.update("a", 1, {"n": 1, "m": 2})
    before = everything(shop.store)
    for patch in ({}, {"n": 1}, {"x": None}, {"m": 2, "n": 1}):
        reply = shop.update("a", 1, patch)
        assert (reply.changed, reply.seq, reply.point.seq) == (False, 4, 4)
        assert reply.point.metadata == {"n": 1, "m": 2}
    assert everything(shop.store) == before
    assert shop.update("a", 1, {"n": 1.0}).changed, "1.0 is other JSON than 1"


def test_a_point_that_is_not_there(shop):
    for entity, second, key in (("nobody", 1, None), ("a", 2, None), ("a", 1, "x"), ("b", 1, "k")):
        with pytest.raises(NotFoundError, match="has no point"):
            shop.update(entity, second, {"n": 1}, key)
    shop.delete(entity_ids=["a"])
    with pytest.raises(NotFoundError):
        shop.update("a", 1, {"n": 1})
    shop.restore(entity_ids=["a"])
    assert shop.update("a", 1, {"n": 1}).point.entity_type == "ship"


@pytest.mark.parametrize(
    "patch",
    [
        {"n": math.nan},
        {"n": 2**64},
        {"n": "\ud800"},
        {"n": object()},
        {"n": "x" * LIMITS.metadata_bytes_max},
    ],
)
def test_what_cannot_be_stored_is_refused(shop, patch):
    with pytest.raises(InvalidRequestError) as caught:
        shop.update("a", 1, patch)
    assert caught.value.details[0].field == "metadata"
    assert shop.store.windows.seq == 3


def test_an_update_sees_what_came_before_it_in_a_group(shop):
    one, two, replaced, three = shop.group(
        shop.updating("a", 1, {"n": 1}),
        shop.updating("a", 1, {"m": 2}),
        shop.ingesting(("a", 1, 9)),
        shop.updating("a", 1, {"o": 3}),
    )
    assert [one.point.metadata, two.point.metadata] == [{"n": 1}, {"n": 1, "m": 2}]
    assert (replaced.replaced, three.point.metadata, three.seq) == (1, {"o": 3}, 7)
    assert values(shop.read())["a", 1.0, None] == 9.0


def test_updates_survive_a_restart_and_sealing(shop):
    shop.update("a", 1, {"n": 1})
    shop.update("a", 1, {"m": 2}, "k")
    before = everything(shop.store)
    shop.restart()
    assert everything(shop.store) == before
    shop.seal()
    shop.compact()
    shop.restart()
    assert [metadata(shop), metadata(shop, key="k"), metadata(shop, 3)] == [{"n": 1}, {"m": 2}, {}]
    check_counts(shop.store)
