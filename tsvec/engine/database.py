"""The facade of a database directory: its collections, its health, its end."""

from __future__ import annotations

import os
import threading
import weakref
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Self

from tsvec.engine.clock import Clock, ExpiryClock, SystemClock
from tsvec.engine.collection import Collection
from tsvec.engine.facade.handle import Services
from tsvec.engine.metrics import CollectionReading, Reading, render_metrics
from tsvec.engine.store import CollectionStore, Ground
from tsvec.engine.stores import Stores
from tsvec.engine.upkeep.maintainer import Maintainer
from tsvec.engine.upkeep.scrub import Scrubber
from tsvec.engine.upkeep.sealer import Sealer
from tsvec.engine.writing.tasks import CloseTask, ConfigureTask
from tsvec.engine.writing.writer import Writer
from tsvec.kernels.distance import warm_up
from tsvec.model.collections import (
    DEFAULT_COLLECTION,
    DEFAULT_TENANT,
    CollectionConfig,
    CollectionInfo,
    CollectionList,
    CollectionPatch,
    Metric,
)
from tsvec.model.limits import LIMITS
from tsvec.model.replies import CAPABILITIES, Health, Info, Readiness
from tsvec.model.settings import Settings
from tsvec.model.validation import check_page_limit, given_record, record_of
from tsvec.query.coverage import count_points
from tsvec.storage.duck import DuckFiles
from tsvec.storage.failpoints import FailPoints
from tsvec.storage.files import Files
from tsvec.storage.layout import FORMAT_VERSION, RootDirectory
from tsvec.storage.open_columns import OpenColumns
from tsvec.window.masks.cache import MaskCache

API_VERSION = "1.0.0"


