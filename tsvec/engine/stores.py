"""The open collections of all tenants: found at start, made, looked up, deleted."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TypeAlias

from tsvec.engine.access.problems import Problem
from tsvec.engine.access.tenants import Tenants
from tsvec.engine.clock import Clock
from tsvec.engine.recovery import create_collection_directory, open_store
from tsvec.engine.retries.requests import CollectionRequests
from tsvec.engine.store import CollectionStore, Ground
from tsvec.model.bounds.usage import check_quota
from tsvec.model.collections import CollectionConfig, CollectionInfo
from tsvec.model.errors import (
    CollectionNotFoundError,
    ConflictError,
    CorruptError,
    TooLargeError,
    TsvecError,
    UnavailableError,
    did_you_mean,
)
from tsvec.model.retries.once import Once
from tsvec.model.times import time_to_datetime
from tsvec.storage.files import SyncFailedError, translated
from tsvec.storage.layout import DELETED_SUFFIX, CollectionPaths, RootDirectory
from tsvec.storage.manifest import Manifest

_Place: TypeAlias = tuple[str, str]
"""Tenant and name of a collection."""


class Stores:
    """All collections by tenant and name; a damaged one is kept apart and refused by name."""

    def __init__(self, ground: Ground, clock: Clock, root: RootDirectory, tenants: Tenants) -> None:
        self.ground = ground
        self._clock = clock
        self._root = root
        self._tenants = tenants
        self._lock = threading.Lock()
        self._stores: dict[_Place, CollectionStore] = {}
        self._damaged: dict[_Place, TsvecError] = {}
        self._requests: dict[str, CollectionRequests] = {}
        self._closed = False
        tenants.sources.append(lambda: {tenant for tenant, _ in [*self._stores, *self._damaged]})

    def open_all(self) -> None:
        """Open what is there and remove what a crash left half made or half deleted.

        An unreadable manifest raises CorruptError, since nobody can tell whose it is; so do two
        collections of one name.
        """
        try:
            for tenant in self._root.tenants():
                for path in sorted(self._root.tenant(tenant).iterdir()):
                    if path.suffix in (".tmp", DELETED_SUFFIX):
                        self.ground.files.remove(path)
                    elif path.is_dir():
                        self._open(tenant, Manifest.read(CollectionPaths(path).manifest), path)
        except BaseException:
            self.close()
            raise

    def _open(self, tenant: str, manifest: Manifest, path: Path) -> None:
        name = manifest.config.name
        place = (tenant, name)
        if place in self._stores or place in self._damaged:
            raise CorruptError(f"{path} is a second collection {name!r}; move one of them away")
        try:
            with _doing(f"cannot open {path}"):
                self._stores[place] = open_store(self.ground, manifest, path)
        except TsvecError as error:
            self._damaged[place] = error

    def of(self, tenant: str, reach: frozenset[str] | None = None) -> TenantStores:
        """The collections of one tenant, who need not exist yet; errors name those in reach."""
        return TenantStores(self, tenant, reach)

    @property
    def problems(self) -> list[Problem]:
        """Which collections could not be opened, and why."""
        return [
            Problem(f"collection {name!r} is refused: {error.message}", tenant)
            for (tenant, name), error in self._damaged.items()
        ]

    def all(self, tenant: str | None = None) -> list[CollectionStore]:
        """The open collections, of one tenant or of all, by tenant and name."""
        with self._lock:
            places = sorted(place for place in self._stores if tenant in {None, place[0]})
            return [self._stores[place] for place in places]

    def get(self, tenant: str, name: str, reach: frozenset[str] | None = None) -> CollectionStore:
        """The collection of this name; CollectionNotFoundError, or why it could not be opened."""
        store = self._stores.get((tenant, name))
        if store is not None:
            return store
        damage = self._damaged.get((tenant, name))
        if damage is not None:
            raise type(damage)(f"collection {name!r} is refused: {damage.message}")
        names = [
            known
            for owner, known in self._stores
            if owner == tenant and (reach is None or known in reach)
        ]
        hint = did_you_mean(name, names) or "; create it first"
        raise CollectionNotFoundError(f"there is no collection {name!r}{hint}")

    def requests(self, tenant: str) -> CollectionRequests:
        """The requests of a tenant that are not to make or delete a collection twice."""
        with self._lock:
            return self._requests_of(tenant)

    def _requests_of(self, tenant: str) -> CollectionRequests:
        found = self._requests.get(tenant)
        if found is None:
            ground, directory = self.ground, self._root.path_of(tenant)
            found = CollectionRequests(ground.files, directory, ground.settings, ground.expiry)
            if directory.is_dir():
                self._requests[tenant] = found
        return found

    def create(
        self,
        tenant: str,
        config: CollectionConfig,
        *,
        exist_ok: bool = False,
        once: Once | None = None,
    ) -> CollectionStore:
        """A new, empty collection with a new history; ConflictError if the name is taken."""
        place = (tenant, config.name)
        turn = nullcontext() if once is None else self.requests(tenant).turn
        with turn, self._lock:
            if self._closed:
                raise UnavailableError("the database is closed")
            taken = self._stores.get(place)
            if taken is not None and exist_ok:
                return taken
            if taken is not None or place in self._damaged:
                raise ConflictError(f"collection {config.name!r} already exists")
            self._check_room(tenant)
            with _doing(f"cannot create collection {config.name!r}"):
                store = self._make(self._root.tenant(tenant), config, once)
            self._stores[place] = store
            return store

    def _check_room(self, tenant: str) -> None:
        self._tenants.check_room(tenant)
        count = sum(owner == tenant for owner, _ in self._stores)
        settings = self.ground.settings
        if count >= (most := settings.limits.collections_max):
            raise TooLargeError(
                f"{count} collections exist, of at most {most} (collections_max); delete one"
            )
        check_quota("quota_collections", settings.quota_collections, count, 1)

    def _make(
        self, directory: Path, config: CollectionConfig, once: Once | None
    ) -> CollectionStore:
        path = directory / self._clock.new_directory()
        history, now = self._clock.new_history(), self._clock.now_us()
        try:
            with self._noted_maker(once, path, config, history, now):
                create_collection_directory(self.ground, path, config, history, now)
            manifest = Manifest.read(CollectionPaths(path).manifest)
            return open_store(self.ground, manifest, path)
        except BaseException:
            # A second try has another directory: two of one name must not remain.
            self.ground.files.remove(self._set_aside(path))
            raise

    def _noted_maker(
        self, once: Once | None, path: Path, config: CollectionConfig, history: int, now: int
    ) -> AbstractContextManager[None]:
        """Note the request that makes a collection, if it is to happen once."""
        if once is None:
            return nullcontext()
        reply = CollectionInfo(
            **config.model_dump(),
            history=f"{history:016x}",
            created_at=time_to_datetime(now),
            seq=0,
        )
        requests = self._requests_of(path.parent.name)
        return requests.noted(once, "made", path.name, reply.model_dump_json())

    def remove(self, store: CollectionStore, once: Once | None = None) -> None:
        """Remove a closed collection; queries that hold a window set of it finish undisturbed.

        The name stays taken until the directory is renamed, so that no crash can leave two.
        """
        files, name, path = self.ground.files, store.windows.config.name, store.paths.root
        requests = self.requests(store.tenant)
        with (
            requests.turn,
            store.sealing,
            store.compacting,
            _doing(f"cannot delete collection {name!r}"),
        ):
            with requests.noted(once, "deleted", path.name, ""):
                gone = self._set_aside(path)
            files.failpoints.hit("delete.renamed")
            with self._lock:
                del self._stores[store.tenant, name]
            files.remove(gone)
            with self._lock:
                self._root.forget_tenant(store.tenant)

    def _set_aside(self, path: Path) -> Path:
        """Rename a collection's directory, if it is there, so that no open takes it for one."""
        gone = path.with_name(path.name + DELETED_SUFFIX)
        if path.exists():
            self.ground.files.rename(path, gone)
        return gone

    def close(self) -> None:
        """Let all files go; nothing can be made any more."""
        with self._lock:
            self._closed = True
        for store in self.all():
            store.close()


