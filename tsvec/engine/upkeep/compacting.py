"""Compaction: partitions are merged into fewer, sorted ones, without what nobody can ask for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from tsvec.engine.store import CollectionStore
from tsvec.engine.upkeep.checkpoint import Arrangement, FreshPart, commit_manifest
from tsvec.engine.upkeep.sealing import partition_bytes
from tsvec.model.collections import CompactionStatus
from tsvec.model.times import time_to_datetime
from tsvec.storage.files import SyncFailedError
from tsvec.storage.partition import PartitionStore
from tsvec.window.compaction import (
    CompactionRules,
    Extent,
    Merge,
    choose_merge,
    count_waiting,
    cut_rows,
)
from tsvec.window.merge import MergedRun
from tsvec.window.sealed import SealedPart

_SPANS_PER_RETENTION = 16
"""What has expired but shares a partition with what has not is at most this part of it all."""


class CompactionStopped(Exception):  # noqa: N818  it is no error
    """The database is closing; what was written so far is thrown away."""


@dataclass(slots=True)
class FullScope:
    """What a full compaction is about: the partitions that were there when it began and what it
    makes of them, and the horizon of that moment. So it ends, however much is written meanwhile.
    """

    oldest: int
    names: set[str]
    written: set[str] = field(default_factory=set)


class CompactionRun:
    """What compaction does or last did in one collection, and whether someone asked for all of it.

    A run goes on until nothing is worth a merge.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._asked = 0
        self._answered = 0
        self.is_running = False
        self.started_at: datetime | None = None
        self.merges = 0
        self.rows = 0
        self.bytes = 0
        self.problem: str | None = None
        self.scope: FullScope | None = None

    @property
    def is_full(self) -> bool:
        """Whether a full compaction is asked for."""
        return self._asked > self._answered

    def ask(self) -> int:
        """Ask for a full compaction; give the number to `wait`."""
        with self._changed:
            self._asked += 1
            return self._asked

    def wait(self, number: int, seconds: float) -> bool:
        """Wait until that compaction has ended, well or not; False if it has not yet."""
        with self._changed:
            return self._changed.wait_for(lambda: self._answered >= number, seconds)

    def begin(self, now_us: int) -> None:
        """A merge begins; the first of a run begins the run."""
        if not self.is_running:
            self.is_running = True
            self.started_at = time_to_datetime(now_us)
            self.merges = self.rows = self.bytes = 0
            self.problem = None

    def end(self, asked: int, problem: str | None = None) -> None:
        """Nothing is left to do, or what was begun failed."""
        with self._changed:
            self.is_running = False
            self.scope = None
            self.problem = problem
            self._answered = max(self._answered, asked)
            self._changed.notify_all()

    @property
    def asked(self) -> int:
        """The number of the last full compaction asked for."""
        return self._asked


def rules_of(store: CollectionStore) -> CompactionRules:
    """The rules that the settings and the retention of a collection make."""
    settings, config = store.ground.settings, store.windows.config
    span = None
    if config.retention_us is not None:
        span = max(config.window_us, config.retention_us // _SPANS_PER_RETENTION)
    return CompactionRules(
        rows_base=store.hot_block_rows,
        rows_max=settings.compact_rows_max,
        bytes_max=settings.compact_bytes_max,
        span_max=span,
    )


def extents_of(store: CollectionStore, scope: FullScope | None = None) -> list[Extent]:
    """What the planner must know of each live partition, or of those in a scope."""
    if scope is None:
        oldest = store.oldest_as_of()
        return [_extent(part, oldest) for part in store.windows.sealed]
    return [
        _extent(part, scope.oldest, is_written=part.name in scope.written)
        for part in store.windows.sealed
        if part.name in scope.names or part.name in scope.written
    ]


def _extent(part: SealedPart, oldest: int, *, is_written: bool = False) -> Extent:
    """The extent of a part; of what was just written, all is folded and purged that can be."""
    purgeable = 0
    if part.has_deaths and not is_written:
        purgeable = int(np.count_nonzero(part.deaths().seq <= oldest))
    return Extent(
        part.name,
        part.rows,
        part.entry.columns.size,
        part.time_min,
        part.time_max,
        unfolded=0 if is_written else part.unfolded.count,
        purgeable=purgeable,
    )


def compaction_status(store: CollectionStore, run: CompactionRun) -> CompactionStatus:
    """What compaction does or last did, and what is left for it to do."""
    return CompactionStatus(
        state="running" if run.is_running or run.is_full else "failed" if run.problem else "idle",
        started_at=run.started_at,
        merges=run.merges,
        rows=run.rows,
        bytes=run.bytes,
        partitions=len(store.windows.sealed),
        waiting=count_waiting(extents_of(store), rules_of(store)),
        problem=run.problem,
    )


def choose_next(store: CollectionStore, run: CompactionRun) -> Merge | None:
    """The next merge that is worth its while; a full run begins with a scope."""
    if run.is_full and run.scope is None:
        names = {part.name for part in store.windows.sealed}
        run.scope = FullScope(store.oldest_as_of(), names)
    extents = extents_of(store, run.scope)
    return choose_merge(extents, rules_of(store), full=run.scope is not None)


def merge_partitions(
    store: CollectionStore, merge: Merge, progress: CompactionRun, is_stopping: Callable[[], bool]
) -> None:
    """Write the points of some partitions as fewer ones, and let the old ones go.

    A failure leaves everything as it was; see `seal`.
    """
    files, config = store.ground.files, store.windows.config
    partitions = PartitionStore(files, store.ground.compaction_duck, store.paths)
    names = frozenset(merge.names)
    sources = [part for part in store.windows.sealed if part.name in names]
    files.failpoints.hit("compact.start")
    oldest = store.oldest_as_of()
    run = MergedRun(sources, store.registry, config.dim, purge_seq=oldest)
    rows = sum(part.rows for part in sources)
    row_bytes = sum(part.entry.columns.size for part in sources) // rows
    pieces = cut_rows(run.times, np.full(len(run), row_bytes), merge)
    written: list[str] = []
    try:
        fresh = []
        for piece in pieces:
            if is_stopping():
                raise CompactionStopped
            written.append(store.name_partition())
            entry = partitions.write(written[-1], run.table(piece), config, step="compact")
            fresh.append(FreshPart(store.open_partition(entry), run, piece))
        new_bytes = sum(partition_bytes(one.part.entry) for one in fresh)
        reach = store.ground.expiry.now_us() - config.horizon_us
        with store.arranging:
            commit_manifest(
                store,
                Arrangement(
                    fresh=fresh,
                    gone=names,
                    compacted_bytes=new_bytes,
                    purged=(oldest, reach) if len(run) < rows else None,
                ),
            )
            _swap(store, names, fresh)
    except BaseException as error:
        if not isinstance(error, SyncFailedError):
            for name in written:
                files.remove(store.paths.partitions / name)
        raise
    files.failpoints.hit("compact.swapped")
    if progress.scope is not None:
        progress.scope.written.update(one.part.name for one in fresh)
    progress.merges += 1
    progress.rows += len(run)
    progress.bytes += new_bytes


def _swap(store: CollectionStore, names: frozenset[str], fresh: list[FreshPart]) -> None:
    def transfer() -> None:
        for one in fresh:
            one.transfer()

    store.rearrange(
        lambda sealed: (
            *(part for part in sealed if part.name not in names),
            *(one.part for one in fresh),
        ),
        before=transfer,
    )
