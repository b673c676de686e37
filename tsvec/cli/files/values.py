"""Times and vectors as people and files write them."""

from __future__ import annotations

import re
from typing import Any, Literal

import orjson

from tsvec.model.times import time_from_rfc3339
from tsvec.model.vectors import Float32Array, vector_from_numbers

TimeUnit = Literal["s", "ms", "us", "ns"]
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def time_from_text(text: str, *, assume_utc: bool = False) -> int:
    """Microseconds since 1970 UTC of an RFC 3339 time, or of a date, whose first instant is meant.

    With `assume_utc` a time without an offset is read as UTC; otherwise it is a ValueError.
    """
    text = text.strip()
    if _DATE.fullmatch(text):
        return time_from_rfc3339(f"{text}T00:00:00Z")
    if assume_utc:
        try:
            return time_from_rfc3339(f"{text}Z")
        except ValueError:
            pass
    return time_from_rfc3339(text)


def unit_of_epoch(number: float) -> TimeUnit:
    """The unit in which a number since 1970 lies in the years 1973 to 5138."""
    size = abs(number)
    if size < 1e11:
        return "s"
    if size < 1e14:
        return "ms"
    return "us" if size < 1e17 else "ns"


def vector_from_value(value: Any) -> Float32Array:
    """A vector given as a list of numbers, or as text: `[1, 2.5]` or `1, 2.5`.

    Raises ValueError where it is neither, or holds what cannot be stored.
    """
    if isinstance(value, str):
        text = value.strip()
        try:
            value = orjson.loads(text if text.startswith("[") else f"[{text}]")
        except orjson.JSONDecodeError:
            raise ValueError(
                f"{text[:40]!r} is no vector; expected is one like 0.1,0.2 or [0.1, 0.2]"
            ) from None
    if not isinstance(value, list) or not all(type(number) in {int, float} for number in value):
        raise ValueError("a vector is a list of numbers")
    return vector_from_numbers(value)
