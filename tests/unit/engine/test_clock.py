"""The machine's time and chance, and the time by which points expire."""

from __future__ import annotations

import time
import uuid

from tests.unit.engine.rig import NOON, SECOND, ManualClock
from tsvec.engine.clock import ExpiryClock, SystemClock

HOUR = 3_600 * SECOND


def test_tells_the_machines_time_in_microseconds():
    before = time.time_ns() // 1_000
    assert before <= SystemClock().now_us() <= time.time_ns() // 1_000


def test_elapsed_time_goes_on_in_microseconds():
    clock = SystemClock()
    first, begun = clock.elapsed_us(), time.monotonic_ns()
    while time.monotonic_ns() < begun + 2_000_000:
        pass
    assert clock.elapsed_us() >= first + 2_000


def test_histories_are_positive_and_distinct():
    histories = {SystemClock().new_history() for _ in range(1_000)}
    assert len(histories) == 1_000
    assert all(0 < history < 2**63 for history in histories)


def test_directories_are_distinct_and_safe_names():
    names = {SystemClock().new_directory() for _ in range(1_000)}
    assert len(names) == 1_000
    assert all(str(uuid.UUID(name)) == name for name in names)


def test_points_expire_by_the_wall_clock_as_long_as_it_is_believed():
    clock = ManualClock()
    expiry = ExpiryClock(clock)
    for by in (1, SECOND, 400 * 24 * HOUR):
        clock.now += by
        assert expiry.now_us() == clock.now
    clock.leap(HOUR)
    assert (expiry.now_us(), expiry.has_leapt) == (clock.now, False)


def test_a_leap_of_more_than_an_hour_is_not_believed():
    clock = ManualClock()
    expiry = ExpiryClock(clock)
    clock.leap(HOUR + 1)
    assert (expiry.now_us(), expiry.has_leapt) == (NOON, True)
    clock.now += 5 * SECOND
    assert (expiry.now_us(), expiry.has_leapt) == (NOON + 5 * SECOND, True)
    clock.leap(-HOUR - 1)
    assert (expiry.now_us(), expiry.has_leapt) == (NOON + 5 * SECOND, False)


def test_small_leaps_do_not_add_up_to_a_large_one():
    clock = ManualClock()
    expiry = ExpiryClock(clock)
    seen = []
    for _ in range(100):
        clock.leap(HOUR // 2)
        seen.append(expiry.now_us())
    assert max(seen) == NOON + HOUR
    assert expiry.has_leapt


def test_it_never_runs_back():
    clock = ManualClock()
    expiry = ExpiryClock(clock)
    clock.leap(-24 * HOUR)
    assert expiry.now_us() == NOON
    clock.now += HOUR
    assert expiry.now_us() == NOON
    clock.now += 24 * HOUR
    assert expiry.now_us() == NOON + HOUR


def test_opened_again_it_believes_what_the_wall_clock_says():
    clock = ManualClock()
    ExpiryClock(clock)
    clock.leap(1_000 * HOUR)
    again = ExpiryClock(clock)
    assert (again.now_us(), again.has_leapt) == (clock.now, False)