class Database:
    """An open database directory. Safe to use from many threads; close it when done."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        settings: Settings | None = None,
        clock: Clock | None = None,
        files: Files | None = None,
    ) -> None:
        """Open or make the directory and recover what it holds.

        Raises ConflictError at once if another process has it open, CorruptError naming the file
        if it cannot be read. A damaged collection is reported by `get_health` and refused by name.
        """
        self.settings = settings = settings or Settings()
        clock = clock or SystemClock()
        files = files or Files(FailPoints.from_environment())
        self._root = RootDirectory.open(Path(path).resolve(), files)
        try:
            ground = Ground(
                files,
                duck=DuckFiles(self._root.path),
                compaction_duck=DuckFiles(self._root.path),
                columns=OpenColumns(settings.open_partitions_max),
                settings=settings,
                clock=clock,
                expiry=ExpiryClock(clock),
                masks=MaskCache(settings.filter_cache_bytes),
            )
            tenant = self._root.tenant(DEFAULT_TENANT)
            self._stores = Stores(ground, clock, tenant)
            self._stores.open_all()
        except BaseException:
            self._root.close()
            raise
        self._expiry = ground.expiry
        self._writer = Writer(clock, files, settings)
        self._sealer = Sealer(clock, self._stores.all, self._writer.fail)
        self._maintainer = Maintainer(
            clock,
            self._stores.all,
            self._writer.submit,
            self._writer.fail,
            Scrubber(settings.scrub_seconds),
        )
        self._writer.on_sealing_due = self._sealer.wake
        self._sealer.on_sealed = self._maintainer.wake
        threads = (self._writer, self._sealer, self._maintainer)
        for thread in threads:
            thread.start()
        # Also runs when the interpreter ends, so that a script that dies leaves a clean directory.
        self._close = weakref.finalize(self, _shut_down, *threads, self._stores, ground, self._root)

    def collection(self, name: str = DEFAULT_COLLECTION) -> Collection:
        """A handle for a collection, which need not exist yet."""
        services = Services(self._stores, self._writer, self._maintainer, self)
        return Collection(services, name)

    def create_collection(
        self, name: str, *, dim: int, metric: Metric = "cosine", **options: str | None
    ) -> Collection:
        """Make a collection; ConflictError if the name is taken.

        Options are the other fields of `CollectionConfig`: `window_size`, `allowed_lateness`,
        `retention`, `history_horizon`, `space`.
        """
        config = given_record(CollectionConfig, name=name, dim=dim, metric=metric, **options)
        self._stores.create(config)
        return self.collection(name)

    def list_collections(self, *, limit: int = 100, cursor: str | None = None) -> CollectionList:
        """One page of collections by name; `cursor` is the last name of the page before."""
        check_page_limit(limit)
        infos = [store.info() for store in self._stores.all()]
        found = [info for info in infos if cursor is None or info.name > cursor]
        page = found[:limit]
        more = len(found) > len(page)
        return CollectionList(items=page, next_cursor=page[-1].name if more else None)

    def get_collection(self, name: str) -> CollectionInfo:
        """A collection as it stands."""
        return self._stores.get(name).info()

    def update_collection(self, name: str, **changes: str | None) -> CollectionInfo:
        """Change what may be changed, the fields of `CollectionPatch`; durable when it returns."""
        store = self._stores.get(name)
        given = record_of(CollectionPatch, changes).changes
        task = ConfigureTask(store, lambda config: config.changed(given))
        self._writer.submit(task)
        return task.future.result()

    def delete_collection(self, name: str) -> None:
        """Remove a collection and all its points."""
        store = self._stores.get(name)
        task = CloseTask(store)
        self._writer.submit(task)
        task.future.result()
        self._stores.remove(store)

    def get_info(self) -> Info:
        """Versions, limits and abilities."""
        return Info(
            version=version("tsvec"),
            api_version=API_VERSION,
            format_version=FORMAT_VERSION,
            limits=LIMITS,
            capabilities=sorted(CAPABILITIES),
        )

    def get_health(self) -> Health:
        """Whether writes are taken and all data can be served."""
        failure = self._writer.failure
        problems = [
            f"collection {name!r} is refused: {error.message}"
            for name, error in self._stores.damaged.items()
        ]
        background = (self._sealer.problem, self._maintainer.problem)
        problems += [text for text in (failure, self._writer.refused, *background) if text]
        problems += self._maintainer.scrubber.problems.values()
        if self._expiry.has_leapt:
            problems.append(
                "the wall clock leapt far ahead; nothing expires by it until it agrees with the "
                "time that went by, or the database is opened again"
            )
        status = "failed" if failure else "degraded" if problems else "ok"
        return Health(status=status, problems=problems)

    def get_ready(self) -> Readiness:
        """Recovery is done once a Database exists; it is ready until it is closed."""
        return Readiness(ready=self._close.alive)

    def warm_up(self) -> None:
        """Have the loops of queries compiled, which otherwise the first query waits for."""
        warm_up()

    def get_metrics(self) -> str:
        """Measurements in the Prometheus text format."""
        return render_metrics(self._read)

    def close(self) -> None:
        """Write what is queued, stop the threads and let the directory go."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _read(self) -> Reading:
        readings = tuple(_read_store(store) for store in self._stores.all())
        return Reading(readings, self._sealer.seals, healthy=self.get_health().status == "ok")


def _shut_down(
    writer: Writer,
    sealer: Sealer,
    maintainer: Maintainer,
    stores: Stores,
    ground: Ground,
    root: RootDirectory,
) -> None:
    if threading.current_thread() in (writer.thread, sealer.thread, maintainer.thread):
        # The collector may run this in any of them, which cannot wait for its own end.
        parts = (writer, sealer, maintainer, stores, ground, root)
        threading.Thread(target=_shut_down, args=parts, name="tsvec-shutdown").start()
        return
    # The writer first: what is still queued may have to wait for a seal to make room.
    writer.stop()
    sealer.stop()
    maintainer.stop()
    stores.close()
    ground.duck.close()
    ground.compaction_duck.close()
    ground.masks.close()
    root.close()


def _read_store(store: CollectionStore) -> CollectionReading:
    windows = store.read()
    hot, sealed = count_points(windows)
    return CollectionReading(
        name=windows.config.name,
        points_hot=hot,
        points_sealed=sealed,
        partitions=len(windows.sealed),
        entities=windows.registry.count_living(),
        seq=windows.seq,
        log_bytes=store.log.bytes_on_disk(),
        log_syncs=store.log.syncs,
    )


def connect(path: str | os.PathLike[str], *, settings: Settings | None = None) -> Database:
    """Open the database in a directory, making it if it is new; see `Database`."""
    return Database(path, settings=settings)
