"""Requests taken together come out as they would one by one."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.engine.rig import NOON, SECOND
from tests.unit.engine.workshop import check_counts, everything, points
from tsvec.engine.writing import writer
from tsvec.engine.writing.burst import take_burst
from tsvec.engine.writing.group import GroupBuilder

NOW = NOON // SECOND


def told(outcome):
    if isinstance(outcome, BaseException):
        return type(outcome), str(outcome)
    return outcome.model_dump()


@pytest.fixture
def both(tmp_path, workshop, monkeypatch):
    """What groups of requests do and answer, taken together and one by one, in two shops."""

    def run(*groups, **options):
        found = []
        for place in ("together", "alone"):
            if place == "alone":
                monkeypatch.setattr(writer, "take_burst", lambda *_: 0)
            shop = workshop(place=place, **options)
            outcomes = []
            for group in groups:
                tasks = [shop.ingesting(*rows) for rows in group]
                outcomes += [told(outcome) for outcome in shop.group(*tasks)]
                shop.clock.now += SECOND
            found.append((outcomes, everything(shop.store)))
            check_counts(shop.store)
            assert everything(shop.restart()) == found[-1][1]
        return found

    return run


def rows_of(rng):
    kind = (None, None, None, "ship", "plane")
    return [
        (
            f"e{rng.integers(6)}",
            None if rng.integers(8) == 0 else int(rng.integers(40)),
            int(rng.integers(3)),
            (None, "k")[rng.integers(2)],
            kind[rng.integers(5)],
        )
        for _ in range(rng.integers(1, 4))
    ]


@pytest.mark.parametrize("seed", range(8))
def test_any_requests_come_out_the_same(both, seed):
    rng = np.random.default_rng(seed)
    groups = [[rows_of(rng) for _ in range(rng.integers(1, 6))] for _ in range(6)]
    together, alone = both(*groups, config={"allowed_lateness": "5s"})
    for one, other in zip(together[0], alone[0], strict=True):
        if isinstance(one, dict):
            one.pop("recorded_at"), other.pop("recorded_at")
        assert one == other
    for same in ("seq", "shown", "entities", "past_types", "high"):
        if not any(row[1] is None for group in groups for rows in group for row in rows):
            assert together[1][same] == alone[1][same]


def test_a_type_that_comes_with_a_later_request_is_in_force_from_there(both):
    together, alone = both([[("a", 1, 1)], [("a", 2, 1, None, "ship")], [("b", 1, 1)]])
    assert together[1] == alone[1]
    assert together[1]["past_types"] == [
        {"number": 0, "until_seq": 2, "entity_type": "GENERIC"},
    ]


def test_lateness_is_judged_request_by_request(both):
    rows = [("a", 100, 1)], [("b", 89, 1)], [("c", 200, 1)], [("d", 150, 1), ("e", 300, 1)]
    together, alone = both(list(rows), config={"allowed_lateness": "10s"})
    assert [one["late"] for one in together[0]] == [0, 1, 0, 1]
    assert together == alone


def test_points_of_the_future_do_not_make_others_late(both):
    rows = [("a", NOW + 3_600, 1)], [("b", NOW - 5, 1)], [("c", NOW - 20, 1)]
    together, alone = both(list(rows), config={"allowed_lateness": "10s"})
    assert [one["late"] for one in together[0]] == [0, 0, 1]
    assert together == alone


def takes(shop, *rows, before=()):
    builder = GroupBuilder(shop.store, NOON)
    for some in before:
        assert builder.ingest(shop.ingesting(*some))
    return take_burst(builder, [shop.ingesting(*some) for some in rows])


def test_only_what_is_new_and_small_is_taken_together(workshop):
    shop = workshop()
    shop.put(("a", 10, 1), ("s", 10, 1, None, "ship"))
    assert takes(shop, [("a", 11, 1)], [("b", 1, 1)], [("a", 12, 1)]) == 3
    assert takes(shop, [("a", 11, 1)]) == 0, "one alone is no burst"
    assert takes(shop, [("a", 10, 2)], [("b", 1, 1)]) == 0, "it may be there"
    assert takes(shop, [("a", 9, 2)], [("b", 1, 1)]) == 0
    assert takes(shop, [("b", 1, 1)], [("b", 1, 2)]) == 0, "they touch"
    assert takes(shop, [("s", 11, 1, None, "plane")], [("b", 1, 1)]) == 0
    assert takes(shop, [("a", 11, 1, None, "ship")], [("b", 1, 1)]) == 0
    assert takes(shop, [("b", 1, 1)], [("c", 1, 1)], before=[[("b", 1, 5)]]) == 0
    large = [("x", second, 1) for second in range(17)]
    assert takes(shop, [("b", 1, 1)], [("c", 1, 1)], large, [("d", 1, 1)]) == 2
    builder = GroupBuilder(shop.store, NOON)
    deleting = shop.deleting(entity_ids=["a"])
    tasks = [shop.ingesting(("b", 1, 1)), shop.ingesting(("c", 1, 1)), deleting]
    assert take_burst(builder, tasks) == 2
    assert take_burst(builder, [deleting, *tasks]) == 0


def test_nothing_joins_a_group_that_is_closed(workshop):
    shop = workshop()
    shop.put(("a", 1, 1))
    tasks = [
        shop.deleting(entity_ids=["a"]),
        shop.ingesting(("a", 1, 1)),
        shop.ingesting(("b", 1, 1)),
    ]
    outcomes = shop.group(*tasks)
    assert [outcomes[0].deleted, outcomes[1].ingested, outcomes[2].ingested] == [1, 1, 1]
    check_counts(shop.store)


def test_thousands_of_requests_are_taken_in_portions(workshop):
    shop = workshop()
    outcomes = shop.group(*(shop.ingesting_batch(points(("a", n, n))) for n in range(6_000)))
    assert [one.seq for one in outcomes] == list(range(1, 6_001))
    check_counts(shop.store)
