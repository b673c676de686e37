"""One open collection: what durable changes and upkeep change, and the window sets it publishes."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from tsvec.engine.clock import Clock, ExpiryClock
from tsvec.engine.published import Published
from tsvec.engine.retries.ledger import Ledger
from tsvec.model.collections import CollectionConfig, CollectionInfo
from tsvec.model.settings import Settings
from tsvec.model.times import time_to_datetime
from tsvec.model.vectors import Int64Array
from tsvec.storage.duck import DuckFiles
from tsvec.storage.files import Files
from tsvec.storage.layout import CollectionPaths
from tsvec.storage.log.chain import Log
from tsvec.storage.manifest import Manifest, PartitionEntry
from tsvec.storage.open_columns import LazyColumns, OpenColumns
from tsvec.storage.partition import PartitionStore
from tsvec.storage.retries.replies import KeptReply
from tsvec.window.attributes import AttributesVersion
from tsvec.window.deaths import deaths_of
from tsvec.window.entities import EntityDraft, EntityRegistry
from tsvec.window.hot import HotRows, HotSet
from tsvec.window.identity import find_by_seq
from tsvec.window.masks.cache import MaskCache
from tsvec.window.part import ALIVE, Numbers, Seqs
from tsvec.window.sealed import SealedPart
from tsvec.window.window_set import WindowSet


@dataclass(frozen=True, slots=True)
class Ground:
    """What every store of a database works with.

    `duck` writes seals and checkpoints, `compaction_duck` what takes long and must not delay them;
    `masks` remembers what filters let pass.
    """

    files: Files
    duck: DuckFiles
    compaction_duck: DuckFiles
    columns: OpenColumns
    settings: Settings
    clock: Clock
    expiry: ExpiryClock
    masks: MaskCache = field(default_factory=MaskCache)


@dataclass(frozen=True, slots=True)
class Burial:
    """Versions that died by a group: `victim` is the seq that made each, `seq` the one it died by.

    `counted` says whether the registry still counts them as living.
    """

    number: Numbers
    timestamp: Int64Array
    victim: Seqs
    seq: Seqs
    at: int
    by: int
    counted: bool = True


@dataclass(frozen=True, slots=True)
class Changes:
    """What one durable group did to a collection.

    `seen` are the (entity numbers, event times) to count, `rows` the points to hold hot, `resets`
    the (number, seq) of deleted entities, `dropped` the names of expired partitions, `kept` the
    replies to be repeated.
    """

    config: CollectionConfig
    seq: int
    recorded_at: int
    entities: EntityDraft = field(default_factory=EntityDraft)
    seen: Sequence[tuple[Numbers, Int64Array]] = ()
    rows: Sequence[HotRows] = ()
    burials: Sequence[Burial] = ()
    attributes: Sequence[tuple[int, AttributesVersion]] = ()
    resets: Sequence[tuple[int, int]] = ()
    dropped: frozenset[str] = frozenset()
    configured: Sequence[tuple[int, int]] = ()
    ticks: int = 0
    kept: Sequence[KeptReply] = ()


class CollectionStore(Published):
    """The writer thread applies changes, upkeep rearranges parts, anyone reads `windows`.

    `arranging` is held by whoever commits a manifest, `sealing` and `compacting` by a whole run of
    that kind. It is doubtful once nobody knows which manifest is on disk.
    """

    def __init__(
        self,
        ground: Ground,
        paths: CollectionPaths,
        manifest: Manifest,
        log: Log,
        registry: EntityRegistry,
    ) -> None:
        super().__init__(
            ground.clock,
            ground.expiry,
            manifest,
            registry,
            ground.masks,
            ground.settings.limits.wait_seconds_max,
        )
        self.ground = ground
        self.paths = paths
        self.log = log
        self.registry = registry
        self.is_doubtful = False
        self.sealing = threading.Lock()
        self.compacting = threading.Lock()
        self.arranging = threading.RLock()
        self.ticks = 0
        self.gone: deque[str] = deque()
        self.partitions = PartitionStore(ground.files, ground.duck, paths)
        self._last_name = manifest.last_partition
        self._room_denied: Exception | None = None
        self.ledger = Ledger(ground.settings, ground.expiry)
        self._hot = HotSet(
            manifest.config.dim,
            registry,
            cosine=manifest.config.metric == "cosine",
            block_rows=ground.settings.seal_rows,
        )

    @property
    def tenant(self) -> str:
        """Whose collection it is: where it lies says so."""
        return self.paths.tenant

    @property
    def hot_block_rows(self) -> int:
        """Rows that make a collection worth sealing."""
        return self._hot.block_rows

    @property
    def is_full(self) -> bool:
        """Whether the hot set has no room for more."""
        settings = self.ground.settings
        return self._hot.rows >= settings.hot_rows_max or self._hot.bytes >= settings.hot_bytes_max

    @property
    def is_sealing_due(self) -> bool:
        """Whether there is a partition's worth of hot rows, or no room for more."""
        return self._hot.rows >= self._hot.block_rows or self.is_full

    def info(self) -> CollectionInfo:
        """The collection as it stands."""
        return self.info_of(self._windows.config, self._windows.seq)

    def info_of(self, config: CollectionConfig, seq: int) -> CollectionInfo:
        """The collection as it stands after a change."""
        return CollectionInfo(
            **config.model_dump(),
            history=self._windows.history,
            created_at=time_to_datetime(self.manifest.created_at),
            seq=seq,
        )

    def apply(self, changes: Changes) -> None:
        """Show durable changes to readers."""
        with self._lock:
            registry = self.registry
            registry.apply(changes.entities)
            for numbers, times in changes.seen:
                registry.observe(numbers, times)
            for number, version in changes.attributes:
                registry.attributes.put(number, version)
            for number, seq in changes.resets:
                registry.reset_type(number, seq)
            for rows in changes.rows:
                self._hot.append(rows)
            for burial in changes.burials:
                self._bury(burial)
            if changes.dropped:
                self._drop(changes.dropped)
            self.configured += changes.configured
            if changes.kept:
                self.ledger.keep(changes.kept)
            self.ticks = self.ticks + changes.ticks if changes.seq == self._windows.seq else 0
            self._publish(changes.config, changes.seq, changes.recorded_at)
            self._in_flight = None
            if self._waiters:
                self._changed.notify_all()

    def rearrange(
        self,
        sealed: Callable[[Sequence[SealedPart]], Sequence[SealedPart]],
        *,
        sealed_seq: int = 0,
        before: Callable[[], None] = lambda: None,
    ) -> None:
        """Publish the same points in other parts; `before` runs when nothing can change any more.

        Hot rows up to `sealed_seq` are in the sealed parts now.
        """
        with self._lock:
            before()
            if sealed_seq:
                self._hot.drop_sealed(sealed_seq)
                self._room_denied = None
            self._publish(sealed=tuple(sealed(self._windows.sealed)))
            self._changed.notify_all()

    def hold(self, read: Callable[[WindowSet], None]) -> None:
        """Read something while no change can be applied."""
        with self._lock:
            read(self._windows)

    def name_partition(self) -> str:
        """A name that no partition has."""
        with self._lock:
            self._last_name += 1
            return f"p-{self._last_name:08d}"

    def open_partition(self, entry: PartitionEntry) -> SealedPart:
        """A partition that is on disk as a part. Once nobody holds it, its name is in `gone`."""
        lazy = LazyColumns(self.ground.columns, partial(self.partitions.open, entry))
        part = SealedPart(entry, lazy, self.registry)
        weakref.finalize(part, self.gone.append, entry.name).atexit = False
        return part

    def wait_for_room(self) -> None:
        """Wait while the hot set is full; raise what keeps it from being sealed."""
        with self._changed:
            while self.is_full:
                if self._room_denied is not None:
                    raise self._room_denied
                self._changed.wait(timeout=1.0)

    def deny_room(self, error: Exception) -> None:
        """Tell a writer who waits for room why there is none."""
        with self._lock:
            self._room_denied = error
            self._changed.notify_all()

    def close(self, *, deleted: bool = False) -> None:
        """Let the files go, because the collection is `deleted` or all is closed; refuse writes."""
        self.is_deleted = self.is_deleted or deleted
        self.is_closed = True
        with self._lock:
            self._changed.notify_all()
        self.log.close()

    def _publish(
        self,
        config: CollectionConfig | None = None,
        seq: int | None = None,
        recorded_at: int | None = None,
        *,
        sealed: tuple[SealedPart, ...] | None = None,
    ) -> None:
        before = self._windows
        self._windows = WindowSet(
            before.config if config is None else config,
            before.history,
            before.seq if seq is None else seq,
            before.recorded_at if recorded_at is None else recorded_at,
            before.sealed if sealed is None else sealed,
            self._hot.slices(),
            self.registry,
            masks=before.masks,
        )

    def _bury(self, burial: Burial) -> None:
        """Mark the victims where they are; what is dead or gone already stays so."""
        if burial.counted:
            self.registry.count_dead(burial.number)
        for found in find_by_seq(self._windows, burial.number, burial.timestamp, burial.victim):
            dead = found.part.dead_seqs(found.rows)
            alive = slice(None) if dead is None else dead == ALIVE
            rows, seqs = found.rows[alive], burial.seq[found.places[alive]]
            found.part.bury(deaths_of(rows, seqs, burial.at, burial.by))

    def _drop(self, names: frozenset[str]) -> None:
        """Take expired partitions out of sight, and their living points out of the counts."""
        for part in self._windows.sealed:
            if part.name in names:
                self.registry.count_dead(*part.count_living())
        left = tuple(part for part in self._windows.sealed if part.name not in names)
        self._publish(sealed=left)
