"""A page finds every record it was given, and says of no other that it has it."""

from __future__ import annotations

from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsvec.engine.retries.pages import CAPACITY_MAX, CAPACITY_MIN, Page
from tsvec.model.retries.once import Once
from tsvec.storage.retries.replies import KeptReply


def digest(number: int) -> bytes:
    return blake2b(number.to_bytes(8, "little"), digest_size=16).digest()


def record(number: int, key: bytes | None = None) -> KeptReply:
    name = digest(number) if key is None else key
    return KeptReply(name, digest(-1 % 2**63 - number), 1_000 + number, number, b"r%d" % number)


def filled(count: int) -> Page:
    page = Page(CAPACITY_MIN)
    for number in range(count):
        page.add(record(number))
    return page


def test_a_full_page_finds_all_it_holds():
    page = filled(CAPACITY_MIN)
    assert page.is_full
    assert len(page) == CAPACITY_MIN
    for number in range(CAPACITY_MIN):
        one = record(number)
        assert page.find(one.key) == number
        assert page.once(number) == Once(one.key, one.fingerprint)
        assert (page.time(number), page.reply(number)) == (one.kept_at, one.reply)
    assert all(page.find(digest(number)) is None for number in range(5_000, 6_000))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=60))
def test_keys_that_want_the_same_slot_are_told_apart(draws):
    page, expected = Page(CAPACITY_MIN), {}
    for number, (head, tail) in enumerate(draws):
        key = head.to_bytes(4, "little") + tail.to_bytes(12, "little")
        page.add(record(number, key))
        expected[key] = number
    for head in range(4):
        for tail in range(4):
            key = head.to_bytes(4, "little") + tail.to_bytes(12, "little")
            assert page.find(key) == expected.get(key)


def test_times_before_1970_come_back():
    page = Page(CAPACITY_MIN)
    page.add(KeptReply(digest(1), digest(2), -5, 1, b""))
    assert page.time(0) == -5


def test_records_until_a_time_are_counted():
    page = filled(10)
    assert [page.count_until(time) for time in (0, 999, 1_000, 1_004, 2_000)] == [0, 0, 1, 5, 10]


@pytest.mark.parametrize("count", [0, 1, 40])
def test_a_table_of_some_makes_a_page_like_it(count):
    page = filled(50)
    table = page.to_table(count)
    assert table.num_rows == count
    table.validate(full=True)
    other = Page(CAPACITY_MIN)
    other.add(record(900))
    other.extend(table)
    assert len(other) == count + 1
    for number in range(count):
        assert other.find(digest(number)) == number + 1
        assert other.reply(number + 1) == page.reply(number)
        assert other.time(number + 1) == page.time(number)
        assert other.once(number + 1) == page.once(number)


def test_a_page_of_full_size_can_be_filled_and_says_what_it_takes():
    page, small = Page(CAPACITY_MAX), Page(CAPACITY_MIN)
    for number in range(CAPACITY_MAX):
        page.add(record(number))
    assert page.find(digest(CAPACITY_MAX - 1)) == CAPACITY_MAX - 1
    assert small.size < 10_000
    assert 60 * CAPACITY_MAX < page.size < 80 * CAPACITY_MAX
