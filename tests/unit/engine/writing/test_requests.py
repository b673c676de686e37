"""Attributes, configuration and expiry on their way into a group."""

from __future__ import annotations

import math

import pytest

from tests.unit.engine.rig import NOON, SECOND
from tests.unit.engine.workshop import everything
from tsvec.engine.writing.group import GroupBuilder
from tsvec.engine.writing.requests import add_task
from tsvec.engine.writing.tasks import AttributesTask, CloseTask, ConfigureTask, ExpireTask
from tsvec.model.attributes import merge_patch
from tsvec.model.errors import EntityNotFoundError, InvalidRequestError
from tsvec.model.limits import LIMITS


@pytest.fixture
def shop(workshop):
    made = workshop()
    made.put(("a", 1, 1), ("b", 1, 1))
    return made


def merge(shop, entity, patch):
    task = AttributesTask(shop.store, entity, lambda before: merge_patch(before, patch))
    [outcome] = shop.group(task)
    return outcome


def test_attributes_are_set_merged_and_numbered(shop):
    first = shop.set("a", {"x": 1, "y": {"z": [1, None]}})
    assert (first.attributes, first.as_of_seq, first.changed_seq) == (
        {"x": 1, "y": {"z": [1, None]}},
        3,
        3,
    )
    second = merge(shop, "a", {"x": None, "y": {"w": "é"}})
    assert (second.attributes, second.changed_seq) == ({"y": {"z": [1, None], "w": "é"}}, 4)
    third = shop.set("a", {})
    assert (third.attributes, third.changed_seq) == ({}, 5)
    assert shop.store.windows.seq == 5
    values = [shop.store.registry.attributes.at(0, seq) for seq in range(2, 6)]
    assert values[0] is None
    assert [value.value for value in values[1:]] == [
        b'{"x":1,"y":{"z":[1,null]}}',
        '{"y":{"z":[1,null],"w":"é"}}'.encode(),
        b"{}",
    ]


def test_what_stays_the_same_takes_no_seq(shop):
    untouched = shop.set("b", {})
    assert (untouched.changed_seq, untouched.as_of_seq, untouched.attributes) == (None, 2, {})
    shop.set("a", {"x": 1})
    before = everything(shop.store)
    for same in (shop.set("a", {"x": 1}), merge(shop, "a", {}), merge(shop, "a", {"nope": None})):
        assert (same.changed_seq, same.as_of_seq) == (3, 3)
        assert same.attributes == {"x": 1}
    assert everything(shop.store) == before


def test_attributes_need_a_point_to_be_seen(shop):
    for entity in ("nobody", "a"):
        if entity == "a":
            shop.delete(entity_ids=["a"])
        with pytest.raises(EntityNotFoundError, match=f"no entity '{entity}'"):
            shop.set(entity, {"x": 1})
    shop.restore(entity_ids=["a"])
    assert shop.set("a", {"x": 1}).attributes == {"x": 1}


