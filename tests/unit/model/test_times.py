"""Times and durations: exact, with an offset, inside the calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tsvec.model.times import (
    SEQ_MAX,
    TIME_MAX_US,
    TIME_MIN_US,
    TIME_MISSING,
    AsOf,
    Duration,
    Instant,
    Moment,
    duration_to_us,
    moment_from_any,
    time_from_any,
    time_from_rfc3339,
    time_to_datetime,
)

INSTANT = TypeAdapter(Instant)
MOMENT = TypeAdapter(Moment)


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.000001Z", 1),
        ("1970-01-01T00:00:00.5Z", 500_000),
        ("1970-01-01T00:00:00.123456000Z", 123_456),
        ("1969-12-31T23:59:59.999999Z", -1),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01t00:00:00z", 0),
        ("1970-01-01 00:00:00-00:00", 0),
        ("2005-08-28T18:00:00Z", 1_125_252_000_000_000),
        ("2038-01-19T03:14:08Z", 2**31 * 1_000_000),
        ("0001-01-01T00:00:00Z", TIME_MIN_US),
        ("9999-12-31T23:59:59.999999Z", TIME_MAX_US),
    ],
)
def test_rfc3339(text, micros):
    assert time_from_rfc3339(text) == micros


@pytest.mark.parametrize(
    "text",
    [
        "2020-01-01T00:00:00",
        "2020-01-01",
        "2020-02-30T00:00:00Z",
        "2020-01-01T00:00:60Z",
        "2020-01-01T00:00:00.1234567Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "٢٠٢٠-01-01T00:00:00Z",
        "2020-01-01T00:00:00Z\n",
        "now",
        "",
    ],
)
def test_what_is_no_time(text):
    with pytest.raises(ValueError, match="time"):
        time_from_rfc3339(text)


@given(st.integers(TIME_MIN_US, TIME_MAX_US))
def test_text_and_back(micros):
    text = INSTANT.dump_json(micros)
    assert INSTANT.validate_json(text) == micros


@given(st.datetimes(timezones=st.just(UTC)))
def test_datetime_and_back(moment):
    assert time_to_datetime(time_from_any(moment)) == moment


def test_every_kind_of_time_in_this_process():
    moment = datetime(2005, 8, 28, 20, tzinfo=timezone(timedelta(hours=2)))
    micros = time_from_rfc3339("2005-08-28T18:00:00Z")
    for value in (
        moment,
        "2005-08-28T18:00:00Z",
        micros,
        np.int64(micros),
        np.datetime64("2005-08-28T18:00:00", "s"),
    ):
        assert time_from_any(value) == micros


@pytest.mark.parametrize(
    "value",
    [
        True,
        1.5,
        None,
        b"2020-01-01T00:00:00Z",
        datetime(2020, 1, 1),  # noqa: DTZ001 - the point
        np.datetime64("NaT"),
        TIME_MISSING,
        TIME_MAX_US + 1,
        TIME_MIN_US - 1,
    ],
)
def test_what_is_no_time_in_this_process(value):
    with pytest.raises(ValueError, match=r"time|lie"):
        time_from_any(value)


@pytest.mark.parametrize("text", ["0", "1577836800", "true", "null", "{}"])
def test_json_times_are_text(text):
    with pytest.raises(ValidationError):
        INSTANT.validate_json(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("1s", 1), ("90s", 90), ("15m", 900), ("1h", 3_600), ("7d", 604_800)]
)
def test_durations(text, seconds):
    assert duration_to_us(text) == seconds * 1_000_000
    assert TypeAdapter(Duration).validate_python(text) == text


@pytest.mark.parametrize(
    "text", ["0s", "-1s", "1", "1.5h", "01h", "1w", " 1h", "1h ", "", "36526d"]
)
def test_what_is_no_duration(text):
    with pytest.raises(ValidationError):
        TypeAdapter(Duration).validate_python(text)


def test_a_moment_is_a_seq_or_a_time():
    assert str(AsOf(seq=0)) == "0"
    assert str(AsOf(time=0)) == "1970-01-01T00:00:00+00:00"
    for fields in ({}, {"seq": 1, "time": 1}):
        with pytest.raises(ValueError, match="exactly one"):
            AsOf(**fields)


@pytest.mark.parametrize("value", [0, 42, np.int64(42), "42", "0", "0042", SEQ_MAX])
def test_numbers_are_seqs(value):
    assert moment_from_any(value) == AsOf(seq=int(value))


@pytest.mark.parametrize(
    "value",
    [
        "1970-01-01T00:00:00.000007Z",
        datetime(1970, 1, 1, 0, 0, 0, 7, UTC),
        np.datetime64(7, "us"),
        AsOf(time=7),
    ],
)
def test_all_else_is_a_recorded_time(value):
    assert moment_from_any(value) == AsOf(time=7)


@pytest.mark.parametrize(
    "value",
    [-1, SEQ_MAX + 1, True, 1.0, None, "", "-1", "1.0", " 1", "٤٢", "2020-01-01", "9" * 20, b"1"],
)
def test_what_is_no_moment(value):
    with pytest.raises(ValueError, match="a seq is"):
        moment_from_any(value)


@pytest.mark.parametrize("text", ["42", '"2026-01-31T12:00:00+00:00"'])
def test_a_moment_to_json_and_back(text):
    assert MOMENT.dump_json(MOMENT.validate_json(text)) == text.encode()


@pytest.mark.parametrize("text", ['"42"', "1.0", "true", "null", "{}", '{"seq": 1}'])
def test_json_moments_are_numbers_or_times(text):
    with pytest.raises(ValidationError):
        MOMENT.validate_json(text)


def test_text_outside_json_may_be_digits():
    assert MOMENT.validate_python("42") == AsOf(seq=42)
