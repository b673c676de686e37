"""What readers of a collection see: the published window set, past ones, and the wait for the next.

Publishing is the store's; here is what a reader needs to know when, and what that asks of writers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from tsvec.engine.clock import Clock, ExpiryClock
from tsvec.engine.horizon import cutoff_at, find_past, oldest_as_of, time_of_seq
from tsvec.model.bounds.deadline import NEVER, Deadline
from tsvec.model.collections import CollectionConfig
from tsvec.model.errors import CollectionNotFoundError, UnavailableError
from tsvec.model.times import TIME_MIN_US, AsOf
from tsvec.storage.manifest import Manifest
from tsvec.window.entities import EntityRegistry
from tsvec.window.masks.cache import MaskCache
from tsvec.window.window_set import WindowSet


class Published:
    """The latest window set of one collection, and all that can be read of the past.

    `_lock` guards what is published; `_changed` tells that something was.
    """

    def __init__(
        self,
        clock: Clock,
        expiry: ExpiryClock,
        manifest: Manifest,
        registry: EntityRegistry,
        masks: MaskCache,
        wait_seconds_max: float,
    ) -> None:
        self.wait_seconds_max = wait_seconds_max
        self.manifest = manifest
        self.configured = list(manifest.config_changes)
        self.is_closed = False
        self.is_deleted = False
        self._clock = clock
        self._expiry = expiry
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._waiters = 0
        self._asked = 0
        self._in_flight: int | None = None
        self._windows = WindowSet(
            manifest.config,
            manifest.history,
            manifest.sealed_seq,
            manifest.recorded_at,
            (),
            (),
            registry,
            masks=masks,
        )

    @property
    def windows(self) -> WindowSet:
        """The latest published window set, expired points included."""
        return self._windows

    def read(
        self,
        as_of: AsOf | None = None,
        wait_for_seq: int | None = None,
        deadline: Deadline = NEVER,
    ) -> WindowSet:
        """What a read sees: what has not expired, now or after an earlier change.

        InvalidRequestError for a moment that has not come, GoneError for one beyond the horizon,
        UnavailableError if the change waited for does not come in time.
        """
        deadline.check()
        if wait_for_seq is not None and wait_for_seq > self._windows.seq:
            self._wait_for(wait_for_seq, deadline)
        windows = self._windows
        if as_of is not None:
            times = self._clock.now_us(), self._expiry.now_us()
            if as_of.time is not None:
                windows = self._promise(as_of.time, times[0], deadline)
            windows = windows.at(find_past(windows, self.manifest, self.configured, as_of, times))
        return windows.after_cutoff(self.cutoff(windows.config)).until(deadline)

    def cutoff(self, config: CollectionConfig) -> int:
        """The event time (µs) before which points have expired."""
        if config.retention is None:
            return TIME_MIN_US
        return cutoff_at(config, self._expiry.now_us())

    def recorded_time(self, windows: WindowSet) -> int:
        """When (µs) the last change of a window set of this collection was recorded."""
        found = time_of_seq(windows, self.configured)
        return windows.recorded_at if found is None else found

    def oldest_as_of(self) -> int:
        """The oldest change after which the collection can still be read."""
        now = self._expiry.now_us()
        return oldest_as_of(self._windows, self.manifest, self.configured, now)

    def begin_group(self, now_us: int) -> int:
        """The recorded time (µs) of the group that begins: later than all before, and than any
        time that was asked for.
        """
        with self._lock:
            self._in_flight = max(self._windows.recorded_at + 1, now_us, self._asked + 1)
            return self._in_flight

    def end_group(self) -> None:
        """The group is applied, or will never be."""
        with self._lock:
            self._in_flight = None
            self._changed.notify_all()

    def check_open(self) -> None:
        """Raise CollectionNotFoundError once the collection is deleted, UnavailableError once its
        database is closed.
        """
        if self.is_deleted:
            name = self._windows.config.name
            raise CollectionNotFoundError(f"collection {name!r} was deleted")
        if self.is_closed:
            raise UnavailableError("the database is closed")

    def _promise(self, moment: int, wall: int, deadline: Deadline) -> WindowSet:
        """The window set of a recorded time: no later group will be recorded at or before it."""
        with self._changed:
            if moment <= wall:
                self._asked = max(self._asked, moment)
            self._wait(
                lambda: self._in_flight is None or self._in_flight > moment,
                "a commit of that time is still being written",
                deadline,
            )
            return self._windows

    def _wait_for(self, seq: int, deadline: Deadline) -> None:
        with self._changed:
            self._wait(
                lambda: self.is_closed or self._windows.seq >= seq,
                f"change {seq} did not come",
                deadline,
            )
        self.check_open()

    def _wait(self, holds: Callable[[], bool], problem: str, deadline: Deadline) -> None:
        seconds = self.wait_seconds_max
        self._waiters += 1
        try:
            if not self._changed.wait_for(holds, max(0.0, min(seconds, deadline.left_seconds))):
                deadline.check()
                last = self._windows.seq
                raise UnavailableError(f"{problem} in {seconds} s; the last change is {last}")
        finally:
            self._waiters -= 1
