"""The open collections of one tenant: found at start, made, looked up, deleted."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tsvec.engine.clock import Clock
from tsvec.engine.recovery import create_collection_directory, open_store
from tsvec.engine.store import CollectionStore, Ground
from tsvec.model.collections import CollectionConfig
from tsvec.model.errors import (
    CollectionNotFoundError,
    ConflictError,
    CorruptError,
    TooLargeError,
    TsvecError,
    UnavailableError,
    did_you_mean,
)
from tsvec.model.limits import LIMITS
from tsvec.storage.files import SyncFailedError, translated
from tsvec.storage.layout import DELETED_SUFFIX, CollectionPaths
from tsvec.storage.manifest import Manifest


class Stores:
    """All collections by name; a damaged one is kept apart and refused by name."""

    def __init__(self, ground: Ground, clock: Clock, directory: Path) -> None:
        self._ground = ground
        self._clock = clock
        self._directory = directory
        self._lock = threading.Lock()
        self._stores: dict[str, CollectionStore] = {}
        self._damaged: dict[str, TsvecError] = {}
        self._closed = False

    def open_all(self) -> None:
        """Open what is there and remove what a crash left half made or half deleted.

        An unreadable manifest raises CorruptError, since nobody can tell whose it is; so do two
        collections of one name.
        """
        try:
            for path in sorted(self._directory.iterdir()):
                if path.suffix in (".tmp", DELETED_SUFFIX):
                    self._ground.files.remove(path)
                elif path.is_dir():
                    self._open(Manifest.read(CollectionPaths(path).manifest), path)
        except BaseException:
            self.close()
            raise

    def _open(self, manifest: Manifest, path: Path) -> None:
        name = manifest.config.name
        if name in self._stores or name in self._damaged:
            raise CorruptError(f"{path} is a second collection {name!r}; move one of them away")
        try:
            with _doing(f"cannot open {path}"):
                self._stores[name] = open_store(self._ground, manifest, path)
        except TsvecError as error:
            self._damaged[name] = error

    @property
    def damaged(self) -> dict[str, TsvecError]:
        """Why collections could not be opened, by name."""
        return dict(self._damaged)

    def all(self) -> list[CollectionStore]:
        """The open collections, by name."""
        with self._lock:
            return [self._stores[name] for name in sorted(self._stores)]

    def get(self, name: str) -> CollectionStore:
        """The collection of this name; CollectionNotFoundError, or why it could not be opened."""
        store = self._stores.get(name)
        if store is not None:
            return store
        damage = self._damaged.get(name)
        if damage is not None:
            raise type(damage)(f"collection {name!r} is refused: {damage.message}")
        hint = did_you_mean(name, list(self._stores)) or "; create it first"
        raise CollectionNotFoundError(f"there is no collection {name!r}{hint}")

    def find(self, name: str) -> CollectionStore | None:
        """The collection of this name, None if there is none."""
        is_known = name in self._stores or name in self._damaged
        return self.get(name) if is_known else None

    def create(self, config: CollectionConfig, *, exist_ok: bool = False) -> CollectionStore:
        """A new, empty collection with a new history; ConflictError if the name is taken."""
        with self._lock:
            if self._closed:
                raise UnavailableError("the database is closed")
            taken = self._stores.get(config.name)
            if taken is not None and exist_ok:
                return taken
            if taken is not None or config.name in self._damaged:
                raise ConflictError(f"collection {config.name!r} already exists")
            if len(self._stores) >= LIMITS.collections_max:
                raise TooLargeError(
                    f"{LIMITS.collections_max} collections exist (collections_max); delete one"
                )
            path = self._directory / self._clock.new_directory()
            history, now = self._clock.new_history(), self._clock.now_us()
            with _doing(f"cannot create collection {config.name!r}"):
                try:
                    create_collection_directory(self._ground, path, config, history, now)
                    manifest = Manifest.read(CollectionPaths(path).manifest)
                    store = open_store(self._ground, manifest, path)
                except BaseException:
                    # A second try has another directory: two of one name must not remain.
                    self._ground.files.remove(self._set_aside(path))
                    raise
            self._stores[config.name] = store
            return store

    def remove(self, store: CollectionStore) -> None:
        """Remove a closed collection; queries that hold a window set of it finish undisturbed.

        The name stays taken until the directory is renamed, so that no crash can leave two.
        """
        files, name = self._ground.files, store.windows.config.name
        with store.sealing, store.compacting, _doing(f"cannot delete collection {name!r}"):
            gone = self._set_aside(store.paths.root)
            files.failpoints.hit("delete.renamed")
            with self._lock:
                del self._stores[name]
            files.remove(gone)

    def _set_aside(self, path: Path) -> Path:
        """Rename a collection's directory, if it is there, so that no open takes it for one."""
        gone = path.with_name(path.name + DELETED_SUFFIX)
        if path.exists():
            self._ground.files.rename(path, gone)
        return gone

    def close(self) -> None:
        """Let all files go; nothing can be made any more."""
        with self._lock:
            self._closed = True
        for store in self.all():
            store.close()


@contextmanager
def _doing(what: str) -> Iterator[None]:
    """Turn what the disk refused into an error of the API."""
    try:
        with translated(what):
            yield
    except SyncFailedError as error:
        raise UnavailableError(f"{what}: fsync failed ({error}); restart to recover") from error
