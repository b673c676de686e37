"""Deadlines, by a clock that stands still."""

from __future__ import annotations

import itertools

import pytest

from tsvec.model.bounds.deadline import NEVER, Deadline
from tsvec.model.errors import DeadlineExceededError


def test_it_is_past_once_its_time_has_come():
    now = 5_000_000
    deadline = Deadline.after(1.5, lambda: now)
    now += 1_499_999
    deadline.check()
    assert deadline.left_seconds == pytest.approx(1e-6)
    now += 1
    with pytest.raises(DeadlineExceededError, match=r"within the 1\.5 s") as caught:
        deadline.check()
    assert (caught.value.status, caught.value.code) == (503, "deadline_exceeded")
    assert caught.value.retryable


def test_items_are_given_until_then():
    ticks = itertools.count()
    given = Deadline.after(4e-6, lambda: next(ticks)).each("abcdef")
    assert [next(given) for _ in range(3)] == ["a", "b", "c"]
    with pytest.raises(DeadlineExceededError):
        next(given)


def test_never_is_never():
    NEVER.check()
    assert list(NEVER.each("ab")) == ["a", "b"]
    assert NEVER.left_seconds > 1e9
