"""Committing a manifest: new partitions, deaths and state become what a restart finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from tsvec.engine.retries.ledger import LedgerSnapshot
from tsvec.engine.store import CollectionStore
from tsvec.storage.files import SyncFailedError
from tsvec.storage.manifest import FileEntry, LogEntry, Manifest, PartitionEntry
from tsvec.storage.overlay import Deaths, write_overlay
from tsvec.storage.state import write_state
from tsvec.window.merge import MergedRun
from tsvec.window.part import ALIVE
from tsvec.window.sealed import SealedPart
from tsvec.window.window_set import WindowSet

_CHANGES_MIN = 4_096
"""A checkpoint is worth writing when it is shorter than this, or than what happened since."""


@dataclass(frozen=True, slots=True)
class FreshPart:
    """A partition that is on disk but not yet live: a piece of a merged run."""

    part: SealedPart
    run: MergedRun
    piece: slice

    def transfer(self) -> None:
        """Bury here what died in the sources since the run was made."""
        deaths = self.run.deaths_since(self.piece)
        if not len(deaths.row):
            return
        dead = self.part.dead_seqs(deaths.row)
        alive = slice(None) if dead is None else dead == ALIVE
        self.part.bury(
            Deaths(deaths.row[alive], deaths.seq[alive], deaths.at[alive], deaths.by[alive])
        )


@dataclass(frozen=True, slots=True)
class Arrangement:
    """What a new manifest changes in the old one."""

    fresh: Sequence[FreshPart] = ()
    gone: frozenset[str] = frozenset()
    sealed_seq: int = 0
    sealed_bytes: int = 0
    compacted_bytes: int = 0
    purged: tuple[int, int] | None = None


@dataclass(slots=True)
class _Snapshot:
    """What the new manifest says of changes up to `seq`; `gone` it no longer names."""

    gone: frozenset[str] = frozenset()
    seq: int = 0
    recorded_at: int = 0
    tables: dict[str, pa.Table] | None = None
    replies: LedgerSnapshot = field(default_factory=LedgerSnapshot)
    replies_added: int = 0
    saves: list[tuple[SealedPart, Deaths, int | None]] = field(default_factory=list)
    unsaved_from: int | None = None


def commit_manifest(store: CollectionStore, arrangement: Arrangement) -> None:
    """Make an arrangement durable; `store.arranging` must be held.

    Deaths and state are saved along where that pays. An error leaves the old manifest in force,
    except SyncFailedError, after which nobody knows which one is: no other may follow then, and
    nothing that either of them names may go.
    """
    if store.is_doubtful:
        raise SyncFailedError(f"{store.paths.manifest}: the fsync before failed")
    snapshot = _Snapshot()
    store.hold(lambda windows: _take(store, windows, arrangement, snapshot))
    before = store.manifest
    try:
        manifest = _write(store, before, arrangement, snapshot)
    except BaseException as error:
        for part, _, unsaved_from in snapshot.saves:
            part.unfolded.unsave(unsaved_from)
        store.is_doubtful = isinstance(error, SyncFailedError)
        if not store.is_doubtful:
            _remove_unnamed(store, before)
        raise
    store.hold(lambda _: _adopt(store, manifest, snapshot))
    kept = {file.path for file in manifest.live_files()}
    for file in before.live_files():
        if file.path not in kept and not file.path.startswith("partitions/"):
            store.ground.files.remove(store.paths.root / file.path)


def _remove_unnamed(store: CollectionStore, manifest: Manifest) -> None:
    """Remove what a failed checkpoint has written, half written files included."""
    live = {store.paths.root / file.path for file in manifest.live_files()}
    for directory in (store.paths.overlays, store.paths.state):
        for path in directory.iterdir() if directory.is_dir() else ():
            if path not in live:
                store.ground.files.remove(path)


def _adopt(store: CollectionStore, manifest: Manifest, snapshot: _Snapshot) -> None:
    store.manifest = manifest
    store.ledger.added -= snapshot.replies_added
    store.configured = [entry for entry in store.configured if entry[0] >= manifest.purged_seq]


def _take(
    store: CollectionStore, windows: WindowSet, arrangement: Arrangement, snapshot: _Snapshot
) -> None:
    """Fix what is saved, while no change can be applied."""
    for fresh in arrangement.fresh:
        fresh.transfer()
    # What a tick took out of sight is in no count any more. State and manifest must say so
    # together, and no seq tells them apart: so whoever commits first commits both.
    expired = {entry.name for entry in store.manifest.partitions}
    expired -= {part.name for part in windows.sealed}
    snapshot.gone = arrangement.gone | expired
    live = [part for part in windows.sealed if part.name not in snapshot.gone]
    parts = [*live, *(fresh.part for fresh in arrangement.fresh)]
    new = {fresh.part.name for fresh in arrangement.fresh}
    dirty = [part for part in parts if part.unfolded.unsaved_from is not None]
    cost = len(store.registry) + len(store.ledger) + sum(part.unfolded.count for part in dirty)
    since = windows.seq - store.manifest.state_seq + store.ledger.added
    due = since > 0 and cost <= max(_CHANGES_MIN, since)
    snapshot.seq, snapshot.recorded_at = windows.seq, windows.recorded_at
    if due or expired:
        _forget(store, windows)
        snapshot.tables = store.registry.to_tables()
        snapshot.replies = store.ledger.snapshot()
        snapshot.replies_added = store.ledger.added
    else:
        dirty = [part for part in dirty if part.name in new]
    snapshot.saves = [(part, *part.unfolded.begin_save()) for part in dirty]
    left = [part.unfolded.unsaved_from for part in parts]
    snapshot.unsaved_from = min((seq for seq in left if seq is not None), default=None)


def _forget(store: CollectionStore, windows: WindowSet) -> None:
    """Forget what the registry knows from beyond the horizon.

    The manifest in force refuses to read it from that moment on, also if no other is ever written.
    """
    oldest = store.oldest_as_of()
    if oldest > store.manifest.purged_seq:
        reach = store.ground.expiry.now_us() - windows.config.horizon_us
        purged = {"purged_seq": oldest, "purged_at": reach}
        store.manifest = store.manifest.model_copy(update=purged)
        store.registry.purge(oldest)


def _write(
    store: CollectionStore,
    before: Manifest,
    arrangement: Arrangement,
    snapshot: _Snapshot,
) -> Manifest:
    """Write the files of a snapshot, then the manifest that names them."""
    files = store.ground.files
    generation = before.generation + 1
    overlays: dict[str, FileEntry] = {}
    files.failpoints.hit("checkpoint.start")
    for part, deaths, _ in snapshot.saves:
        name = part.name
        overlays[name] = write_overlay(files, store.paths, name, generation, deaths)
    state, state_seq = before.state, before.state_seq
    if snapshot.tables is not None:
        duck, state_seq = store.ground.duck, snapshot.seq
        tables = snapshot.tables | {"replies": snapshot.replies.to_table()}
        state = write_state(files, duck, store.paths, state_seq, tables, generation)
    sealed_seq = max(before.sealed_seq, arrangement.sealed_seq)
    needed = [sealed_seq, state_seq]
    if snapshot.unsaved_from is not None:
        needed.append(snapshot.unsaved_from - 1)
    place = store.log.position_of(min(needed) + 1)
    known = (before.purged_seq, before.purged_at)
    purged = max(known, arrangement.purged or known)
    entries = [
        *(entry for entry in before.partitions if entry.name not in snapshot.gone),
        *(fresh.part.entry for fresh in arrangement.fresh),
    ]
    changes: dict[str, Any] = {
        "generation": generation,
        "config": store.windows.config,
        "sealed_seq": sealed_seq,
        "recorded_at": snapshot.recorded_at,
        "log": LogEntry(
            segment=place.segment, offset=place.offset, chain=place.chain, seq=place.seq
        ),
        "partitions": tuple(_with_overlay(entry, overlays) for entry in entries),
        "state": state,
        "state_seq": state_seq,
        "purged_seq": purged[0],
        "purged_at": purged[1],
        "config_changes": tuple(entry for entry in store.configured if entry[0] >= purged[0]),
        "last_partition": max([before.last_partition, *(_number(e) for e in entries)]),
        "sealed_bytes": before.sealed_bytes + arrangement.sealed_bytes,
        "compacted_bytes": before.compacted_bytes + arrangement.compacted_bytes,
    }
    manifest = before.model_copy(update=changes)
    manifest.write(files, store.paths.manifest)
    return manifest


def _number(entry: PartitionEntry) -> int:
    return int(entry.name.removeprefix("p-"))


def _with_overlay(entry: PartitionEntry, overlays: dict[str, FileEntry]) -> PartitionEntry:
    overlay = overlays.get(entry.name)
    return entry if overlay is None else entry.model_copy(update={"overlay": overlay})
