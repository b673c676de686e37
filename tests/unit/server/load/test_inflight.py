"""The memory that bodies take."""

from __future__ import annotations

import pytest

from tsvec.model.errors import UnavailableError
from tsvec.server.load.inflight import InflightBytes


def test_shares_add_up_and_are_given_back():
    budget = InflightBytes(100)
    one, other = budget.open(), budget.open()
    one.hold(60)
    one.hold(50)
    other.hold(40)
    assert budget.held == 100
    one.release()
    one.release()
    assert budget.held == 40
    other.hold(100)
    assert budget.held == 100


def test_what_is_too_much_is_refused_and_changes_nothing():
    budget = InflightBytes(100)
    one, other = budget.open(), budget.open()
    one.hold(60)
    other.hold(10)
    with pytest.raises(UnavailableError, match=r"take 60 of the 100 bytes .*inflight_bytes_max"):
        other.hold(41)
    assert budget.held == 70
    other.hold(40)
    assert budget.held == 100
