"""One open collection: what a durable commit or a seal changes, and the window set it publishes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from tsvec.model.collections import CollectionConfig, CollectionInfo
from tsvec.model.errors import CollectionNotFoundError
from tsvec.model.settings import Settings
from tsvec.model.times import time_to_datetime
from tsvec.model.vectors import Int64Array
from tsvec.storage.duck import DuckFiles
from tsvec.storage.files import Files, SyncFailedError
from tsvec.storage.layout import CollectionPaths
from tsvec.storage.log.chain import Log
from tsvec.storage.manifest import (
    FileEntry,
    LogEntry,
    Manifest,
    PartitionEntry,
    remove_orphans,
)
from tsvec.storage.partition import PartitionStore
from tsvec.storage.state import entities_schema, write_state
from tsvec.window.entities import EntityDraft, EntityFacts, EntityRegistry
from tsvec.window.hot import HotRows, HotSet, HotSlice
from tsvec.window.part import Numbers
from tsvec.window.seal import choose_sealable, sorted_table
from tsvec.window.sealed import SealedPart
from tsvec.window.window_set import WindowSet

_STATE_ENTITIES_MIN = 4_096


@dataclass(frozen=True, slots=True)
class Ground:
    """What every store of a database works with."""

    files: Files
    duck: DuckFiles
    settings: Settings


@dataclass(frozen=True, slots=True)
class Changes:
    """What one durable group did to a collection.

    `seen` are the (entity numbers, event times) to count, `rows` the points to hold hot.
    """

    entities: EntityDraft
    seen: Sequence[tuple[Numbers, Int64Array]]
    rows: Sequence[HotRows]
    config: CollectionConfig
    seq: int
    recorded_at: int


class CollectionStore:
    """The writer thread applies changes, the worker thread seals, anyone reads `windows`."""

    def __init__(
        self,
        ground: Ground,
        paths: CollectionPaths,
        manifest: Manifest,
        log: Log,
        registry: EntityRegistry,
        sealed: Sequence[SealedPart],
    ) -> None:
        self.paths = paths
        self.log = log
        self.registry = registry
        self.partitions = PartitionStore(ground.files, ground.duck, paths)
        self.maintenance = threading.Lock()
        self._ground = ground
        self._manifest = manifest
        self._sealed = tuple(sealed)
        self._lock = threading.Lock()
        self._room = threading.Condition(self._lock)
        self._hot = HotSet(
            manifest.config.dim,
            registry,
            cosine=manifest.config.metric == "cosine",
            block_rows=ground.settings.seal_rows,
        )
        self._sealing_failed: Exception | None = None
        self.is_closed = False
        self._windows = WindowSet(
            manifest.config,
            manifest.history,
            manifest.sealed_seq,
            manifest.recorded_at,
            self._sealed,
            (),
            registry,
        )

    @property
    def windows(self) -> WindowSet:
        """The latest published window set."""
        return self._windows

    @property
    def manifest(self) -> Manifest:
        """The manifest in force."""
        return self._manifest

    @property
    def history_number(self) -> int:
        """The history as frames carry it."""
        return self._manifest.history_number

    def facts_of(self, entity_id: str) -> tuple[WindowSet, EntityFacts | None]:
        """The window set and what is known of an entity, both as of the same change."""
        with self._lock:
            number = self.registry.number_of(entity_id)
            facts = None if number is None else self.registry.facts(number)
            return self._windows, facts

    def info(self) -> CollectionInfo:
        """The collection as it stands."""
        windows = self._windows
        return CollectionInfo(
            **windows.config.model_dump(),
            history=windows.history,
            created_at=time_to_datetime(self._manifest.created_at),
            seq=windows.seq,
        )

    def wait_for_room(self) -> None:
        """Wait while the hot set is full; raise what keeps it from being sealed."""
        with self._room:
            while self._is_full:
                if self._sealing_failed is not None:
                    raise self._sealing_failed
                self._room.wait(timeout=1.0)

    @property
    def is_sealing_due(self) -> bool:
        """Whether there is a partition's worth of hot rows, or no room for more."""
        return self._hot.rows >= self._hot.block_rows or self._is_full

    @property
    def _is_full(self) -> bool:
        settings = self._ground.settings
        return self._hot.rows >= settings.hot_rows_max or self._hot.bytes >= settings.hot_bytes_max

    def check_open(self) -> None:
        """Raise CollectionNotFoundError once the collection is deleted."""
        if self.is_closed:
            name = self._windows.config.name
            raise CollectionNotFoundError(f"collection {name!r} was deleted")

    def apply(self, changes: Changes) -> None:
        """Show durable changes to readers."""
        with self._lock:
            self.registry.apply(changes.entities)
            for numbers, times in changes.seen:
                self.registry.observe(numbers, times)
            for rows in changes.rows:
                self._hot.append(rows)
            self._publish(changes.config, changes.seq, changes.recorded_at)

    def sealable(self, now_us: int) -> tuple[HotSlice, ...]:
        """The hot rows worth sealing now."""
        hot = self._windows.hot
        chosen = choose_sealable(hot, self._hot.block_rows, now_us, self._ground.settings)
        # However few they are, rows that fill the memory must go, or writers would wait for ever.
        return chosen or (hot if self._is_full else ())

    def seal(self, parts: Sequence[HotSlice], now_us: int) -> None:
        """Make leading hot slices a partition; readers see no difference but the part's name.

        A failure leaves everything as it was and the next try begins anew, except SyncFailedError,
        after which nobody knows which manifest is on disk.
        """
        files, config = self._ground.files, self._windows.config
        try:
            files.failpoints.hit("seal.start")
            table = sorted_table(parts, self.registry, config.dim)
            name = f"p-{self._manifest.generation + 1:08d}"
            entry = self.partitions.write(name, table, config)
            part = SealedPart(entry, self.partitions.open(entry), self.registry)
            self._commit_seal(entry)
        except Exception as error:
            self.note_sealing_failed(error)
            if not isinstance(error, SyncFailedError):
                with contextlib.suppress(OSError):
                    remove_orphans(files, self._manifest, self.paths)
            raise
        with self._room:
            self._sealing_failed = None
            self._sealed = (*self._sealed, part)
            self._hot.drop_sealed(entry.seq_max)
            windows = self._windows
            self._publish(windows.config, windows.seq, windows.recorded_at)
            self._room.notify_all()
        files.failpoints.hit("seal.window_set_swapped")
        remove_orphans(files, self._manifest, self.paths)
        self._truncate_log(now_us)

    def note_sealing_failed(self, error: Exception) -> None:
        """Tell a writer who waits for room why there is none."""
        with self._room:
            self._sealing_failed = error
            self._room.notify_all()

    def close(self) -> None:
        """Let the files go; later writes are refused."""
        self.is_closed = True
        self.log.close()

    def _publish(self, config: CollectionConfig, seq: int, recorded_at: int) -> None:
        history = self._manifest.history
        hot = self._hot.slices()
        self._windows = WindowSet(
            config, history, seq, recorded_at, self._sealed, hot, self.registry
        )

    def _commit_seal(self, entry: PartitionEntry) -> None:
        """Write the state if it is due, then the manifest that makes both live."""
        before, sealed_seq = self._manifest, entry.seq_max
        state, state_seq = before.state, before.state_seq
        due = len(self.registry) <= max(_STATE_ENTITIES_MIN, sealed_seq - state_seq)
        if due and self._windows.seq > state_seq:
            state, state_seq = self._write_state()
        place = self.log.position_of(min(sealed_seq, state_seq) + 1)
        windows = self._windows
        manifest = before.model_copy(
            update={
                "generation": before.generation + 1,
                "config": windows.config,
                "sealed_seq": sealed_seq,
                "recorded_at": windows.recorded_at,
                "log": LogEntry(
                    segment=place.segment, offset=place.offset, chain=place.chain, seq=place.seq
                ),
                "partitions": (*before.partitions, entry),
                "state": state,
                "state_seq": state_seq,
            }
        )
        manifest.write(self._ground.files, self.paths.manifest)
        self._manifest = manifest

    def _write_state(self) -> tuple[FileEntry, int]:
        with self._lock:
            seq = self._windows.seq
            table = self.registry.to_table(entities_schema())
        entry = write_state(self._ground.files, self._ground.duck, self.paths, seq, table)
        return entry, seq

    def _truncate_log(self, now_us: int) -> None:
        settings = self._ground.settings
        self.log.truncate(
            self._manifest.log.position,
            bytes_kept=settings.feed_bytes_max,
            created_before=now_us - int(settings.feed_age_seconds * 1_000_000),
        )
