"""temporal_range over a window set."""

from __future__ import annotations

import pytest

from tests.contract.parts import Sample
from tsvec.model.errors import InvalidRequestError
from tsvec.model.nearest.requests import TemporalRangeRequest
from tsvec.query.nearest.within import answer_range


@pytest.fixture
def windows(shelf):
    """Points on a line, a second apart, half of them sealed."""
    holding = shelf(metric="l2", dim=1)
    for begin in (0, 10):
        holding.commit(
            [
                Sample("ab"[row % 2], row * 1_000_000, (float(row),))
                for row in range(begin, begin + 10)
            ]
        )
        if not begin:
            holding.seal_all()
    return holding.windows


def ask(windows, **fields):
    return answer_range(windows, TemporalRangeRequest(**fields))


def test_all_within_are_counted_and_the_nearest_returned(windows):
    reply = ask(windows, query_vector=[9.2], radius=3, limit=4)
    assert [hit.vector for hit in reply.hits] == [None] * 4
    assert [round(hit.timestamp.timestamp()) for hit in reply.hits] == [9, 10, 8, 11]
    assert (reply.matched.value, reply.truncated, reply.returned) == (6, True, 4)
    assert (reply.eligible.value, reply.exact, reply.as_of_seq) == (20, True, 20)


def test_ranges_entities_and_explain(windows):
    fields = {"start_time": 10_000_000, "entity_ids": ["a"], "explain": True}
    reply = ask(windows, query_vector=[9.2], radius=3, **fields)
    assert [round(hit.timestamp.timestamp()) for hit in reply.hits] == [10, 12]
    assert (reply.truncated, reply.eligible.value) == (False, 5)
    assert (reply.explain.parts_pruned, reply.explain.parts_exact) == (1, 1)
    assert reply.explain.rows_scanned == 5


def test_an_entity_is_compared_and_left_out(windows):
    reply = ask(windows, entity_id="a", at=8_000_000, radius=1)
    assert [(hit.entity_id, hit.distance) for hit in reply.hits] == [("b", 1.0), ("b", 1.0)]


@pytest.mark.parametrize(
    ("metric", "radius", "problem"),
    [
        ("l2", -0.1, "is not negative"),
        ("cosine", -1, "is not negative"),
        ("cosine", 2.1, "at most 2"),
    ],
)
def test_a_radius_that_is_no_distance(shelf, metric, radius, problem):
    with pytest.raises(InvalidRequestError, match=problem) as caught:
        ask(shelf(metric=metric, dim=1).windows, query_vector=[1], radius=radius)
    assert caught.value.details[0].field == "radius"


def test_a_dot_product_may_be_anything(shelf):
    holding = shelf(metric="dot", dim=1)
    holding.commit([Sample("a", 1, (3.0,)), Sample("b", 1, (-3.0,))])
    assert ask(holding.windows, query_vector=[1], radius=-3).matched.value == 1
    assert ask(holding.windows, query_vector=[1], radius=3).matched.value == 2