class TenantStores:
    """The collections of one tenant, by name."""

    def __init__(self, stores: Stores, tenant: str, reach: frozenset[str] | None = None) -> None:
        self._stores = stores
        self._reach = reach
        self.tenant = tenant
        self.ground = stores.ground

    def all(self) -> list[CollectionStore]:
        """The open collections, by name."""
        return self._stores.all(self.tenant)

    def get(self, name: str) -> CollectionStore:
        """The collection of this name; CollectionNotFoundError, or why it could not be opened."""
        return self._stores.get(self.tenant, name, self._reach)

    def find(self, name: str) -> CollectionStore | None:
        """The collection of this name, None if there is none."""
        try:
            return self.get(name)
        except CollectionNotFoundError:
            return None

    @property
    def requests(self) -> CollectionRequests:
        """The requests that are not to make or delete a collection twice."""
        return self._stores.requests(self.tenant)

    def create(
        self, config: CollectionConfig, *, exist_ok: bool = False, once: Once | None = None
    ) -> CollectionStore:
        """A new, empty collection with a new history; ConflictError if the name is taken."""
        return self._stores.create(self.tenant, config, exist_ok=exist_ok, once=once)

    def remove(self, store: CollectionStore, once: Once | None = None) -> None:
        """Remove a closed collection; queries that hold a window set of it finish undisturbed."""
        self._stores.remove(store, once)


@contextmanager
def _doing(what: str) -> Iterator[None]:
    """Turn what the disk refused into an error of the API."""
    try:
        with translated(what):
            yield
    except SyncFailedError as error:
        raise UnavailableError(f"{what}: fsync failed ({error}); restart to recover") from error
