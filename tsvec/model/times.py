"""Event times and durations: RFC 3339 on the wire, int64 microseconds since 1970 UTC inside."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import numpy as np
from pydantic import PlainSerializer, PlainValidator, ValidationInfo, WithJsonSchema

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
TIME_MIN_US = (datetime.min.replace(tzinfo=UTC) - EPOCH) // MICROSECOND
TIME_MAX_US = (datetime.max.replace(tzinfo=UTC) - EPOCH) // MICROSECOND
TIME_MISSING = np.iinfo(np.int64).min
"""Stands in a batch for "use the commit time"; no real event time can equal it."""

SEQ_MAX = 2**63 - 1
"""The largest number a change may have; a request that names a larger one is refused."""

_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|z|[+-]\d\d:\d\d)", re.ASCII
)
_DURATION = re.compile(r"([1-9]\d{0,8})(s|m|h|d)", re.ASCII)
_UNIT_US = {"s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_TOO_FINE = "event times have microseconds; finer digits are refused, not rounded"
_SEQ = re.compile(r"\d{1,19}", re.ASCII)
_TIME_HELP = "an RFC 3339 time with an offset is expected, such as 2026-01-31T12:00:00Z"


def time_from_rfc3339(text: str) -> int:
    """Microseconds since 1970 UTC of an RFC 3339 time; a time without an offset is a ValueError.

    Digits beyond microseconds are refused unless they are zero, so that nothing is rounded away.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(_TIME_HELP)
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    fraction = (fraction or "").rstrip("0")
    if len(fraction) > 6:
        raise ValueError(_TOO_FINE)
    try:
        parsed = datetime.fromisoformat(
            f"{year}-{month}-{day}T{hour}:{minute}:{second}{offset.upper()}"
        )
    except ValueError as error:
        raise ValueError(f"{_TIME_HELP} ({error})") from None
    micros = (parsed - EPOCH) // MICROSECOND + int(fraction.ljust(6, "0") or 0)
    return check_time(micros)


def check_time(micros: int) -> int:
    """The same microseconds, if they lie in the years 1 to 9999."""
    if not TIME_MIN_US <= micros <= TIME_MAX_US:
        raise ValueError("event times lie in the years 0001 to 9999")
    return micros


def time_to_datetime(micros: int) -> datetime:
    """Aware UTC datetime of microseconds since 1970."""
    return EPOCH + timedelta(microseconds=micros)


def time_from_any(value: Any) -> int:
    """Microseconds of a datetime with an offset, datetime64, RFC 3339 text or int µs UTC."""
    match value:
        case bool():
            raise ValueError(_TIME_HELP)
        case str():
            return time_from_rfc3339(value)
        case datetime():
            if value.tzinfo is None:
                raise ValueError("a datetime needs a time zone, such as datetime.UTC")
            return (value - EPOCH) // MICROSECOND
        case np.datetime64():
            if np.isnat(value):
                raise ValueError("NaT is not a time")
            micros = value.astype("datetime64[us]")
            if micros != value:
                raise ValueError(_TOO_FINE)
            return check_time(int(micros.astype(np.int64)))
        case int() | np.integer():
            return check_time(int(value))
        case _:
            raise ValueError(_TIME_HELP)


def _validate_time(value: Any, info: ValidationInfo) -> int:
    if info.mode == "json" and not isinstance(value, str):
        raise ValueError(_TIME_HELP)
    return time_from_any(value)


@dataclass(frozen=True, slots=True)
class AsOf:
    """A moment in the life of a collection: after the change `seq`, or at a recorded `time` in µs.

    Exactly one of the two is set.
    """

    seq: int | None = None
    time: int | None = None

    def __post_init__(self) -> None:
        if (self.seq is None) == (self.time is None):
            raise ValueError("give exactly one of seq and time")

    def __str__(self) -> str:
        if self.time is None:
            return str(self.seq)
        return time_to_datetime(self.time).isoformat()


def moment_from_any(value: Any) -> AsOf:
    """The moment that a seq (int >= 0 or its digits) or a time (all else of `time_from_any`) names.

    An int is always a seq, never microseconds.
    """
    match value:
        case AsOf():
            return value
        case int() | np.integer() if not isinstance(value, bool):
            seq = int(value)
        case str() if _SEQ.fullmatch(value):
            seq = int(value)
        case _:
            try:
                return AsOf(time=time_from_any(value))
            except ValueError as error:
                raise ValueError(f"a seq is expected, such as 42, or a time: {error}") from None
    if not 0 <= seq <= SEQ_MAX:
        raise ValueError(f"a seq is a whole number from 0 to {SEQ_MAX}")
    return AsOf(seq=seq)


def _validate_moment(value: Any, info: ValidationInfo) -> AsOf:
    if info.mode == "json" and isinstance(value, str) and _SEQ.fullmatch(value):
        raise ValueError("in JSON a seq is a number, without quotes")
    return moment_from_any(value)


def _moment_to_json(moment: AsOf) -> int | str:
    return str(moment) if moment.seq is None else moment.seq


@lru_cache(maxsize=1_024)
def duration_to_us(text: str) -> int:
    """Microseconds of a duration such as `90s`, `15m`, `1h` or `7d`."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("a duration is a whole number and s, m, h or d, such as 90s or 7d")
    return int(match[1]) * _UNIT_US[match[2]]


def _validate_duration(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("a duration is text, such as 90s, 15m, 1h or 7d")
    if duration_to_us(value) > 36_525 * _UNIT_US["d"]:
        raise ValueError("a duration is at most 36525d (100 years)")
    return value


if TYPE_CHECKING:
    Instant: TypeAlias = int
    Moment: TypeAlias = AsOf
    Duration: TypeAlias = str
else:
    Instant = Annotated[
        int,
        PlainValidator(_validate_time, json_schema_input_type=str),
        PlainSerializer(lambda micros: time_to_datetime(micros).isoformat(), when_used="json"),
        WithJsonSchema({"type": "string", "format": "date-time"}),
    ]
    Moment = Annotated[
        AsOf,
        PlainValidator(_validate_moment, json_schema_input_type=int | str),
        PlainSerializer(_moment_to_json, when_used="json"),
        # One schema, not a union: each keyword constrains only values of its own type.
        WithJsonSchema(
            {"type": ["integer", "string"], "minimum": 0, "maximum": SEQ_MAX, "format": "date-time"}
        ),
    ]
    Duration = Annotated[
        str,
        PlainValidator(_validate_duration, json_schema_input_type=str),
        WithJsonSchema({"type": "string", "pattern": r"^[1-9][0-9]{0,8}[smhd]$"}),
    ]
