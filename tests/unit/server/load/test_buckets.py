"""Token buckets against a model that remembers all that was taken, with exact arithmetic."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsvec.server.load.buckets import Rate, TokenBuckets

SECOND = 1_000_000
PAUSES = st.integers(0, 192).map(lambda count: count * SECOND // 64)
"""Parts of a second that floats hold exactly: there is exactly enough for both or for neither."""
STEPS = st.lists(st.tuples(PAUSES, st.sampled_from("ab"), st.integers(1, 12)), max_size=60)


class Clock:
    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


class Model:
    """One bucket: what is in it is worked out anew from all that ever happened."""

    def __init__(self, per_second: int, burst: int) -> None:
        self.per_second, self.burst = per_second, burst
        self.taken: list[tuple[int, int]] = []

    def tokens(self, now: int) -> Fraction:
        level, at = Fraction(self.burst), 0
        for when, amount in [*self.taken, (now, 0)]:
            grown = level + Fraction((when - at) * self.per_second, SECOND)
            level, at = min(Fraction(self.burst), grown) - amount, when
        return level

    def take(self, now: int, amount: int) -> Fraction:
        lacking = min(amount, self.burst) - self.tokens(now)
        if lacking > 0:
            return lacking / self.per_second
        self.taken.append((now, amount))
        return Fraction(0)


@given(st.integers(1, 5), st.integers(1, 8), STEPS)
def test_they_do_what_the_model_does(per_second, burst, steps):
    clock = Clock()
    buckets = TokenBuckets(Rate(per_second, burst), clock)
    models = {key: Model(per_second, burst) for key in "ab"}
    for pause, key, amount in steps:
        clock.now += pause
        expected = models[key].take(clock.now, amount)
        assert buckets.take(key, amount) == pytest.approx(float(expected), abs=1e-9)


def test_waiting_as_long_as_told_is_enough():
    clock = Clock()
    buckets = TokenBuckets(Rate(3, 2), clock)
    assert [buckets.take("a"), buckets.take("a")] == [0, 0]
    seconds = buckets.take("a")
    assert seconds == pytest.approx(1 / 3)
    clock.now += int(seconds * SECOND)
    assert buckets.take("a") > 0
    clock.now += 1
    assert buckets.take("a") == 0


def test_what_is_larger_than_a_bucket_leaves_a_debt():
    clock = Clock()
    buckets = TokenBuckets(Rate(10, 10), clock)
    assert buckets.take("a", 35) == 0
    assert buckets.take("a", 1) == pytest.approx(2.6)
    clock.now += int(2.6 * SECOND)
    assert buckets.take("a", 1) == 0


def test_there_are_so_many_buckets_and_no_more():
    clock = Clock()
    buckets = TokenBuckets(Rate(1, 1), clock, keys_max=3)
    for key in range(10):
        assert buckets.take(key) == 0
    assert len(buckets) == 3
    assert buckets.take(9) > 0
    assert buckets.take(0) == 0, "forgotten, so full"


def test_refusals_do_not_make_buckets_live_longer():
    clock = Clock()
    buckets = TokenBuckets(Rate(1, 1), clock, keys_max=2)
    buckets.take("a")
    buckets.take("b")
    buckets.take("a")
    buckets.take("c")
    assert buckets.take("b") > 0
    assert buckets.take("a") == 0
