"""The thread that drops, compacts and rereads partitions, in all open collections."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

from tsvec.engine.access.problems import Problem
from tsvec.engine.clock import Clock
from tsvec.engine.store import CollectionStore
from tsvec.engine.upkeep.compacting import (
    CompactionRun,
    CompactionStopped,
    choose_next,
    merge_partitions,
)
from tsvec.engine.upkeep.expiry import drop_expired, unlink_gone
from tsvec.engine.upkeep.scrub import Scrubber
from tsvec.engine.upkeep.sealing import truncate_log
from tsvec.engine.writing.tasks import ExpireTask
from tsvec.model.errors import UnavailableError, reason_of
from tsvec.storage.files import SyncFailedError

_LOOK_SECONDS = 1.0
_RETRY_SECONDS = 5.0
_REPLAN_US = 60_000_000
"""How often deaths and time are looked at, besides every change of the partitions."""


class Maintainer:
    """Works when woken and once a second; a failure is kept in `problem` and tried again."""

    def __init__(
        self,
        clock: Clock,
        stores: Callable[[], Sequence[CollectionStore]],
        submit: Callable[[ExpireTask], None],
        stop_writing: Callable[[str], None],
        scrubber: Scrubber,
    ) -> None:
        self._clock = clock
        self._stores = stores
        self._submit = submit
        self._stop_writing = stop_writing
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._planned: dict[str, tuple[list[str], int]] = {}
        self._lock = threading.Lock()
        self._runs: dict[str, CompactionRun] = {}
        self.scrubber = scrubber
        self.thread = threading.Thread(target=self._run, name="tsvec-maintainer", daemon=True)
        self.problem: Problem | None = None

    def start(self) -> None:
        """Begin to look."""
        self.thread.start()

    def wake(self) -> None:
        """Look now."""
        self._wake.set()

    def stop(self) -> None:
        """Give up the merge at work, then end the thread."""
        self._stopping.set()
        self._wake.set()
        if self.thread.is_alive():
            self.thread.join()
        with self._lock:
            runs = list(self._runs.values())
        for run in runs:
            run.end(run.asked, "the database was closed")

    @property
    def is_stopping(self) -> bool:
        """Whether no more work is begun."""
        return self._stopping.is_set()

    def check_running(self) -> None:
        """Raise UnavailableError if no work will be begun any more."""
        if self.is_stopping:
            raise UnavailableError(
                "nothing is compacted any more: the database is closed or failed"
            )

    def run_of(self, store: CollectionStore) -> CompactionRun:
        """What compaction does in a collection."""
        with self._lock:
            return self._runs.setdefault(store.paths.root.name, CompactionRun())

    def _run(self) -> None:
        while not self.is_stopping:
            self._wake.wait(_LOOK_SECONDS)
            self._wake.clear()
            with self._lock:
                known = set(self._runs)
            stores = self._stores()
            self._forget(known - {store.paths.root.name for store in stores})
            problems = [self._work(store) for store in stores]
            if not self.is_stopping:
                self.scrubber.step(stores, self._clock.elapsed_us())
            del stores  # A deleted collection must not live on while this thread sleeps.
            self.problem = next(filter(None, problems), None)
            if self.problem is not None:
                self._stopping.wait(_RETRY_SECONDS)

    def _forget(self, deleted: Iterable[str]) -> None:
        """Let go what is remembered of deleted collections, and whoever waits for one."""
        for key in deleted:
            self._planned.pop(key, None)
            with self._lock:
                run = self._runs.pop(key)
            run.end(run.asked, "the collection was deleted")

    def _work(self, store: CollectionStore) -> Problem | None:
        """Do all that is due in one collection; what kept it from being done, if anything."""
        run = self.run_of(store)
        asked = run.asked
        try:
            with store.compacting:
                if store.is_closed:
                    run.end(asked)
                    return None
                self._drop(store)
                store.ledger.forget()
                while self._merge_next(store, run):
                    # What has expired meanwhile must not wait for the last merge, or be merged.
                    self._drop(store)
                unlink_gone(store)
            run.end(asked)
        except CompactionStopped:
            run.end(asked, "the database was closed")
        except SyncFailedError as error:
            run.end(asked, str(error))
            self._stop_writing(f"fsync failed while compacting ({error}); restart to recover")
            self._stopping.set()
        except Exception as error:  # noqa: BLE001  a lost thread would let partitions pile up
            if store.is_closed:
                run.end(asked)
                return None
            problem = f"compacting {store.windows.config.name!r} failed: {reason_of(error)}"
            run.end(asked, problem)
            return Problem(problem, store.tenant)
        return None

    def _drop(self, store: CollectionStore) -> None:
        if drop_expired(store, self._submit):
            truncate_log(store, self._clock.now_us())
            # It would keep the dropped parts, and so their files, until the next plan.
            self._planned.pop(store.paths.root.name, None)
        # Before a merge: it may find the disk full, and this is what makes room.
        unlink_gone(store)

    def _merge_next(self, store: CollectionStore, run: CompactionRun) -> bool:
        """Do the next merge; False if none is worth it, or nothing changed since none was."""
        if self.is_stopping or store.is_closed:
            return False
        key, now = store.paths.root.name, self._clock.elapsed_us()
        # Names, since whoever remembers a part keeps its files.
        present = [part.name for part in store.windows.sealed]
        planned, planned_at = self._planned.get(key, ([], 0))
        if present == planned and now < planned_at + _REPLAN_US and not run.is_full:
            return False
        merge = choose_next(store, run)
        if merge is None:
            self._planned[key] = (present, now)
            return False
        run.begin(self._clock.now_us())
        merge_partitions(store, merge, run, lambda: self.is_stopping or store.is_closed)
        return True
