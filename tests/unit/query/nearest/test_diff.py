"""temporal_diff over a window set: who entered, left, moved, stayed."""

from __future__ import annotations

import pytest

from tests.contract.parts import Sample
from tsvec.model.errors import EntityNotFoundError
from tsvec.model.nearest.requests import TemporalDiffRequest
from tsvec.query.nearest.diff import answer_diff

RANGES = {"before": {"end_time": 10}, "after": {"start_time": 10}}


@pytest.fixture
def windows(shelf):
    """Where each of five was before and after the instant 10, some of it sealed."""
    holding = shelf(metric="l2", dim=1)
    before = {"stays": 1, "moves": 2, "leaves": 3, "comes": 90, "far": 99}
    after = {"stays": 1, "moves": 4, "leaves": 80, "comes": 3, "far": 98}
    holding.commit([Sample(name, 1, (float(at),)) for name, at in before.items()])
    holding.seal_all()
    holding.commit([Sample(name, 11, (float(at),)) for name, at in after.items()])
    return holding.windows


def ask(windows, **fields):
    return answer_diff(windows, TemporalDiffRequest(**(RANGES | {"k": 3} | fields)))


def test_each_is_one_of_four(windows):
    reply = ask(windows, query_vector=[0])
    assert [(one.rank, one.hit.entity_id, one.hit.distance) for one in reply.entered] == [
        (2, "comes", 3.0)
    ]
    assert [(one.rank, one.hit.entity_id) for one in reply.left] == [(3, "leaves")]
    [moved] = reply.moved
    assert (moved.entity_id, moved.before.rank, moved.after.rank) == ("moves", 2, 3)
    assert (moved.rank_delta, moved.distance_delta) == (1, 2.0)
    assert (reply.stayed, reply.exact, reply.as_of_seq) == (1, True, 10)
    assert reply.explain is None


def test_the_same_range_twice_changes_nothing(windows):
    reply = ask(windows, query_vector=[0], before={}, after={})
    assert (reply.entered, reply.left, reply.moved, reply.stayed) == ([], [], [], 3)


def test_an_empty_range(windows):
    reply = ask(windows, query_vector=[0], before={"end_time": 0})
    assert [one.hit.entity_id for one in reply.entered] == ["stays", "comes", "moves"]
    assert (reply.left, reply.moved, reply.stayed) == ([], [], 0)


def test_an_entity_is_no_neighbour_of_its_own(windows):
    reply = ask(windows, entity_id="stays")
    names = {one.hit.entity_id for one in (*reply.entered, *reply.left)}
    assert "stays" not in names | {one.entity_id for one in reply.moved}
    with pytest.raises(EntityNotFoundError):
        ask(windows, entity_id="ghost")


def test_both_plans_are_told(windows):
    explain = ask(windows, query_vector=[0], explain=True).explain
    assert [(one.parts_pruned, one.parts_exact) for one in (explain.before, explain.after)] == [
        (1, 1),
        (1, 1),
    ]
