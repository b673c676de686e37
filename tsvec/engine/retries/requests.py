"""Making and deleting collections once: these requests have no log to keep their replies in."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tsvec.engine.clock import ExpiryClock
from tsvec.engine.retries.ledger import check_same
from tsvec.model.errors import UnavailableError
from tsvec.model.retries.once import Once
from tsvec.model.settings import Settings
from tsvec.storage.files import Files
from tsvec.storage.retries.requests import FILE_NAME, Effect, RequestEntry, RequestFile

REQUESTS_MAX = 10_000
"""Requests kept of one tenant."""


class CollectionRequests:
    """The requests with an idempotency key that made or deleted collections of one tenant.

    A request is written down before the directory it makes or deletes is renamed, and counts if
    that came to pass: so request and effect are one. Who carries one out holds `turn`, so that a
    retry which overtakes its first try waits for it.
    """

    def __init__(
        self, files: Files, directory: Path, settings: Settings, clock: ExpiryClock
    ) -> None:
        self.turn = threading.RLock()
        self._files = files
        self._directory = directory
        self._path = directory / FILE_NAME
        self._kept_us = int(settings.idempotency_seconds * 1_000_000)
        self._clock = clock
        self._entries: dict[str, RequestEntry] = {}
        now = clock.now_us()
        for entry in RequestFile.read(self._path).requests:
            if self._came_to_pass(entry):
                # A clock that was ahead must not keep it for longer than from now on.
                time = min(entry.kept_at, now)
                self._entries[entry.key] = entry.model_copy(update={"kept_at": time})

    def find(self, once: Once) -> bytes | None:
        """The first reply to a request, None if it is new.

        IdempotencyMismatchError if its key came with another request.
        """
        entry = self._entries.get(once.key.hex())
        if entry is None or self._has_expired(entry):
            return None
        check_same(once, Once(once.key, bytes.fromhex(entry.fingerprint)))
        return entry.reply.encode()

    @contextmanager
    def noted(
        self, once: Once | None, effect: Effect, directory: str, reply: str
    ) -> Iterator[None]:
        """Note a request, if it is to happen once, around what it does to a directory.

        UnavailableError if there is no room for it. An error in the block takes the note back.
        """
        with self.turn:
            entries = {k: one for k, one in self._entries.items() if not self._has_expired(one)}
            if effect == "deleted":
                # Requests that made what is about to go count from now on because it says so here.
                entries = {k: _done(one, directory) for k, one in entries.items()}
            before = entries.copy()
            if once is not None:
                if len(entries) >= REQUESTS_MAX:
                    raise UnavailableError(
                        f"{REQUESTS_MAX} requests of this tenant with an Idempotency-Key made or "
                        "deleted collections lately; retry later, or without a key"
                    )
                key, fingerprint = once.key.hex(), once.fingerprint.hex()
                entries[key] = RequestEntry(
                    key=key,
                    fingerprint=fingerprint,
                    kept_at=self._clock.now_us(),
                    effect=effect,
                    directory=directory,
                    reply=reply,
                )
            if entries != self._entries:
                RequestFile(requests=tuple(entries.values())).write(self._files, self._path)
            self._entries = before
            yield
            self._entries = entries

    def _came_to_pass(self, entry: RequestEntry) -> bool:
        is_there = (self._directory / entry.directory).is_dir()
        return entry.effect == "done" or is_there == (entry.effect == "made")

    def _has_expired(self, entry: RequestEntry) -> bool:
        return entry.kept_at <= self._clock.now_us() - self._kept_us


def _done(entry: RequestEntry, directory: str) -> RequestEntry:
    if entry.effect == "made" and entry.directory == directory:
        return entry.model_copy(update={"effect": "done"})
    return entry
