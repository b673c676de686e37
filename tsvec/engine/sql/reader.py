"""Opening a collection for SQL: its manifest, state and log as they are at this moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tsvec.engine.clock import Clock, SystemClock
from tsvec.engine.horizon import cutoff_at
from tsvec.engine.sql.known import Known, read_known
from tsvec.model.collections import DEFAULT_COLLECTION, DEFAULT_TENANT
from tsvec.model.errors import (
    CollectionNotFoundError,
    CorruptError,
    GoneError,
    NotFoundError,
    did_you_mean,
)
from tsvec.model.validation import invalid_field
from tsvec.storage.checksums import sha256_of
from tsvec.storage.duck import DuckFiles
from tsvec.storage.layout import DELETED_SUFFIX, STAGED_SUFFIX, CollectionPaths, check_format
from tsvec.storage.log.tail import read_tail
from tsvec.storage.manifest import Manifest, PartitionEntry
from tsvec.storage.overlay import read_overlay
from tsvec.storage.sql.session import Beside, Rows, SealedFile, SqlSession
from tsvec.storage.state import read_state
from tsvec.window.entities import EntityRegistry

_TRIES_MAX = 10
"""How often a newer manifest may take away what an older one named before this gives up."""


@dataclass(frozen=True, slots=True)
class SqlReader:
    """A collection as it stood after change `seq`, as far as it is sealed. Close it when done.

    `hot_points` are the living points that are not sealed and so in no answer; as of `sealed_seq`
    none is missing, unless that is beyond the horizon and None.
    """

    collection: str
    seq: int
    sealed_seq: int | None
    hot_points: int
    session: SqlSession

    def execute(self, statement: str) -> Rows:
        """Run a statement over `points`, `versions` and `entities`; see `SqlSession.execute`."""
        return self.session.execute(statement)

    def close(self) -> None:
        """Let the files go."""
        self.session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_sql(
    path: Path,
    collection: str = DEFAULT_COLLECTION,
    *,
    as_of: int | None = None,
    verify: bool = False,
    clock: Clock | None = None,
) -> SqlReader:
    """Read a collection of a directory that any process may have open: no lock is taken.

    `as_of` is a seq; by default it is the last one. With `verify` the sha256 of every partition is
    checked, else its size, and DuckDB checks each block that it reads. Raises
    CollectionNotFoundError, CorruptError naming the file, GoneError for changes beyond the horizon,
    InvalidRequestError for those still to come.
    """
    now = (clock or SystemClock()).now_us()
    for _ in range(_TRIES_MAX):
        paths, manifest = _find(path, collection)
        try:
            return _open(paths, manifest, as_of=as_of, verify=verify, now=now)
        except (CorruptError, FileNotFoundError) as error:
            if not _is_outdated(paths, manifest):
                raise _missing(error) from None
    raise CorruptError(f"{path}: what the manifests name was gone each of {_TRIES_MAX} times")


def collection_names(path: Path) -> list[str]:
    """The names of the collections in a directory that any process may have open."""
    return sorted(manifest.config.name for _, manifest in _readable(path))


def entity_ids(path: Path, collection: str, prefix: str, limit: int) -> list[str]:
    """Some ids of entities that begin so, in the order of their first appearance."""
    paths, manifest = _find(path, collection)
    registry = _read_known(paths, manifest).registry
    ids = (registry.id_of(number) for number in range(len(registry)))
    return [name for name in ids if name.startswith(prefix)][:limit]


def _find(path: Path, collection: str) -> tuple[CollectionPaths, Manifest]:
    names = []
    for paths, manifest in _readable(path):
        if manifest.config.name == collection:
            return paths, manifest
        names.append(manifest.config.name)
    hint = did_you_mean(collection, names)
    raise CollectionNotFoundError(f"there is no collection {collection!r}{hint}")


def _readable(path: Path) -> Iterator[tuple[CollectionPaths, Manifest]]:
    """Every collection; one that is deleted meanwhile is passed over."""
    if not (path / "FORMAT").is_file():
        raise NotFoundError(f"{path} holds no database")
    check_format(path)
    tenant = path / "tenants" / DEFAULT_TENANT
    for found in sorted(tenant.iterdir()) if tenant.is_dir() else ():
        if found.is_dir() and found.suffix not in (STAGED_SUFFIX, DELETED_SUFFIX):
            paths = CollectionPaths(found)
            try:
                yield paths, Manifest.read(paths.manifest)
            except CorruptError:
                if found.exists():
                    raise


def _open(
    paths: CollectionPaths, manifest: Manifest, *, as_of: int | None, verify: bool, now: int
) -> SqlReader:
    known = _read_known(paths, manifest)
    seq = known.last_seq if as_of is None else as_of
    if seq > known.last_seq:
        problem = f"names change {seq}, but the last one is {known.last_seq}"
        raise invalid_field("as_of", problem)
    if seq < manifest.purged_seq:
        raise GoneError(f"as_of: change {seq} lies before {manifest.purged_seq}, the oldest kept")
    cutoff = cutoff_at(known.config, now)
    beside = Beside(known.deaths_table(), known.entities_table(seq), seq, cutoff)
    files = [_checked(paths, entry, verify=verify) for entry in manifest.partitions]
    session = SqlSession(files, known.config.dim, beside)
    whole = manifest.sealed_seq if manifest.sealed_seq >= manifest.purged_seq else None
    return SqlReader(known.config.name, seq, whole, known.count_hot(seq, cutoff), session)


def _read_known(paths: CollectionPaths, manifest: Manifest) -> Known:
    registry = EntityRegistry()
    if manifest.state is not None:
        with closing(DuckFiles(paths.root)) as duck:
            registry = EntityRegistry.from_tables(read_state(duck, paths, manifest.state))
    return read_known(manifest, registry, read_tail(paths.log, manifest.log.position))


def _checked(paths: CollectionPaths, entry: PartitionEntry, *, verify: bool) -> SealedFile:
    path = paths.root / entry.points.path
    size = path.stat().st_size
    if size != entry.points.size:
        raise CorruptError(f"{path} has {size} bytes instead of {entry.points.size}")
    if verify and sha256_of(path) != entry.points.sha256:
        raise CorruptError(f"{path} is damaged: its sha256 does not match the manifest")
    overlay = entry.overlay
    deaths = None if overlay is None else read_overlay(paths, overlay, entry.rows)
    return SealedFile(entry.name, path, deaths)


def _is_outdated(paths: CollectionPaths, manifest: Manifest) -> bool:
    """Whether a later manifest has taken the place of this one, or the collection is gone."""
    try:
        return Manifest.read(paths.manifest).generation != manifest.generation
    except CorruptError:
        return not paths.root.exists()


def _missing(error: CorruptError | FileNotFoundError) -> CorruptError:
    if isinstance(error, CorruptError):
        return error
    return CorruptError(f"{error.filename} is missing; restore the directory from a backup")
