from __future__ import annotations

import pytest

from tsvec.cli.files.values import time_from_text, unit_of_epoch, vector_from_value

NOON = 1_769_860_800_000_000


@pytest.mark.parametrize(
    ("text", "assume_utc", "micros"),
    [
        ("2026-01-31T12:00:00Z", False, NOON),
        ("2026-01-31T13:00:00+01:00", False, NOON),
        (" 2026-01-31 12:00:00Z ", False, NOON),
        ("2026-01-31", False, NOON - 12 * 3_600_000_000),
        ("2026-01-31T12:00:00", True, NOON),
        ("2026-01-31T13:00:00+01:00", True, NOON),
    ],
)
def test_times_are_read_exactly(text, assume_utc, micros):
    assert time_from_text(text, assume_utc=assume_utc) == micros


@pytest.mark.parametrize("text", ["2026-01-31T12:00:00", "2026-02-30", "yesterday", ""])
def test_what_is_not_one_instant_is_refused(text):
    with pytest.raises(ValueError, match="RFC 3339"):
        time_from_text(text)


def test_assuming_utc_does_not_excuse_nonsense():
    with pytest.raises(ValueError, match="RFC 3339"):
        time_from_text("noon", assume_utc=True)


@pytest.mark.parametrize(
    ("number", "unit"), [(1.77e9, "s"), (-5e8, "s"), (1.77e12, "ms"), (1.77e15, "us"), (2e18, "ns")]
)
def test_the_size_of_a_number_tells_its_unit(number, unit):
    assert unit_of_epoch(number) == unit


@pytest.mark.parametrize("value", [[1, -2.5], "1,-2.5", "[1, -2.5]", " [1,-2.5]\n", "1, -2.5"])
def test_a_vector_is_a_list_or_text_with_or_without_brackets(value):
    assert vector_from_value(value).tolist() == [1.0, -2.5]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("north", "'north' is no vector; expected is one like 0.1,0.2"),
        ("[1, [2]]", "a list of numbers"),
        ('["1", "2"]', "a list of numbers"),
        ([True, 1], "a list of numbers"),
        ("1e39,1", "finite"),
        ("", "non-empty"),
        (None, "a list of numbers"),
        (1.5, "a list of numbers"),
    ],
)
def test_what_is_no_vector_is_refused(value, message):
    with pytest.raises(ValueError, match=message):
        vector_from_value(value)
