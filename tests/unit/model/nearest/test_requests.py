"""Radius, diff and walk: what makes a question right."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pydantic import ValidationError

from tsvec.model.limits import LIMITS
from tsvec.model.nearest.requests import (
    TemporalDiffRequest,
    TemporalKnnWalkRequest,
    TemporalRangeRequest,
)
from tsvec.model.times import AsOf

VECTOR = {"query_vector": [1.0]}
RANGES = {"before": {"end_time": 5}, "after": {"start_time": 5}}


def test_what_is_left_out():
    within = TemporalRangeRequest(**VECTOR, radius=1)
    assert (within.radius, within.limit, within.include) == (1.0, 100, ["metadata"])
    diff = TemporalDiffRequest(**VECTOR, **RANGES)
    assert (diff.k, diff.before.end_time, diff.after.start_time) == (10, 5, 5)
    walk = TemporalKnnWalkRequest(**VECTOR, as_of_each=[3, "2026-01-31T00:00:00Z"])
    assert walk.as_of_each[0] == AsOf(seq=3)
    assert walk.as_of_each[1].time is not None


@pytest.mark.parametrize("radius", [0, 2, -3.5, 1e40, np.float32(0.5), np.float64(2)])
def test_a_radius_is_any_finite_number(radius):
    assert TemporalRangeRequest(**VECTOR, radius=radius).radius == radius


@pytest.mark.parametrize("radius", [None, True, "1", math.nan, math.inf, -math.inf, [1]])
def test_what_is_no_radius(radius):
    with pytest.raises(ValidationError):
        TemporalRangeRequest(**VECTOR, radius=radius)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (TemporalRangeRequest, {**VECTOR}),
        (TemporalRangeRequest, {"radius": 1}),
        (TemporalRangeRequest, {**VECTOR, "radius": 1, "entity_id": "a"}),
        (TemporalRangeRequest, {**VECTOR, "radius": 1, "limit": 0}),
        (TemporalRangeRequest, {**VECTOR, "radius": 1, "limit": LIMITS.k_max + 1}),
        (TemporalRangeRequest, {**VECTOR, "radius": 1, "k": 3}),
        (TemporalRangeRequest, {**VECTOR, "radius": 1, "start_time": 2, "end_time": 1}),
        (TemporalDiffRequest, {**VECTOR, "before": {}}),
        (TemporalDiffRequest, {**VECTOR, **RANGES, "start_time": 1}),
        (TemporalDiffRequest, {**VECTOR, **RANGES, "distinct": "entity"}),
        (TemporalDiffRequest, {**VECTOR, **RANGES, "k": 0}),
        (TemporalDiffRequest, {**VECTOR, "before": {"start_time": 2, "end_time": 1}, "after": {}}),
        (TemporalKnnWalkRequest, {**VECTOR}),
        (TemporalKnnWalkRequest, {**VECTOR, "as_of_each": []}),
        (TemporalKnnWalkRequest, {**VECTOR, "as_of_each": [-1]}),
        (TemporalKnnWalkRequest, {**VECTOR, "as_of_each": [1], "as_of": 1}),
        (TemporalKnnWalkRequest, {**VECTOR, "as_of_each": [1] * (LIMITS.queries_max + 1)}),
        (TemporalKnnWalkRequest, {**VECTOR, "as_of_each": [1] * 11, "k": 10_000}),
    ],
)
def test_what_is_no_question(kind, fields):
    with pytest.raises(ValidationError):
        kind(**fields)


def test_a_walk_says_how_long_it_may_be():
    with pytest.raises(ValidationError, match="110000 neighbours in all, more than 100000"):
        TemporalKnnWalkRequest(**VECTOR, as_of_each=[1] * 11, k=10_000)
