"""The ledger: the replies of one collection that are kept to be repeated."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ValidationError

from tsvec.engine.clock import ExpiryClock
from tsvec.engine.retries.pages import CAPACITY_MAX, CAPACITY_MIN, Page
from tsvec.model.errors import CorruptError, IdempotencyMismatchError, UnavailableError
from tsvec.model.retries.once import Once
from tsvec.model.settings import Settings
from tsvec.storage.retries.replies import KeptReply, unpack_reply
from tsvec.storage.state import STATE_SCHEMAS

Reply = TypeVar("Reply", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class LedgerSnapshot:
    """What a ledger held at one moment; made a table when there is time for it."""

    pages: tuple[tuple[Page, int], ...] = ()

    def to_table(self) -> pa.Table:
        """The table `replies` of the state."""
        tables = [page.to_table(count) for page, count in self.pages]
        return pa.concat_tables([STATE_SCHEMAS["replies"].empty_table(), *tables])


def check_same(once: Once, first: Once) -> None:
    """IdempotencyMismatchError unless a request is the one that came first with its key."""
    if once != first:
        raise IdempotencyMismatchError(
            "this Idempotency-Key came with another request before; "
            "give every request a key of its own, and a retry that of its first try"
        )


class Ledger:
    """Replies by the idempotency keys of their requests, each for as long as the settings say.

    The writer adds to it, anyone looks things up. Pages grow with their number, so that a ledger of
    few replies is small, and one of many can be searched and forgotten in few steps.
    """

    def __init__(self, settings: Settings, clock: ExpiryClock) -> None:
        self._settings = settings
        self._kept_us = int(settings.idempotency_seconds * 1_000_000)
        self._clock = clock
        self._lock = threading.Lock()
        self._pages: deque[Page] = deque()
        self._full = (0, 0)
        self._last = 0
        self.added = 0
        """Replies added since it was last saved."""

    def __len__(self) -> int:
        """Replies it holds, of which some may have expired."""
        return self._full[0] + (len(self._pages[-1]) if self._pages else 0)

    @property
    def size(self) -> int:
        """Bytes of memory it takes."""
        return self._full[1] + (self._pages[-1].size if self._pages else 0)

    def now_us(self) -> int:
        """The time by which replies expire."""
        return self._clock.now_us()

    def knows(self, key: bytes) -> bool:
        """Whether the reply to a request of this key (its digest) is kept."""
        with self._lock:
            return self._look_up(key) is not None

    def find(self, once: Once) -> bytes | None:
        """The first reply to a request, None if it is new.

        IdempotencyMismatchError if its key came with another request.
        """
        with self._lock:
            place = self._look_up(once.key)
            if place is None:
                return None
            page, number = place
            found, packed = page.once(number), page.reply(number)
        check_same(once, found)
        return unpack_reply(packed)

    def find_record(self, once: Once | None, kind: type[Reply]) -> Reply | None:
        """The same as a record; None also if the request is not to happen only once."""
        text = None if once is None else self.find(once)
        return None if text is None else _decoded(kind, text)

    def has_room(self, more: int) -> bool:
        """Whether so many more replies may be kept."""
        return not self._lacking(more)

    def check_room(self, more: int) -> None:
        """UnavailableError unless so many more replies may be kept."""
        lacking = self._lacking(more)
        if lacking:
            raise UnavailableError(
                f"replies to requests with an Idempotency-Key are kept for "
                f"{self._settings.idempotency_seconds:g} s (idempotency_seconds), and the "
                f"collection holds as many as it may: {lacking}; retry later, or without a key"
            )

    def _lacking(self, more: int) -> str:
        """The bound that so many more replies would break; empty if none."""
        self.forget()
        settings = self._settings
        with self._lock:
            count = len(self) + more
            if count > settings.idempotency_records_max:
                count -= sum(page.count_until(self._oldest) for page in self._pages)
            if count > settings.idempotency_records_max:
                return f"{settings.idempotency_records_max} (idempotency_records_max)"
            if self.size > settings.idempotency_bytes_max:
                return f"{settings.idempotency_bytes_max} bytes (idempotency_bytes_max)"
        return ""

    def keep(self, records: Iterable[KeptReply]) -> None:
        """Add replies, in the order they were given."""
        with self._lock:
            for record in records:
                self._open_page().add(record)
                self.added += 1

    def restore(self, records: Iterable[KeptReply]) -> None:
        """Add replies from disk, leaving out what is there already or has expired.

        A clock that was ahead must not keep them for longer than from now on.
        """
        now, oldest = self.now_us(), self._oldest
        for one in records:
            time = min(one.kept_at, now)
            if time > oldest and not self._holds(one.key, time):
                self._last = max(self._last, time)
                self.keep([replace(one, kept_at=self._last)])

    def restore_table(self, table: pa.Table) -> None:
        """Begin with the replies of a state, likewise."""
        now, times = self.now_us(), table["kept_at"].to_numpy()
        times = np.minimum(np.maximum.accumulate(times), now)
        at = int(np.searchsorted(times, self._oldest, side="right"))
        place = table.schema.get_field_index("kept_at")
        table = table.set_column(place, STATE_SCHEMAS["replies"].field(place), pa.array(times))
        while at < table.num_rows:
            page = self._open_page()
            page.extend(table.slice(at, page.capacity - len(page)))
            at += len(page)
            self._last = int(times[at - 1])

    def forget(self) -> None:
        """Drop the pages of which every reply has expired."""
        with self._lock:
            while self._pages and self._pages[0].time(len(self._pages[0]) - 1) <= self._oldest:
                self._pages.popleft()
                self._count_full()

    def snapshot(self) -> LedgerSnapshot:
        """What it holds now."""
        with self._lock:
            return LedgerSnapshot(tuple((page, len(page)) for page in self._pages))

    @property
    def _oldest(self) -> int:
        """What is kept since this time (µs) or longer has expired."""
        return self.now_us() - self._kept_us

    def _look_up(self, key: bytes) -> tuple[Page, int] | None:
        """The page and number of the reply to the last request of a key, unless it has expired."""
        for page in reversed(self._pages):
            number = page.find(key)
            if number is not None:
                return (page, number) if page.time(number) > self._oldest else None
        return None

    def _open_page(self) -> Page:
        """The last page, or a new one if that is full."""
        if not self._pages or self._pages[-1].is_full:
            last = self._pages[-1].capacity if self._pages else CAPACITY_MIN // 2
            self._pages.append(Page(min(2 * last + 1, CAPACITY_MAX)))
            self._count_full()
        return self._pages[-1]

    def _count_full(self) -> None:
        """Remember how much all pages but the last one hold: they do not change any more."""
        full = [page for page in self._pages if page is not self._pages[-1]]
        self._full = (sum(map(len, full)), sum(page.size for page in full))

    def _holds(self, key: bytes, time: int) -> bool:
        """Whether there is a reply for a key that is as late as a time (µs)."""
        for page in reversed(self._pages):
            number = page.find(key)
            if number is not None:
                return page.time(number) >= time
        return False


def _decoded(kind: type[Reply], text: bytes) -> Reply:
    """A kept reply as a record; CorruptError if it is none of this kind."""
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise CorruptError(f"a kept reply is no {kind.__name__}: {error}") from None
