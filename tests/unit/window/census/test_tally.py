"""Counts by entity, and what is remembered of them."""

from __future__ import annotations

import numpy as np

from tests.contract.parts import Holding, Sample
from tsvec.model.times import TIME_MAX_US, TIME_MIN_US
from tsvec.window.census.tally import Tally, TallyCache

VECTOR = (1.0, 0.0)


def test_points_are_counted_by_entity(tmp_path):
    holding = Holding(tmp_path, dim=2, metric="l2")
    holding.commit([Sample("a", 5, VECTOR), Sample("b", 3, VECTOR), Sample("a", -2, VECTOR)])
    tally = Tally.empty(3)
    for part in (*holding.hot.slices(), holding.seal(holding.hot.slices())):
        tally.add(part)
    assert tally.points.tolist() == [4, 2, 0]
    assert tally.first.tolist() == [-2, 3, TIME_MAX_US]
    assert tally.last.tolist() == [5, 3, TIME_MIN_US]


def test_a_wider_one_is_a_copy():
    tally = Tally.empty(1)
    tally.points[0], tally.first[0], tally.last[0] = 1, 2, 3
    wide = tally.widened(2)
    wide.points[:] += 7
    assert (tally.points.tolist(), wide.points.tolist()) == ([1], [8, 7])
    assert (wide.first.tolist(), wide.last.tolist()) == ([2, TIME_MAX_US], [3, TIME_MIN_US])


def test_the_moments_asked_about_last_are_remembered():
    cache = TallyCache()
    values = [np.array([n]) for n in range(5)]
    for moment in range(3):
        cache.remember((moment,), values[moment])
    assert cache.recall((0,)) is values[0]
    cache.remember((3,), values[3])
    assert cache.recall((1,)) is None
    assert [cache.recall((moment,)) is values[moment] for moment in (0, 2, 3)] == [True] * 3
    assert (cache.whole.names, len(cache.whole.tally.points)) == (frozenset(), 0)
