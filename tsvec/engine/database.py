"""The facade of a database directory: its collections, its health, its end."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Collection as AnyOf
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Self

from tsvec.engine.access.admin import Admin
from tsvec.engine.access.keyring import KeyRing
from tsvec.engine.access.problems import Problem, told
from tsvec.engine.access.tenants import Tenants
from tsvec.engine.clock import Clock, ExpiryClock, SystemClock
from tsvec.engine.facade.collections import CollectionVerbs
from tsvec.engine.facade.handle import Services
from tsvec.engine.metrics import CollectionReading, Reading, render_metrics
from tsvec.engine.store import CollectionStore, Ground
from tsvec.engine.stores import Stores, TenantStores
from tsvec.engine.upkeep.maintainer import Maintainer
from tsvec.engine.upkeep.scrub import Scrubber
from tsvec.engine.upkeep.sealer import Sealer
from tsvec.engine.writing.writer import Writer
from tsvec.kernels.distance import warm_up
from tsvec.model.access.tenants import check_tenant_name
from tsvec.model.collections import DEFAULT_TENANT
from tsvec.model.replies import CAPABILITIES, Health, Info, Readiness
from tsvec.model.settings import Settings
from tsvec.model.validation import invalid_field
from tsvec.query.coverage import count_points
from tsvec.storage.duck import DuckFiles
from tsvec.storage.failpoints import FailPoints
from tsvec.storage.files import Files
from tsvec.storage.layout import FORMAT_VERSION, RootDirectory
from tsvec.storage.open_columns import OpenColumns
from tsvec.window.masks.cache import MaskCache

API_VERSION = "1.0.0"
_LEAP = (
    "the wall clock leapt far ahead; nothing expires by it until it agrees with the time that went "
    "by, or the database is opened again"
)


class Database(CollectionVerbs):
    """An open database directory. Safe to use from many threads; close it when done.

    Its collections are those of the tenant `default`; `tenant` gives the others'.
    """

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
            tenants = Tenants(settings.limits.tenants_max)
            self.keys = KeyRing.open(self._root, clock, tenants, settings.limits.keys_max)
            self._root.tenant(DEFAULT_TENANT)
            self._everything = Stores(ground, clock, self._root, tenants)
            self._everything.open_all()
        except BaseException:
            self._root.close()
            raise
        self._expiry = ground.expiry
        self._writer = Writer(clock, files, settings)
        self._writer.stores_of = self._everything.all
        self._sealer = Sealer(clock, self._everything.all, self._writer.fail)
        self._maintainer = Maintainer(
            clock,
            self._everything.all,
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
        parts = (*threads, self._everything, ground, self._root)
        self._close = weakref.finalize(self, _shut_down, *parts)

    @property
    def _stores(self) -> TenantStores:
        return self._everything.of(DEFAULT_TENANT)

    @property
    def _services(self) -> Services:
        return self._services_of(DEFAULT_TENANT)

    def _services_of(self, tenant: str, reach: frozenset[str] | None = None) -> Services:
        # Made anew each time: kept, it would be a cycle, and a database that is let go stays open.
        return Services(self._everything.of(tenant, reach), self._writer, self._maintainer, self)

    def tenant(self, name: str, *, collections: AnyOf[str] | None = None) -> Tenant:
        """The collections of a tenant, who need not exist yet; only these ones, if any are named.

        InvalidRequestError for a name that no tenant can have.
        """
        try:
            check_tenant_name(name)
        except ValueError as error:
            raise invalid_field("tenant", f"is refused: {error}") from None
        reach = None if collections is None else frozenset(collections)
        return Tenant(self, self._services_of(name, reach), reach)

    @property
    def admin(self) -> Admin:
        """The keys of the tenant `default`."""
        return Admin(self.keys, DEFAULT_TENANT)

    def get_info(self) -> Info:
        """Versions, limits and abilities."""
        return Info(
            version=version("tsvec"),
            api_version=API_VERSION,
            format_version=FORMAT_VERSION,
            limits=self.settings.limits,
            capabilities=sorted(CAPABILITIES),
        )

    def get_health(self, tenant: str | None = None) -> Health:
        """Whether writes are taken and all data can be served; `tenant` is told only its own."""
        writer, failure = self._writer, self._writer.failure
        problems = [
            *self._everything.problems,
            Problem(failure) if failure else None,
            writer.refused,
            self._sealer.problem,
            self._maintainer.problem,
            *self._maintainer.scrubber.problems.values(),
            Problem(_LEAP) if self._expiry.has_leapt else None,
        ]
        texts = told(problems, tenant)
        status = "failed" if failure else "degraded" if texts else "ok"
        return Health(status=status, problems=texts)

    def get_ready(self) -> Readiness:
        """Recovery is done once a Database exists; it is ready until it is closed."""
        return Readiness(ready=self._close.alive)

    def warm_up(self) -> None:
        """Have the loops of queries compiled, which otherwise the first query waits for."""
        warm_up()

    def get_metrics(self, tenant: str | None = None, collections: AnyOf[str] | None = None) -> str:
        """Measurements in the Prometheus text format; of one tenant's collections, or of all."""
        return render_metrics(lambda: self._read(tenant, collections))

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

    def _read(self, tenant: str | None, collections: AnyOf[str] | None) -> Reading:
        stores = self._everything.all(tenant)
        readings = [_read_store(store) for store in stores]
        shown = [each for each in readings if collections is None or each.name in collections]
        healthy = self.get_health(tenant).status == "ok"
        return Reading(tuple(shown), self._sealer.seals, healthy=healthy)


class Tenant(CollectionVerbs):
    """The collections of one tenant, as one caller may reach them."""

    def __init__(
        self, database: Database, services: Services, reach: frozenset[str] | None
    ) -> None:
        self.reach = reach
        self.name = services.stores.tenant
        self._database = database
        self._own = services

    @property
    def _services(self) -> Services:
        return self._own

    @property
    def admin(self) -> Admin:
        """The keys of this tenant."""
        return Admin(self._database.keys, self.name)

    def get_info(self) -> Info:
        """Versions, limits and abilities."""
        return self._database.get_info()

    def get_health(self) -> Health:
        """Whether writes are taken and all data of this tenant can be served."""
        return self._database.get_health(self.name)

    def get_ready(self) -> Readiness:
        """Whether the database can answer."""
        return self._database.get_ready()

    def get_metrics(self) -> str:
        """Measurements of the process and of these collections, in the Prometheus text format."""
        return self._database.get_metrics(self.name, self.reach)


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
        tenant=store.tenant,
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
