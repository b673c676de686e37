"""Dropping a large expired partition while queries run."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

import tsvec
from benchmarks.beside import repeating
from benchmarks.data import COLLECTION, START, entity_of, make_vectors
from benchmarks.measure import Context, timed
from benchmarks.result import Figure, Outcome, Target
from benchmarks.upkeep import SetClock, check_points, rewrite, store_of, wait_until_sealed
from tsvec.engine.store import CollectionStore
from tsvec.engine.upkeep.expiry import drop_expired, unlink_gone
from tsvec.storage.manifest import PartitionEntry

DIM = 16
K = 10
_LIVE_SHARE = 50
_BATCH_ROWS = 10_000
_DAY_US = 86_400_000_000
_WINDOW_US = 30 * _DAY_US
"""Of event time, and so of a partition: the rows that expire fill a third of one."""
_RETENTION_US = 90 * _DAY_US
_SPREAD_US = 10 * _DAY_US
_BEGIN_US = int(START.astype(np.int64)) // _WINDOW_US * _WINDOW_US
_WAIT_SECONDS_MAX = 30.0
_LOOK_SECONDS = 0.0005
_SETTINGS = tsvec.Settings(seal_age_seconds=0.001, seal_age_rows_min=1)
_CAUSE = (
    "the counts of entities and the state are written anew, a log frame and a manifest are synced, "
    "and a reader that is at work holds the files for as long as it takes"
)


@dataclass(slots=True)
class Asked:
    """What the queries saw that ran meanwhile."""

    asked: int = 0
    failed: int = 0
    slowest: float = 0.0
    first_error: str = ""


@dataclass(frozen=True, slots=True)
class Dropped:
    """Seconds until the manifest was without the partition and until its files were gone."""

    unnamed: float
    unlinked: float
    asked: Asked = field(default_factory=Asked)


def run(context: Context) -> Outcome:
    """Drop the partition of a fresh copy each time, with queries at work and without."""
    rows = context.rows
    context.say(f"building a partition of {rows:,} rows")
    original = context.scratch / "expiring"
    size = build(original, rows)
    found = context.interleave(
        {
            "with queries": partial(drop, original, True),
            "without": partial(drop, original, False),
        }
    )
    shutil.rmtree(original)
    busy, quiet = found["with queries"], found["without"]
    errors = [one.asked.first_error for one in busy if one.asked.failed]
    return Outcome(
        figures=[
            Figure.of(
                "until the files are gone, queries running",
                [one.unlinked * 1e3 for one in busy],
                unit="ms",
                target=Target(at_most=50.0),
                cause=_CAUSE,
            ),
            Figure.of(
                "until the manifest is without it, queries running",
                [one.unnamed * 1e3 for one in busy],
                unit="ms",
            ),
            Figure.of(
                "until the files are gone, no queries",
                [one.unlinked * 1e3 for one in quiet],
                unit="ms",
            ),
            Figure.of(
                "queries that failed",
                [one.asked.failed for one in busy],
                target=Target(at_most=0),
                cause=next(iter(errors), ""),
            ),
            Figure.of("the slowest query", [one.asked.slowest * 1e3 for one in busy], unit="ms"),
        ],
        facts={
            "rows of the partition": rows,
            "dim": DIM,
            "MB of the partition": size / 1e6,
            "queries a block": busy[0].asked.asked,
        },
    )


def build(path: Path, rows: int) -> int:
    """A database with an old partition of so many rows and a young one; the bytes of the old."""
    clock = SetClock(_BEGIN_US + _SPREAD_US)
    live = max(K, rows // _LIVE_SHARE)
    with tsvec.Database(path, settings=_SETTINGS, clock=clock) as database:
        collection = database.create_collection(
            COLLECTION, dim=DIM, metric="l2", window_size="30d", retention="90d"
        )
        store = store_of(collection)
        with store.compacting:
            for begin, count in ((_BEGIN_US, rows), (_BEGIN_US + _WINDOW_US, live)):
                _ingest(collection, begin, count)
                clock.advance(1_000_000)
                wait_until_sealed(collection, hot_rows_max=0)
                names = [e.name for e in store.manifest.partitions if e.time_min >= begin]
                rewrite(store, names, rows_max=rows)
        check_points(collection, rows + live)
        old = _oldest(store)
    if old.rows != rows:
        raise ValueError(f"the old partition has {old.rows:,} rows, not {rows:,}")
    return old.points.size + old.columns.size


def _ingest(collection: tsvec.Collection, begin: int, count: int) -> None:
    """So many rows, evenly over `_SPREAD_US` from `begin` on (µs)."""
    for first in range(0, count, _BATCH_ROWS):
        numbers = np.arange(first, min(first + _BATCH_ROWS, count))
        collection.ingest(
            entity_id=list(map(entity_of, numbers.tolist())),
            vector=make_vectors(len(numbers), seed=first, dim=DIM),
            timestamp=begin + numbers * (_SPREAD_US // count),
        )


def _oldest(store: CollectionStore) -> PartitionEntry:
    return min(store.manifest.partitions, key=lambda entry: entry.time_min)


def drop(original: Path, ask: bool, _block: int) -> Dropped:
    """Let the old partition of a copy expire and do by hand what the background does about it."""
    path = original.with_name("dropping")
    shutil.copytree(original, path)
    clock = SetClock(_BEGIN_US + 2 * _SPREAD_US)
    with tsvec.Database(path, settings=_SETTINGS, clock=clock) as database:
        collection = database.collection(COLLECTION)
        store = store_of(collection)
        expiring = store.paths.partitions / _oldest(store).name
        # As a database at work: it has written to its log and made a partition since it was opened.
        _ingest(collection, _BEGIN_US + _WINDOW_US + _SPREAD_US, K)
        clock.advance(1_000_000)
        wait_until_sealed(collection, hot_rows_max=0)
        # Held, so that the background does not do it first.
        with store.compacting, _asking(collection, is_asking=ask) as asked:
            clock.advance(_RETENTION_US + _WINDOW_US)
            with timed() as unlinked:
                with timed() as unnamed:
                    dropped = drop_expired(store, database._writer.submit)
                _unlink(collection, expiring)
        if dropped != 1:
            raise RuntimeError(f"{dropped} partitions were dropped, not one")
    shutil.rmtree(path)
    return Dropped(unnamed.seconds, unlinked.seconds, asked)


def _unlink(collection: tsvec.Collection, directory: Path) -> None:
    """Unlink it once no reader holds it any more."""
    deadline = time.monotonic() + _WAIT_SECONDS_MAX
    while directory.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{directory.name} is still held")
        unlink_gone(store_of(collection))
        time.sleep(_LOOK_SECONDS)


@contextmanager
def _asking(collection: tsvec.Collection, *, is_asking: bool) -> Iterator[Asked]:
    """Asks one question after the other over all of the time in another thread."""
    asked = Asked()
    if not is_asking:
        yield asked
        return
    with repeating(partial(_ask, collection, asked)):
        _wait_for_more(asked)
        yield asked
        _wait_for_more(asked)


def _wait_for_more(asked: Asked) -> None:
    deadline, before = time.monotonic() + _WAIT_SECONDS_MAX, asked.asked
    while asked.asked < before + K:
        if time.monotonic() > deadline:
            raise TimeoutError("the queries do not come to an end")
        time.sleep(_LOOK_SECONDS)


def _ask(collection: tsvec.Collection, asked: Asked) -> None:
    vector = make_vectors(1, seed=asked.asked, dim=DIM)[0]
    asked.asked += 1
    try:
        with timed() as watch:
            reply = collection.temporal_knn(vector, k=K)
        if reply.returned != K:
            raise ValueError(f"{reply.returned} hits instead of {K}")
    except Exception as error:  # noqa: BLE001  whatever it is, it is a query that failed
        asked.failed += 1
        asked.first_error = asked.first_error or repr(error)
    else:
        asked.slowest = max(asked.slowest, watch.seconds)
