"""What an answer says of how it was found."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from tsvec.query.candidates import Candidates, Source
from tsvec.query.nearest.explained import Spent, count_eligible, explain
from tsvec.query.plan import Plan, Step


def found(**fields):
    nothing = np.empty(0, np.int64)
    return Candidates([], nothing, nothing, np.empty(0), nothing, **fields)


def source(name, count):
    return Source(SimpleNamespace(name=name), slice(0, count))


def test_parts_are_pruned_decayed_or_scanned():
    plan = Plan(
        (
            Step("old", "pruned", 9, 0.0),
            Step("faded", "exact", 8, 1.0),
            Step("half", "exact", 7, 1.0),
            Step("new", "exact", 6, 1.0),
            Step("none of them", "exact", 5, 1.0),
        )
    )
    sources = [source("faded", 8), source("half", 4), source("new", 6), source("none of them", 0)]
    told = explain(
        plan, sources, found(measured=3, decayed={"faded": 8, "half": 1}), Spent(1, 20, 300)
    )
    assert [(one.method, one.rows, one.rows_scanned, one.rows_decayed) for one in told.steps] == [
        ("pruned", 9, 0, 0),
        ("decayed", 8, 0, 8),
        ("exact", 7, 3, 1),
        ("exact", 6, 6, 0),
        ("exact", 5, 0, 0),
    ]
    assert (told.parts_pruned, told.parts_decayed, told.parts_exact) == (1, 1, 3)
    assert (told.rows_scanned, told.rows_decayed, told.rows_rescored) == (9, 9, 3)
    assert (told.planning_us, told.scanning_us, told.reading_us) == (1, 20, 300)
    assert told.microseconds == 321


def test_points_are_counted_exactly_and_entities_at_least():
    sources = [source("a", 3), source("b", 4)]
    assert count_eligible(sources, found(), by_entity=False).model_dump() == {
        "value": 7,
        "relation": "eq",
    }
    assert count_eligible(sources, found(complete=True), by_entity=True).relation == "eq"
    assert count_eligible(sources, found(), by_entity=True).relation == "gte"
