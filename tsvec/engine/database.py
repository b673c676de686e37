"""The facade of a database directory: its collections, its health, its end."""

from __future__ import annotations

import os
import threading
import weakref
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Self

from tsvec.engine.clock import Clock, SystemClock
from tsvec.engine.collection import Collection
from tsvec.engine.commit import CloseTask, ConfigureTask
from tsvec.engine.metrics import CollectionReading, Reading, render_metrics
from tsvec.engine.store import CollectionStore, Ground
from tsvec.engine.stores import Stores
from tsvec.engine.worker import Worker
from tsvec.engine.writer import Writer
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
from tsvec.model.replies import Health, Info, Readiness
from tsvec.model.settings import Settings
from tsvec.model.validation import check_page_limit, record_of
from tsvec.storage.duck import DuckFiles
from tsvec.storage.failpoints import FailPoints
from tsvec.storage.files import Files
from tsvec.storage.layout import FORMAT_VERSION, RootDirectory

API_VERSION = "1.0.0"
_CAPABILITIES = ["arrow_ingest", "exact_knn", "explain"]


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
            duck = DuckFiles(self._root.path)
            ground = Ground(files, duck, settings)
            tenant = self._root.tenant(DEFAULT_TENANT)
            self._stores = Stores(ground, clock, tenant)
            self._stores.open_all()
        except BaseException:
            self._root.close()
            raise
        self._writer = Writer(clock, files, settings)
        self._worker = Worker(clock, self._stores.all, self._writer.fail)
        self._writer.on_sealing_due = self._worker.wake
        self._writer.start()
        self._worker.start()
        # Also runs when the interpreter ends, so that a script that dies leaves a clean directory.
        self._close = weakref.finalize(
            self, _shut_down, self._writer, self._worker, self._stores, duck, self._root
        )

    def collection(self, name: str = DEFAULT_COLLECTION) -> Collection:
        """A handle for a collection, which need not exist yet."""
        return Collection(self._stores, self._writer, name, self)

    def create_collection(
        self, name: str, *, dim: int, metric: Metric = "cosine", window_size: str = "1h"
    ) -> Collection:
        """Make a collection; ConflictError if the name is taken."""
        fields = {"name": name, "dim": dim, "metric": metric, "window_size": window_size}
        config = record_of(CollectionConfig, fields)
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

    def update_collection(self, name: str, *, window_size: str) -> CollectionInfo:
        """Change what may be changed; durable when it returns."""
        store = self._stores.get(name)
        patch = record_of(CollectionPatch, {"window_size": window_size})
        config = store.windows.config.model_copy(update=patch.model_dump())
        task = ConfigureTask(store, config)
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
            capabilities=_CAPABILITIES,
        )

    def get_health(self) -> Health:
        """Whether writes are taken and all data can be served."""
        failure = self._writer.failure
        problems = [
            f"collection {name!r} is refused: {error.message}"
            for name, error in self._stores.damaged.items()
        ]
        problems += [text for text in (failure, self._writer.refused, self._worker.problem) if text]
        status = "failed" if failure else "degraded" if problems else "ok"
        return Health(status=status, problems=problems)

    def get_ready(self) -> Readiness:
        """Recovery is done once a Database exists; it is ready until it is closed."""
        return Readiness(ready=self._close.alive)

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
        return Reading(readings, self._worker.seals, healthy=self.get_health().status == "ok")


def _shut_down(
    writer: Writer, worker: Worker, stores: Stores, duck: DuckFiles, root: RootDirectory
) -> None:
    if threading.current_thread() in (writer.thread, worker.thread):
        # The collector may run this in either thread, which cannot wait for its own end.
        parts = (writer, worker, stores, duck, root)
        threading.Thread(target=_shut_down, args=parts, name="tsvec-shutdown").start()
        return
    # The writer first: what is still queued may have to wait for a seal to make room.
    writer.stop()
    worker.stop()
    stores.close()
    duck.close()
    root.close()


def _read_store(store: CollectionStore) -> CollectionReading:
    windows = store.windows
    return CollectionReading(
        name=windows.config.name,
        points_hot=windows.hot_rows,
        points_sealed=windows.rows - windows.hot_rows,
        partitions=len(windows.sealed),
        entities=len(windows.registry),
        seq=windows.seq,
        log_bytes=store.log.bytes_on_disk(),
        log_syncs=store.log.syncs,
    )


def connect(path: str | os.PathLike[str], *, settings: Settings | None = None) -> Database:
    """Open the database in a directory, making it if it is new; see `Database`."""
    return Database(path, settings=settings)
