"""Making, opening and recovering the directory of a collection."""

from __future__ import annotations

from pathlib import Path

from tsvec.engine.replay import replay_frame
from tsvec.engine.retries.awaited import AwaitedReplies
from tsvec.engine.store import Changes, CollectionStore, Ground
from tsvec.model.collections import CollectionConfig
from tsvec.model.errors import CorruptError
from tsvec.storage.files import SyncFailedError
from tsvec.storage.layout import CollectionPaths
from tsvec.storage.log.chain import Log
from tsvec.storage.log.segment import HEADER_BYTES
from tsvec.storage.manifest import LogEntry, Manifest, PartitionEntry, remove_orphans
from tsvec.storage.overlay import read_overlay
from tsvec.storage.state import read_state
from tsvec.window.entities import EntityRegistry
from tsvec.window.sealed import SealedPart

_STAGED = ".tmp"


def create_collection_directory(
    ground: Ground, path: Path, config: CollectionConfig, history: int, created_at: int
) -> None:
    """A new, empty collection: built beside, then renamed, so that it is whole or not there."""
    files, settings = ground.files, ground.settings
    staged = CollectionPaths(path.with_name(path.name + _STAGED))
    try:
        files.make_directory(staged.root)
        files.make_directory(staged.partitions)
        files.make_directory(staged.state)
        Log.create(
            files,
            staged.log,
            history=history,
            created_at=created_at,
            segment_bytes=(settings.segment_bytes_min, settings.segment_bytes_max),
        ).close()
        files.failpoints.hit("collection.directory_made")
        Manifest(
            generation=1,
            config=config,
            history=f"{history:016x}",
            created_at=created_at,
            sealed_seq=0,
            recorded_at=created_at,
            log=LogEntry(segment=1, offset=HEADER_BYTES, chain=0, seq=1),
        ).write(files, staged.manifest)
        files.failpoints.hit("collection.manifest_written")
        files.rename(staged.root, path)
    except (OSError, SyncFailedError):
        files.remove(staged.root)
        raise


def open_store(ground: Ground, manifest: Manifest, path: Path) -> CollectionStore:
    """An existing collection, recovered from its manifest and log; CorruptError names damage."""
    paths = CollectionPaths(path)
    tables = {}
    if manifest.state is not None:
        tables = read_state(ground.duck, paths, manifest.state)
    registry = EntityRegistry.from_tables(tables) if tables else EntityRegistry()
    history = manifest.history_number
    log = Log.open(ground.files, paths.log, ground.settings.segment_bytes_max, history)
    try:
        ground.files.failpoints.hit("recovery.opened")
        store = CollectionStore(ground, paths, manifest, log, registry)
        sealed = [_open_part(store, entry) for entry in manifest.partitions]
        store.rearrange(lambda _: sealed)
        if tables:
            store.ledger.restore_table(tables["replies"])
        _replay(store)
        check_log_end(log, manifest, paths)
        log.settle()
        # Last: a manifest that turns out to be the wrong one must not have cost any file.
        remove_orphans(ground.files, manifest, paths)
        ground.files.failpoints.hit("recovery.replayed")
    except BaseException:
        log.close()
        raise
    return store


def _replay(store: CollectionStore) -> None:
    """Apply what the log holds beyond the files of the manifest."""
    replies = AwaitedReplies()
    for frame in store.log.replay(store.manifest.log.position):
        replay_frame(store, frame)
        store.ledger.restore(replies.see(frame))
    windows = store.windows
    if replies.recorded_at > windows.recorded_at:
        store.apply(Changes(windows.config, windows.seq, replies.recorded_at))


def _open_part(store: CollectionStore, entry: PartitionEntry) -> SealedPart:
    """A partition with its deaths, its columns rebuilt if they are damaged."""
    store.partitions.check_truth(entry)
    part = store.open_partition(entry)
    if entry.overlay is not None:
        part.bury(read_overlay(store.paths, entry.overlay, entry.rows))
        part.unfolded.begin_save()
    try:
        part.check()
    except CorruptError:
        store.partitions.rebuild_columns(entry, store.manifest.config)
        part.check()
    return part


def check_log_end(log: Log, manifest: Manifest, paths: CollectionPaths) -> None:
    """Raise CorruptError unless a replayed log goes as far as the manifest knows it did."""
    known = max(manifest.sealed_seq, manifest.state_seq)
    if log.end.seq <= known:
        raise CorruptError(
            f"{paths.log} ends at seq {log.end.seq - 1}; seq {known} was durable as well"
        )
