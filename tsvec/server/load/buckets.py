"""Token buckets: so much a second, and a burst of so much, for each of many keys."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

KEYS_MAX = 10_000
"""Buckets remembered; of more, those asked for the longest time ago are forgotten, as if full."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Tokens that come back each second, and how many there are at most."""

    per_second: float
    burst: float


class TokenBuckets:
    """A bucket for each key, full when the key is first seen. For one thread.

    What costs more than a whole bucket may be taken when the bucket is full, and leaves a debt: it
    is let through, at the rate and not never. `clock` gives microseconds that never run back.
    """

    def __init__(self, rate: Rate, clock: Callable[[], int], keys_max: int = KEYS_MAX) -> None:
        self._rate = rate
        self._clock = clock
        self._keys_max = keys_max
        self._buckets: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: Hashable, amount: float = 1.0) -> float:
        """Take tokens and return 0, or none and return the seconds until there are enough."""
        rate, now = self._rate, self._clock()
        tokens = self._tokens(key, now)
        lacking = min(amount, rate.burst) - tokens
        if lacking > 0:
            return lacking / rate.per_second
        self._buckets[key] = tokens - amount, now
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._keys_max:
            self._buckets.popitem(last=False)
        return 0.0

    def _tokens(self, key: Hashable, now: int) -> float:
        """How many there are."""
        rate, found = self._rate, self._buckets.get(key)
        if found is None:
            return rate.burst
        tokens, at = found
        return min(rate.burst, tokens + (now - at) * rate.per_second / 1e6)
