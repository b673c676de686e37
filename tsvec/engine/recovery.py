"""Making, opening and recovering the directory of a collection."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np

from tsvec.engine.store import Changes, CollectionStore, Ground
from tsvec.model.collections import CollectionConfig
from tsvec.model.errors import CorruptError
from tsvec.model.vectors import Int64Array
from tsvec.storage.columns import ColumnsFile
from tsvec.storage.files import SyncFailedError
from tsvec.storage.layout import CollectionPaths
from tsvec.storage.log.chain import Log
from tsvec.storage.log.frames import Frame, Operation
from tsvec.storage.log.segment import HEADER_BYTES
from tsvec.storage.manifest import LogEntry, Manifest, PartitionEntry, remove_orphans
from tsvec.storage.partition import PartitionStore
from tsvec.storage.schema import decode_points, times_from_arrow, vectors_from_arrow
from tsvec.storage.state import read_state
from tsvec.window.entities import EntityDraft, EntityRegistry
from tsvec.window.hot import HotRows
from tsvec.window.part import Numbers
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
    partitions = PartitionStore(ground.files, ground.duck, paths)
    if manifest.state is None:
        registry = EntityRegistry()
    else:
        registry = EntityRegistry.from_table(read_state(ground.duck, paths, manifest.state))
    sealed = [
        SealedPart(entry, _open_columns(partitions, entry, manifest.config), registry)
        for entry in manifest.partitions
    ]
    history = manifest.history_number
    log = Log.open(ground.files, paths.log, ground.settings.segment_bytes_max, history)
    try:
        ground.files.failpoints.hit("recovery.opened")
        store = CollectionStore(ground, paths, manifest, log, registry, sealed)
        for frame in log.replay(manifest.log.position):
            _replay(store, frame)
        check_log_end(log, manifest, paths)
        log.settle()
        # Last: a manifest that turns out to be the wrong one must not have cost any file.
        remove_orphans(ground.files, manifest, paths)
        ground.files.failpoints.hit("recovery.replayed")
    except BaseException:
        log.close()
        raise
    return store


def check_log_end(log: Log, manifest: Manifest, paths: CollectionPaths) -> None:
    """Raise CorruptError unless a replayed log goes as far as the manifest knows it did."""
    known = max(manifest.sealed_seq, manifest.state_seq)
    if log.end.seq <= known:
        raise CorruptError(
            f"{paths.log} ends at seq {log.end.seq - 1}; seq {known} was durable as well"
        )


def _open_columns(
    partitions: PartitionStore, entry: PartitionEntry, config: CollectionConfig
) -> ColumnsFile:
    """The mapped columns, rebuilt from the DuckDB file if they are damaged."""
    partitions.check_truth(entry)
    with contextlib.suppress(CorruptError):
        return partitions.open(entry)
    return partitions.rebuild_columns(entry, config)


def _replay(store: CollectionStore, frame: Frame) -> None:
    """Apply one frame as its commit did, leaving out what is sealed or in the state."""
    windows = store.windows
    seq = max(windows.seq, frame.last_seq)
    recorded_at = max(windows.recorded_at, frame.recorded_at)
    if frame.operation is Operation.CONFIGURE:
        config = CollectionConfig.model_validate_json(bytes(frame.payload))
        store.apply(Changes(EntityDraft(), [], [], config, seq, recorded_at))
    elif frame.operation is Operation.INSERT_POINTS:
        draft, seen, rows = _decode(store, frame)
        store.apply(Changes(draft, [seen], [rows], windows.config, seq, recorded_at))


def _decode(
    store: CollectionStore, frame: Frame
) -> tuple[EntityDraft, tuple[Numbers, Int64Array], HotRows]:
    """The entities a frame adds, what the state has not counted, and what is not sealed."""
    registry, manifest = store.registry, store.manifest
    dim = manifest.config.dim
    batch = decode_points(frame.payload, dim)
    seqs = np.arange(frame.first_seq, frame.last_seq + 1, dtype=np.uint64)
    times = times_from_arrow(batch.column("timestamp"))
    types = batch.column("entity_type").to_pylist()
    draft = EntityDraft()
    known = []
    for name, entity_type in zip(batch.column("entity_id").to_pylist(), types, strict=True):
        number = registry.number_of(name)
        if number is None:
            fresh = len(registry) + len(draft.numbers)
            number = draft.numbers.setdefault(name, fresh)
        if frame.last_seq > manifest.state_seq:
            draft.types[number] = entity_type
        known.append(number)
    numbers = np.array(known, np.uint32)
    unseen = seqs > manifest.state_seq
    hot = np.flatnonzero(seqs > manifest.sealed_seq)
    keys = batch.column("key").to_pylist()
    metadata = batch.column("metadata").to_pylist()
    rows = HotRows(
        number=numbers[hot],
        timestamp=times[hot],
        seq=seqs[hot],
        recorded_at=frame.recorded_at,
        vector=vectors_from_arrow(batch.column("vector"), dim)[hot],
        metadata=[metadata[row] for row in hot.tolist()],
        key=[keys[row] for row in hot.tolist()],
    )
    return draft, (numbers[unseen], times[unseen]), rows
