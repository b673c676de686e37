"""The facade of a collection: its points, its queries, its entities, its upkeep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tsvec.engine.entities import Entities
from tsvec.engine.facade.nearest import NearestReads
from tsvec.engine.facade.reads import PointReads
from tsvec.engine.facade.writes import PointWrites
from tsvec.engine.store import CollectionStore
from tsvec.engine.upkeep.compacting import compaction_status
from tsvec.engine.writing.tasks import Promise
from tsvec.model.collections import BytesByKind, CollectionStats, CompactionStatus
from tsvec.model.queries import ReadAt
from tsvec.model.validation import given_record
from tsvec.query.coverage import measure_coverage
from tsvec.query.knn import PreparedKnn

__all__ = ["Collection", "PreparedKnn", "Promise"]

_PROGRESS_SECONDS = 0.2


class Collection(PointWrites, PointReads, NearestReads):
    """A handle by name: cheap, and may outlive its collection. It keeps its database alive."""

    @property
    def entities(self) -> Entities:
        """The entities of this collection."""
        return Entities(self._store, self._services.writer.submit)

    def get_collection_stats(
        self, *, as_of: Any = None, wait_for_seq: int | None = None
    ) -> CollectionStats:
        """Counts and sizes, the counts read from one window set."""
        at = given_record(ReadAt, as_of=as_of, wait_for_seq=wait_for_seq)
        store = self._store()
        windows = store.read(at.as_of, at.wait_for_seq)
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
            bytes=_bytes_by_kind(store),
            write_amplification=written / manifest.sealed_bytes if manifest.sealed_bytes else 1.0,
            oldest_as_of=store.oldest_as_of(),
            compaction=self.get_compaction(),
        )

    def compact(
        self, *, wait: bool = True, progress: Callable[[CompactionStatus], None] | None = None
    ) -> CompactionStatus:
        """Compact all that is worth it, and more than the background would: see the guides.

        With `wait`, return when it is done, telling `progress` now and then; else at once.
        """
        store, maintainer = self._store(), self._services.maintainer
        run = maintainer.run_of(store)
        number = run.ask()
        maintainer.wake()
        maintainer.check_running()
        while wait and not run.wait(number, _PROGRESS_SECONDS):
            maintainer.check_running()
            store.check_open()
            if progress is not None:
                progress(self.get_compaction())
        status = self.get_compaction()
        if progress is not None:
            progress(status)
        return status

    def get_compaction(self) -> CompactionStatus:
        """What compaction does or last did."""
        store = self._store()
        return compaction_status(store, self._services.maintainer.run_of(store))


def _bytes_by_kind(store: CollectionStore) -> BytesByKind:
    manifest = store.manifest
    overlays = (entry.overlay for entry in manifest.partitions)
    return BytesByKind(
        log=store.log.bytes_on_disk(),
        partitions=sum(entry.points.size for entry in manifest.partitions),
        columns=sum(entry.columns.size for entry in manifest.partitions),
        overlays=sum(overlay.size for overlay in overlays if overlay is not None),
        state=manifest.state.size if manifest.state else 0,
    )
