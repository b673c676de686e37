"""The facade of a collection: its points, its queries, its entities, its upkeep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tsvec.engine.entities import Entities
from tsvec.engine.facade.nearest import NearestReads
from tsvec.engine.facade.reads import PointReads
from tsvec.engine.facade.writes import PointWrites
from tsvec.engine.retries.fingerprints import parts_of_objects
from tsvec.engine.upkeep.compacting import CompactionRun, compaction_status
from tsvec.engine.writing.quotas import bytes_by_kind
from tsvec.engine.writing.tasks import CompactTask, Promise
from tsvec.model.collections import BytesByKind, CollectionStats, CompactionStatus
from tsvec.model.queries import ReadAt
from tsvec.model.retries.once import IdempotencyKey, Once, once_given
from tsvec.query.coverage import measure_coverage
from tsvec.query.knn import PreparedKnn

__all__ = ["Collection", "PreparedKnn", "Promise"]

_PROGRESS_SECONDS = 0.2


class Collection(PointWrites, PointReads, NearestReads):
    """A handle by name: cheap, and may outlive its collection. It keeps its database alive."""

    @property
    def entities(self) -> Entities:
        """The entities of this collection."""
        return Entities(self._services, self.name, self.deadline)

    def get_collection_stats(
        self, *, as_of: Any = None, wait_for_seq: int | None = None
    ) -> CollectionStats:
        """Counts and sizes, the counts read from one window set."""
        at = self._given(ReadAt, as_of=as_of, wait_for_seq=wait_for_seq)
        store = self._store()
        windows = store.read(at.as_of, at.wait_for_seq, self.deadline)
        coverage = measure_coverage(windows, is_present=at.as_of is None)
        manifest = store.manifest
        written = manifest.sealed_bytes + manifest.compacted_bytes
        return CollectionStats(
            collection=self.name,
            as_of_seq=windows.seq,
            points=coverage.points,
            hot_points=coverage.hot_points,
            sealed_points=coverage.sealed_points,
            dead_points=coverage.dead_points,
            entities=coverage.entities,
            partitions=len(windows.sealed),
            first_time=coverage.first_time,
            last_time=coverage.last_time,
            windows=coverage.windows,
            gaps=coverage.gaps,
            largest_gap_seconds=coverage.largest_gap_seconds,
            bytes=BytesByKind(**bytes_by_kind(store)),
            write_amplification=written / manifest.sealed_bytes if manifest.sealed_bytes else 1.0,
            oldest_as_of=store.oldest_as_of(),
            compaction=self.get_compaction(),
        )

    def compact(
        self,
        *,
        wait: bool = True,
        progress: Callable[[CompactionStatus], None] | None = None,
        idempotency_key: IdempotencyKey = None,
    ) -> CompactionStatus:
        """Compact all that is worth it, and more than the background would: see the guides.

        With `wait`, return when it is done, telling `progress` now and then; else at once, as with
        an `idempotency_key`.
        """
        once = once_given(idempotency_key, parts_of_objects("compact"))
        if once is not None:
            return self._compact_once(once)
        store, maintainer = self._store(), self._services.maintainer
        run, number = self._begin_compaction()
        while wait and not run.wait(number, _PROGRESS_SECONDS):
            maintainer.check_running()
            store.check_open()
            if progress is not None:
                progress(self.get_compaction())
        status = self.get_compaction()
        if progress is not None:
            progress(status)
        return status

    def _begin_compaction(self) -> tuple[CompactionRun, int]:
        """Ask for a compaction; the run that will do it, and its number there."""
        maintainer = self._services.maintainer
        run = maintainer.run_of(self._store())
        number = run.ask()
        maintainer.wake()
        maintainer.check_running()
        return run, number

    def _compact_once(self, once: Once) -> CompactionStatus:
        def begin() -> CompactionStatus:
            self._begin_compaction()
            return self.get_compaction()

        return self._services.commit(CompactTask(self._store(), begin, once))

    def get_compaction(self) -> CompactionStatus:
        """What compaction does or last did."""
        store = self._store()
        return compaction_status(store, self._services.maintainer.run_of(store))
