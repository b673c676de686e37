"""Rates of callers."""

from __future__ import annotations

import pytest

from tsvec.model.access.caller import Caller
from tsvec.model.errors import RateLimitedError
from tsvec.model.settings import Settings
from tsvec.server.load.rates import CallerRates, caller_of


def test_each_caller_has_its_own_rate():
    rates = CallerRates(Settings(rate_requests_per_second=2), lambda: 0)
    for caller in ("a", "b"):
        rates.count_request(caller)
        rates.count_request(caller)
        with pytest.raises(RateLimitedError, match="rate_requests_per_second") as caught:
            rates.count_request(caller)
        assert caught.value.retry_after == 1


def test_seconds_are_rounded_up():
    rates = CallerRates(Settings(rate_rows_per_second=10, rate_rows_burst=100), lambda: 0)
    rates.count_rows("a", 100)
    with pytest.raises(RateLimitedError, match="in 2 s") as caught:
        rates.count_rows("a", 11)
    assert caught.value.retry_after == 2


def test_a_slow_rate_lets_one_through():
    now = 0
    rates = CallerRates(Settings(rate_requests_per_second=0.1), lambda: now)
    rates.count_request("a")
    with pytest.raises(RateLimitedError) as caught:
        rates.count_request("a")
    assert caught.value.retry_after == 10
    now = 10_000_000
    rates.count_request("a")


def test_without_a_rate_all_pass():
    rates = CallerRates(Settings(), lambda: 0)
    for _ in range(10_000):
        rates.count_request("a")
    rates.count_rows("a", 10**9)


def test_who_calls_is_the_key_else_the_address():
    assert caller_of({"caller": Caller(key_id="key_1"), "client": ("::1", 5)}) == "key_1"
    assert caller_of({"caller": Caller(), "client": ("::1", 5)}) == "::1"
    assert caller_of({"client": None}) is None
