"""The system clock: the machine's time, and names that never come twice."""

from __future__ import annotations

import time
import uuid

from tsvec.engine.clock import SystemClock


def test_tells_the_machines_time_in_microseconds():
    before = time.time_ns() // 1_000
    assert before <= SystemClock().now_us() <= time.time_ns() // 1_000


def test_histories_are_positive_and_distinct():
    histories = {SystemClock().new_history() for _ in range(1_000)}
    assert len(histories) == 1_000
    assert all(0 < history < 2**63 for history in histories)


def test_directories_are_distinct_and_safe_names():
    names = {SystemClock().new_directory() for _ in range(1_000)}
    assert len(names) == 1_000
    assert all(str(uuid.UUID(name)) == name for name in names)
