"""The thread that seals what is due, in all open collections."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from tsvec.engine.access.problems import Problem
from tsvec.engine.clock import Clock
from tsvec.engine.store import CollectionStore
from tsvec.engine.upkeep.sealing import find_sealable, seal
from tsvec.model.errors import reason_of
from tsvec.storage.files import SyncFailedError

_LOOK_SECONDS = 1.0
_RETRY_SECONDS = 5.0


class Sealer:
    """Seals when woken and once a second; a failure is kept in `problem` and tried again."""

    def __init__(
        self,
        clock: Clock,
        stores: Callable[[], Sequence[CollectionStore]],
        stop_writing: Callable[[str], None],
    ) -> None:
        self._clock = clock
        self._stores = stores
        self._stop_writing = stop_writing
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, name="tsvec-sealer", daemon=True)
        self.on_sealed: Callable[[], None] = lambda: None
        self.problem: Problem | None = None
        self.seals = 0

    def start(self) -> None:
        """Begin to look."""
        self.thread.start()

    def wake(self) -> None:
        """Look now."""
        self._wake.set()

    def stop(self) -> None:
        """Finish the seal at work, then end the thread."""
        self._stopping.set()
        self._wake.set()
        if self.thread.is_alive():
            self.thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(_LOOK_SECONDS)
            self._wake.clear()
            problems = [self._work(store) for store in self._stores()]
            self.problem = next(filter(None, problems), None)
            if self.problem is not None:
                self._stopping.wait(_RETRY_SECONDS)

    def _work(self, store: CollectionStore) -> Problem | None:
        """Seal all that is due in one collection; what kept it from being done, if anything."""
        while not self._stopping.is_set():
            with store.sealing:
                if store.is_closed:
                    return None
                now = self._clock.now_us()
                parts = find_sealable(store, now)
                if not parts:
                    return None
                try:
                    seal(store, parts, now)
                except SyncFailedError as error:
                    self._stop_writing(f"fsync failed while sealing ({error}); restart to recover")
                    self._stopping.set()
                    for waiting in self._stores():
                        waiting.deny_room(error)
                    return None
                except Exception as error:  # noqa: BLE001  a lost worker would fill the memory
                    name = store.windows.config.name
                    return Problem(f"sealing {name!r} failed: {reason_of(error)}", store.tenant)
                self.seals += 1
                self.on_sealed()
        return None
