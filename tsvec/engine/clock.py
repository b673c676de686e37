"""The only place that looks at the wall clock and draws random numbers."""

from __future__ import annotations

import secrets
import time
import uuid
from typing import Protocol

_LEAP_US = 3_600_000_000
"""How far the wall clock may run ahead of elapsed time before it is not believed."""

_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Elapsed time, where the system offers it also while the machine sleeps."""


class Clock(Protocol):
    """Wall time, elapsed time and chance, passed in so that a test can replace them."""

    def now_us(self) -> int:
        """Microseconds since 1970 UTC; may jump either way."""

    def elapsed_us(self) -> int:
        """Microseconds since some moment; never jumps."""

    def new_history(self) -> int:
        """A number that names a new history, 1 to 2**63 - 1."""

    def new_directory(self) -> str:
        """A name no other collection directory has."""

    def random_bytes(self, count: int) -> bytes:
        """So many bytes that nobody can guess."""


class SystemClock:
    """The machine's own clock and randomness."""

    def now_us(self) -> int:
        """Microseconds since 1970 UTC."""
        return time.time_ns() // 1_000

    def elapsed_us(self) -> int:
        """Microseconds since the machine was started."""
        return time.clock_gettime_ns(_BOOT_CLOCK) // 1_000

    def new_history(self) -> int:
        """A random 63-bit number."""
        return secrets.randbits(63) | 1

    def new_directory(self) -> str:
        """A random UUID."""
        return str(uuid.uuid4())

    def random_bytes(self, count: int) -> bytes:
        """Random bytes of the operating system."""
        return secrets.token_bytes(count)


class ExpiryClock:
    """The time by which points expire and history is forgotten: it never runs back, never leaps.

    A wall clock that leaps ahead of elapsed time by more than an hour is wrong more often than
    right, and what it would expire could not be brought back. So time goes on by elapsed time, and
    `has_leapt` says so, until the wall clock agrees or the process is started again.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wall = clock.now_us()
        self._elapsed = clock.elapsed_us()
        self._last = self._wall
        self.has_leapt = False

    def now_us(self) -> int:
        """Microseconds since 1970 UTC, not before the last answer."""
        wall = self._clock.now_us()
        expected = self._wall + self._clock.elapsed_us() - self._elapsed
        self.has_leapt = wall > expected + _LEAP_US
        self._last = max(self._last, expected if self.has_leapt else wall)
        return self._last
