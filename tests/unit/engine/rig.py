"""A clock that stands still, batches of points and open databases for the tests of the engine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tsvec.engine.database import Database
from tsvec.engine.store import CollectionStore
from tsvec.model.points import PointBatch
from tsvec.model.settings import Settings
from tsvec.storage.failpoints import FailPoints
from tsvec.storage.files import Files

NOON = 1_800_000_000_000_000
SECOND = 1_000_000
WAIT_SECONDS = 20.0


class ManualClock:
    """Time goes on only when a test says so; names and histories count up.

    Who moves `now` lets time pass; after `leap` the wall clock alone tells another time.
    """

    def __init__(self, now_us: int = NOON) -> None:
        self.now = now_us
        self.made = 0
        self._leapt = 0

    def leap(self, by_us: int) -> None:
        """Set the wall clock without time going by."""
        self.now += by_us
        self._leapt += by_us

    def now_us(self) -> int:
        return self.now

    def elapsed_us(self) -> int:
        return self.now - self._leapt

    def new_history(self) -> int:
        self.made += 1
        return self.made

    def new_directory(self) -> str:
        self.made += 1
        return f"collection-{self.made}"

    def random_bytes(self, count: int) -> bytes:
        self.made += 1
        return self.made.to_bytes(count, "big")


def batch_of(
    rows: int,
    *,
    dim: int = 2,
    first: int = 0,
    entity_id: str | None = None,
    entity_type: str | None = None,
    metadata: bytes | None = None,
) -> PointBatch:
    """Points a second apart, the row's number in the vector's first element."""
    numbers = np.arange(first, first + rows)
    vectors = np.ones((rows, dim), np.float32)
    vectors[:, 0] = numbers
    return PointBatch.of_columns(
        entity_id=[entity_id or f"e{number % 5}" for number in numbers.tolist()],
        vector=vectors,
        timestamp=numbers.astype(np.int64) * SECOND,
        entity_type=[entity_type] * rows,
        metadata=None if metadata is None else [metadata] * rows,
    )


def open_database(
    path: Path,
    rules: str | FailPoints = "",
    *,
    clock: ManualClock | None = None,
    **settings: object,
) -> Database:
    """A database whose fail points follow `rules`."""
    files = Files(FailPoints(rules) if isinstance(rules, str) else rules)
    return Database(path, settings=Settings(**settings), clock=clock, files=files)


def store_of(database: Database, name: str = "c") -> CollectionStore:
    return database._stores.get(name)


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait, for a bounded time, for something that happens in the background."""
    give_up = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.002)


def close_in_time(database: Database) -> None:
    """Close a database, or fail if that takes for ever."""
    closing = threading.Thread(target=database.close, daemon=True)
    closing.start()
    closing.join(WAIT_SECONDS)
    assert not closing.is_alive(), "the database does not close"


def settle(database: Database, name: str = "c") -> None:
    """Wait until nothing is left to seal and no seal is at work."""
    store = store_of(database, name)

    def is_settled() -> bool:
        with store.sealing:
            return not store.is_sealing_due

    wait_until(is_settled)
