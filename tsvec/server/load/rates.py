"""How often each caller may ask, and how many points it may send."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable

from starlette.types import Scope

from tsvec.model.access.caller import Caller
from tsvec.model.errors import RateLimitedError
from tsvec.model.settings import Settings
from tsvec.server.load.buckets import Rate, TokenBuckets


class CallerRates:
    """The buckets of all callers: one of requests each, one of points sent."""

    def __init__(self, settings: Settings, clock: Callable[[], int]) -> None:
        self._requests = _buckets(
            settings.rate_requests_per_second, settings.rate_requests_burst, clock
        )
        self._rows = _buckets(settings.rate_rows_per_second, settings.rate_rows_burst, clock)

    def count_request(self, caller: Hashable) -> None:
        """RateLimitedError if the caller asks too often."""
        _take(self._requests, caller, 1, "requests (rate_requests_per_second)")

    def count_rows(self, caller: Hashable, rows: int) -> None:
        """RateLimitedError if the caller sends too many points."""
        _take(self._rows, caller, rows, "points (rate_rows_per_second)")


def caller_of(scope: Scope) -> Hashable:
    """Whose buckets a request takes from: its key's, or its address's where no key is needed."""
    caller: Caller | None = scope.get("caller")
    if caller is not None and caller.key_id is not None:
        return caller.key_id
    client: tuple[str, int] | None = scope.get("client")
    return None if client is None else client[0]


def _buckets(per_second: float, burst: int, clock: Callable[[], int]) -> TokenBuckets | None:
    if not per_second:
        return None
    return TokenBuckets(Rate(per_second, burst or max(per_second, 1.0)), clock)


def _take(buckets: TokenBuckets | None, caller: Hashable, amount: int, what: str) -> None:
    seconds = 0.0 if buckets is None else buckets.take(caller, amount)
    if seconds:
        raise RateLimitedError(
            f"too many {what}; retry in {math.ceil(seconds)} s", retry_after=math.ceil(seconds)
        )
