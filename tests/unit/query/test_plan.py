"""The planner is a pure function: extents in, steps and their cost out."""

from __future__ import annotations

import pytest

from tsvec.query.plan import (
    PartExtent,
    choose_method,
    exact_cost_us,
    filter_cost_us,
    plan_knn,
)


def test_no_parts_make_an_empty_plan():
    plan = plan_knn([], 128)
    assert plan.steps == ()
    assert plan.cost_us == 0


def test_parts_outside_the_range_are_pruned_the_others_scanned_in_order():
    extents = [PartExtent("a", 100, 0), PartExtent("b", 100, 1), PartExtent("hot-7", 9, 9)]
    plan = plan_knn(extents, 16)
    assert [(step.part, step.method, step.rows) for step in plan.steps] == [
        ("a", "pruned", 100),
        ("b", "exact", 100),
        ("hot-7", "exact", 9),
    ]
    assert plan.steps[0].cost_us == 0
    assert plan.cost_us == sum(step.cost_us for step in plan.steps)
    assert plan_knn(extents, 16) == plan


@pytest.mark.parametrize("dim", [1, 128, 4_096])
def test_cost_grows_with_rows_and_dim(dim):
    costs = [exact_cost_us(rows, dim) for rows in (0, 1, 1_000, 1_000_000)]
    assert costs[0] == 0
    assert costs == sorted(set(costs))
    assert exact_cost_us(1_000, 2 * dim) > costs[2]


def test_a_million_rows_take_milliseconds_not_microseconds():
    _, cost = choose_method(PartExtent("p", 1_000_000, 1_000_000), 128)
    assert 2_000 < cost < 200_000


def test_a_filter_that_must_be_evaluated_costs_before_the_scan():
    extents = [PartExtent("a", 100, 100)]
    plain, filtered = plan_knn(extents, 16), plan_knn(extents, 16, documents=1_000)
    assert plain.filter_us == 0
    assert filtered.steps == plain.steps
    assert filtered.cost_us - plain.cost_us == pytest.approx(filter_cost_us(1_000))
    costs = [filter_cost_us(documents) for documents in (0, 1, 10_000, 1_000_000)]
    assert costs == sorted(set(costs))
    assert costs[1] >= 2_000, "asking DuckDB at all is too much for an event loop"
    assert 100_000 < costs[3] < 1_000_000
