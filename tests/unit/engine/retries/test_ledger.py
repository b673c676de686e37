"""Replies are kept as long as the settings say, in bounded memory, and freed afterwards."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from tests.unit.engine.rig import SECOND, ManualClock
from tsvec.engine.clock import ExpiryClock
from tsvec.engine.retries.ledger import Ledger
from tsvec.engine.retries.pages import CAPACITY_MIN
from tsvec.model.errors import CorruptError, IdempotencyMismatchError, UnavailableError
from tsvec.model.retries.once import Once, once_of
from tsvec.model.settings import Settings
from tsvec.storage.retries.replies import KeptReply, pack_reply

DAY = 86_400 * SECOND


def once(number: int, says: bytes = b"") -> Once:
    return once_of(f"key-{number}", [says])


def reply(number: int) -> bytes:
    return b'{"seq":%d}' % number


class Sequel(BaseModel):
    seq: int


@pytest.fixture
def make(clock: ManualClock):
    def ledger(**settings: float) -> Ledger:
        return Ledger(Settings(**settings), ExpiryClock(clock))

    return ledger


def record(ledger: Ledger, number: int, says: bytes = b"") -> KeptReply:
    asked = once(number, says)
    packed = pack_reply(reply(number))
    return KeptReply(asked.key, asked.fingerprint, ledger.now_us(), number, packed)


def keep(ledger: Ledger, *numbers: int) -> None:
    ledger.keep([record(ledger, number) for number in numbers])


def test_a_reply_is_repeated_to_the_same_request_only(make):
    ledger = make()
    keep(ledger, 1, 2)
    assert ledger.find(once(1)) == reply(1)
    assert ledger.find(once(3)) is None
    with pytest.raises(IdempotencyMismatchError, match="another request before"):
        ledger.find(once(1, b"other"))
    assert ledger.knows(once(2).key)
    assert not ledger.knows(once(3).key)
    assert ledger.find_record(once(2), Sequel) == Sequel(seq=2)
    assert ledger.find_record(once(3), Sequel) is None
    assert ledger.find_record(None, Sequel) is None


def test_a_reply_that_is_no_such_record_is_damage(make):
    class Other(BaseModel):
        name: str

    ledger = make()
    keep(ledger, 1)
    with pytest.raises(CorruptError, match="no Other"):
        ledger.find_record(once(1), Other)


def test_a_reply_is_kept_for_a_day_and_not_longer(make, clock):
    ledger = make()
    keep(ledger, 1)
    clock.now += DAY - 1
    assert ledger.find(once(1)) == reply(1)
    clock.now += 1
    assert ledger.find(once(1)) is None
    assert not ledger.knows(once(1).key)
    ledger.keep([record(ledger, 1, b"other")])
    assert ledger.find(once(1, b"other")) == reply(1)


def test_expired_replies_are_freed(make, clock):
    ledger = make(idempotency_seconds=60)
    for turn in range(4 * CAPACITY_MIN):
        keep(ledger, turn)
        clock.now += SECOND
    full = ledger.size
    ledger.forget()
    assert len(ledger) < 4 * CAPACITY_MIN
    assert all(ledger.find(once(turn)) for turn in range(4 * CAPACITY_MIN - 59, 4 * CAPACITY_MIN))
    clock.now += 60 * SECOND
    ledger.forget()
    assert (len(ledger), ledger.size) == (0, 0)
    assert full > 0


def test_a_full_ledger_takes_no_new_key_until_one_expires(make, clock):
    ledger = make(idempotency_records_max=3)
    keep(ledger, 1)
    clock.now += SECOND
    keep(ledger, 2, 3)
    assert not ledger.has_room(1)
    with pytest.raises(UnavailableError, match=r"3 \(idempotency_records_max\)"):
        ledger.check_room(1)
    assert ledger.find(once(1)) == reply(1)
    clock.now += DAY - SECOND
    assert ledger.has_room(1)
    assert not ledger.has_room(2)


def test_memory_is_bounded_too(make):
    ledger = make(idempotency_bytes_max=1 << 16)
    numbers = iter(range(10**6))
    while ledger.has_room(1):
        keep(ledger, next(numbers))
    assert (1 << 16) < ledger.size < (1 << 16) + 10_000
    with pytest.raises(UnavailableError, match="idempotency_bytes_max"):
        ledger.check_room(1)


def test_a_table_of_it_makes_another_like_it(make, clock):
    ledger = make()
    for number in range(3 * CAPACITY_MIN + 7):
        clock.now += number % 3
        keep(ledger, number)
    snapshot = ledger.snapshot()
    keep(ledger, 10_000)
    other = make()
    other.restore_table(snapshot.to_table())
    assert len(other) == 3 * CAPACITY_MIN + 7
    assert other.added == 0
    assert ledger.added == len(ledger)
    assert all(other.find(once(n)) == reply(n) for n in range(0, 3 * CAPACITY_MIN + 7, 5))
    assert other.find(once(10_000)) is None
    keep(other, 10_000)
    assert other.find(once(10_000)) == reply(10_000)


def test_what_has_expired_is_not_taken_from_a_table(make, clock):
    ledger = make()
    keep(ledger, 1, 2)
    clock.now += SECOND
    keep(ledger, 3)
    table = ledger.snapshot().to_table()
    clock.now += DAY - SECOND
    other = make()
    other.restore_table(table)
    assert len(other) == 1
    assert other.find(once(3)) == reply(3)
    clock.now += SECOND
    empty = make()
    empty.restore_table(table)
    assert len(empty) == 0


def test_an_empty_ledger_makes_an_empty_table(make):
    ledger = make()
    table = ledger.snapshot().to_table()
    assert table.num_rows == 0
    ledger.restore_table(table)
    assert len(ledger) == 0


def test_what_the_log_tells_again_is_not_kept_twice(make, clock):
    ledger = make()
    old, told = record(ledger, 1), record(ledger, 2)
    ledger.keep([old, told])
    clock.now += SECOND
    new = record(ledger, 3)
    ledger.restore([old, told, new, new])
    assert len(ledger) == 3
    clock.now += DAY
    ledger.restore([old])
    assert ledger.find(once(1)) is None


def test_the_last_use_of_a_key_counts_whatever_the_log_tells_of_the_first(make, clock):
    ledger = make()
    first = record(ledger, 1)
    clock.now += DAY
    ledger.restore([record(ledger, 1, b"other")])
    ledger.restore([first])
    assert ledger.find(once(1, b"other")) == reply(1)


@pytest.mark.parametrize("by_table", [True, False])
def test_a_clock_that_was_ahead_keeps_nothing_for_ever(make, clock, by_table):
    clock.now += 1_000 * DAY
    ahead = make()
    keep(ahead, 1)
    told, table = record(ahead, 1), ahead.snapshot().to_table()
    clock.now -= 1_000 * DAY
    ledger = make()
    if by_table:
        ledger.restore_table(table)
    else:
        ledger.restore([told])
    assert ledger.find(once(1)) == reply(1)
    clock.now += DAY
    assert ledger.find(once(1)) is None