def test_an_entity_of_which_all_has_expired_has_no_attributes(workshop):
    shop = workshop(config={"retention": "1h"})
    shop.put(("a", NOON // SECOND, 1))
    shop.set("a", {"x": 1})
    shop.clock.now += 3 * 3_600 * SECOND
    with pytest.raises(EntityNotFoundError):
        shop.set("a", {"x": 2})


@pytest.mark.parametrize(
    "bad",
    [
        {"x": math.nan},
        {"x": math.inf},
        {"x": object()},
        {"x": {1, 2}},
        {1: "x"},
        {"x": "\ud800"},
        {"x": 2**70},
        {"x": "y" * LIMITS.attributes_bytes_max},
        {"x": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]},
    ],
    ids=["nan", "inf", "object", "set", "number", "surrogate", "huge", "long", "deep"],
)
def test_attributes_that_cannot_be_stored_are_refused_and_harm_nobody(shop, bad):
    outcomes = shop.group(
        shop.setting("a", bad), shop.ingesting(("c", 1, 1)), shop.setting("b", {"x": 1})
    )
    assert isinstance(outcomes[0], InvalidRequestError)
    assert outcomes[0].details[0].field == "attributes"
    assert (outcomes[1].seq, outcomes[2].changed_seq) == (3, 4)


def test_a_merge_that_grows_too_long_is_refused(shop):
    half = "y" * (LIMITS.attributes_bytes_max * 2 // 3)
    assert merge(shop, "a", {"one": half}).changed_seq == 3
    assert isinstance(merge(shop, "a", {"two": half}), InvalidRequestError)
    assert merge(shop, "a", {"one": None, "two": half}).changed_seq == 4


def test_concurrent_merges_see_each_other(shop):
    tasks = [
        AttributesTask(shop.store, "a", lambda before: {"n": before.get("n", 0) + 1})
        for _ in range(5)
    ]
    outcomes = shop.group(*tasks)
    assert [outcome.attributes["n"] for outcome in outcomes] == [1, 2, 3, 4, 5]
    assert [outcome.changed_seq for outcome in outcomes] == [3, 4, 5, 6, 7]


def configuring(shop, **changes):
    return ConfigureTask(shop.store, lambda config: config.model_copy(update=changes))


def test_each_change_of_configuration_builds_on_the_one_before(shop):
    outcomes = shop.group(
        configuring(shop, window_size="2h"),
        configuring(shop, retention="30d"),
        configuring(shop, window_size="2h"),
    )
    assert shop.store.windows.seq == 4, "the third changes nothing"
    told = [(one.window_size, one.retention, one.seq) for one in outcomes]
    assert told == [("2h", None, 3), ("2h", "30d", 4), ("2h", "30d", 4)]
    assert [seq for seq, _ in shop.store.configured] == [3, 4]
    assert shop.configure(retention=None).retention is None


def test_tasks_that_must_see_the_group_wait_for_the_next(shop):
    builder = GroupBuilder(shop.store, NOON)
    assert add_task(builder, shop.ingesting(("c", 1, 1)))
    waiting = [
        shop.deleting(entity_ids=["a"]),
        shop.restoring(entity_ids=["a"]),
        shop.setting("a", {"x": 1}),
        ExpireTask(shop.store, NOON),
    ]
    for task in waiting:
        assert not add_task(builder, task)
        assert not task.future.done()
    assert add_task(builder, configuring(shop, window_size="2h"))
    assert add_task(builder, CloseTask(shop.store))
    assert len(builder.outcomes) == 2


@pytest.mark.parametrize("kind", ["delete", "restore", "expire"])
def test_points_wait_behind_what_ends_or_brings_back_others(workshop, kind):
    shop = workshop(config={"retention": "1h"})
    shop.put(("a", NOON // SECOND, 1))
    shop.delete(entity_ids=["a"])
    shop.put(("b", NOON // SECOND, 1))
    shop.seal()
    first = {
        "delete": shop.deleting(entity_ids=["b"]),
        "restore": shop.restoring(entity_ids=["a"]),
        "expire": ExpireTask(shop.store, 2 * NOON),
    }[kind]
    builder = GroupBuilder(shop.store, NOON + 9)
    assert add_task(builder, first)
    assert not builder.is_empty
    assert not add_task(builder, shop.ingesting(("z", NOON // SECOND, 1)))


def test_a_tick_drops_what_ends_before_the_cutoff_and_nothing_else(shop):
    shop.seal()
    shop.put(("a", 5, 1))
    shop.seal()
    shop.put(("a", 2, 1))
    before = shop.store.windows
    [outcome] = shop.group(ExpireTask(shop.store, SECOND))
    assert outcome is None
    assert shop.store.windows is before, "the first partition ends at the cutoff, not before"
    shop.group(ExpireTask(shop.store, SECOND + 1))
    assert [part.seq_min for part in shop.store.windows.stored()] == [3, 4]
    assert shop.store.windows.seq == 4
    assert shop.store.windows.recorded_at == before.recorded_at + 1
    assert shop.store.ticks == 1
    assert shop.store.registry.count_living() == 1
