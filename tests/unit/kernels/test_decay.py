"""Weights and scores: bit for bit the same wherever a row stands, and never above their bound."""

from __future__ import annotations

import numpy as np
import pytest

from tsvec.kernels.decay import Decay, closeness_at_cost, closeness_of

HOUR = 3_600_000_000


def test_a_weight_is_halved_with_every_half_life():
    decay = Decay(10 * HOUR, HOUR)
    times = np.array([10, 9, 8, 0, 11, 10**6]) * HOUR
    assert decay.weights(times).tolist() == [1.0, 0.5, 0.25, 2.0**-10, 1.0, 1.0]
    assert decay.weights(np.array([-2_000 * HOUR])).tolist() == [0.0]


def test_a_weight_depends_on_its_row_alone():
    rng = np.random.default_rng(0)
    times = rng.integers(-(10**15), 10**15, 999)
    decay = Decay(10**15, 17 * HOUR)
    whole = decay.weights(times)
    for begin in range(0, 990, 7):
        for count in (1, 2, 3, 8, 9):
            part = slice(begin, begin + count)
            assert (decay.weights(times[part]) == whole[part]).all()
    assert (decay.weights(times[::3]) == whole[::3]).all()


@pytest.mark.parametrize("half_life", [1, 999_983, HOUR, 10**15])
def test_no_older_weight_exceeds_the_bound(half_life):
    rng = np.random.default_rng(half_life)
    decay = Decay(10**15, half_life)
    ages = np.concatenate([rng.integers(0, 1_200 * half_life, 500), [0, half_life, -5]])
    times = np.sort(decay.at - ages)
    weights = decay.weights(times)
    bounds = [decay.bound(time) for time in times.tolist()]
    assert (np.maximum.accumulate(weights) <= bounds).all()
    assert decay.bound(decay.at - 1_101 * half_life) == 0.0


def test_closeness_of_distances():
    away = np.array([0.0, 1.0, 2.0])
    assert closeness_of("cosine", away).tolist() == [1.0, 0.5, 0.0]
    assert closeness_of("l2", away).tolist() == [1.0, 0.5, 1 / 3]
    with pytest.raises(ValueError, match="dot"):
        closeness_of("dot", away)


def test_closeness_at_costs_stays_between_0_and_1():
    assert closeness_at_cost("cosine", np.array([-1.1, -1.0, 0.0, 1.0, 1.1])).tolist() == [
        1.0,
        1.0,
        0.5,
        0.0,
        0.0,
    ]
    assert closeness_at_cost("l2", np.array([-1.0, 0.0, 1.0, 9.0])).tolist() == [
        1.0,
        1.0,
        0.5,
        0.25,
    ]
