"""The only place that looks at the wall clock and draws random numbers."""

from __future__ import annotations

import secrets
import time
import uuid
from typing import Protocol


class Clock(Protocol):
    """Wall time and chance, passed in so that a test can replace them."""

    def now_us(self) -> int:
        """Microseconds since 1970 UTC; may jump either way."""

    def new_history(self) -> int:
        """A number that names a new history, 1 to 2**63 - 1."""

    def new_directory(self) -> str:
        """A name no other collection directory has."""


class SystemClock:
    """The machine's own clock and randomness."""

    def now_us(self) -> int:
        """Microseconds since 1970 UTC."""
        return time.time_ns() // 1_000

    def new_history(self) -> int:
        """A random 63-bit number."""
        return secrets.randbits(63) | 1

    def new_directory(self) -> str:
        """A random UUID."""
        return str(uuid.uuid4())
