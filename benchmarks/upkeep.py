"""What the background does: waiting until it is done, and what it has made."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import tsvec
from tsvec.engine.clock import SystemClock
from tsvec.engine.store import CollectionStore
from tsvec.engine.upkeep.compacting import CompactionRun, extents_of, merge_partitions, rules_of
from tsvec.window.compaction import Merge, choose_merge, most_covering

_SECONDS_MAX = 180.0
_LOOK_SECONDS = 0.005
_SEALED_ROWS_MIN = tsvec.Settings().seal_rows


class SetClock(SystemClock):
    """A clock that stands still until it is told how much time went by."""

    def __init__(self, now_us: int) -> None:
        self._now = now_us

    def now_us(self) -> int:
        return self._now

    def elapsed_us(self) -> int:
        return self._now

    def advance(self, us: int) -> None:
        """Let so many microseconds go by, the machine running."""
        self._now += us


def store_of(collection: tsvec.Collection) -> CollectionStore:
    """What is behind a handle."""
    return collection._store()


def wait_until_sealed(
    collection: tsvec.Collection, *, hot_rows_max: int = _SEALED_ROWS_MIN - 1
) -> None:
    """Return once no more than so many rows are hot; TimeoutError if that never happens."""
    store = store_of(collection)
    _wait(
        lambda: sum(part.rows for part in store.windows.hot) <= hot_rows_max,
        f"more than {hot_rows_max} rows are still hot",
    )


def wait_until_settled(collection: tsvec.Collection) -> None:
    """Return once nothing is left that would be sealed or compacted unasked; else TimeoutError."""
    wait_until_sealed(collection)
    store = store_of(collection)
    run = collection._services.maintainer.run_of(store)
    _wait(
        lambda: (
            not run.is_running
            and choose_merge(extents_of(store), rules_of(store), full=False) is None
        ),
        "compaction does not come to an end",
    )


def rewrite(store: CollectionStore, names: Sequence[str], rows_max: int) -> None:
    """Merge these partitions into ones of so many rows each, as the background would.

    `store.compacting` must be held.
    """
    merge = Merge(
        names=tuple(names),
        reason="neighbours",
        rows_max=rows_max,
        bytes_max=store.ground.settings.compact_bytes_max,
        span_max=None,
        cuts_max=1,
    )
    merge_partitions(store, merge, CompactionRun(), lambda: False)


def depth_of(collection: tsvec.Collection) -> int:
    """The largest number of partitions that cover one instant."""
    return most_covering(extents_of(store_of(collection)))


def check_points(collection: tsvec.Collection, rows: int) -> None:
    """Raise ValueError unless the collection has so many living points."""
    points = collection.get_collection_stats().points
    if points != rows:
        raise ValueError(f"{points:,} points are stored, but {rows:,} were sent")


def _wait(holds: Callable[[], bool], problem: str) -> None:
    deadline = time.monotonic() + _SECONDS_MAX
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(problem)
        time.sleep(_LOOK_SECONDS)
