"""Filling a ledger with the replies to small ingests, and measuring it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from benchmarks.machine import rss_anon_mb
from benchmarks.measure import timed
from tsvec.engine.clock import ExpiryClock, SystemClock
from tsvec.engine.retries.ledger import Ledger
from tsvec.model.replies import IngestReply
from tsvec.model.retries.once import Once, once_of
from tsvec.model.settings import Settings
from tsvec.storage.retries.replies import KeptReply, pack_reply

_GROUP = 100
_LOOKUPS = 10_000
_RESTORED_SHARE = 10
_START = datetime(2026, 1, 1, tzinfo=UTC)


class _PassingClock(SystemClock):
    """Time goes by when it is told to."""

    def __init__(self) -> None:
        self.now = 0

    def now_us(self) -> int:
        return self.now

    def elapsed_us(self) -> int:
        return self.now


def measure_ledger(replies: str) -> dict[str, float | int]:
    """Memory and lookups of so many kept replies, and memory once they have expired."""
    count, clock = int(replies), _PassingClock()
    settings = Settings(idempotency_records_max=count)
    ledger = Ledger(settings, ExpiryClock(clock))
    before = rss_anon_mb()
    _fill(ledger, clock, count)
    kept = rss_anon_mb() - before
    with timed() as finding:
        for number in range(_LOOKUPS):
            if ledger.find(_once(number * 7_919 % count)) is None:
                raise AssertionError(f"the reply to request {number * 7_919 % count} is lost")
    with timed() as missing:
        for number in range(_LOOKUPS):
            if ledger.find(_once(count + number)) is not None:
                raise AssertionError("a request that nobody made was answered")
    clock.now += int(settings.idempotency_seconds * 1_000_000)
    ledger.forget()
    left = rss_anon_mb() - before
    _fill(ledger, clock, count // _RESTORED_SHARE)
    table, other = ledger.snapshot().to_table(), Ledger(settings, ExpiryClock(clock))
    with timed() as restoring:
        other.restore_table(table)
    return {
        "kept_mb": kept,
        "left_mb": left,
        "find_us": finding.seconds / _LOOKUPS * 1e6,
        "miss_us": missing.seconds / _LOOKUPS * 1e6,
        "restore_s": restoring.seconds,
        "reply_bytes": len(_reply(count // 2)),
    }


def _fill(ledger: Ledger, clock: _PassingClock, count: int) -> None:
    for first in range(0, count, _GROUP):
        clock.now += 1_000
        ledger.check_room(_GROUP)
        ledger.keep([_record(clock, number) for number in range(first, first + _GROUP)])


def _once(number: int) -> Once:
    return once_of(f"request-{number}", [b"%d" % number])


def _reply(number: int) -> bytes:
    reply = IngestReply(
        ingested=1,
        unchanged=0,
        replaced=0,
        late=0,
        rejected=0,
        errors=[],
        seq=number,
        recorded_at=_START + timedelta(microseconds=number * 86_311),
        durable=True,
    )
    return reply.model_dump_json().encode()


def _record(clock: _PassingClock, number: int) -> KeptReply:
    once = _once(number)
    return KeptReply(once.key, once.fingerprint, clock.now, number, pack_reply(_reply(number)))
