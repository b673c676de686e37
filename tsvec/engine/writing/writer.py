"""The single writer: one thread that makes the commits of all collections durable, in groups.

It never waits when it could write: what arrives while one group is being synced is the next group.
A failed fsync stops it for good, because what is on disk is then unknown.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Any

from tsvec.engine.access.problems import Problem
from tsvec.engine.clock import Clock
from tsvec.engine.store import CollectionStore
from tsvec.engine.writing.burst import take_burst
from tsvec.engine.writing.group import Group, GroupBuilder
from tsvec.engine.writing.quotas import Room
from tsvec.engine.writing.requests import add_task
from tsvec.engine.writing.tasks import CloseTask, Promise, Task
from tsvec.model.errors import InternalError, TsvecError, UnavailableError
from tsvec.model.limits import in_force
from tsvec.model.settings import Settings
from tsvec.storage.files import Files, SyncFailedError, translated

_MARK_DELAY_SECONDS = 0.02
"""Idle time after which the watermark catches up with the last group."""

_GROUP_ROWS_MAX = 16_384


class Writer:
    """Owns the logs of all open stores from `start` to `stop`."""

    def __init__(self, clock: Clock, files: Files, settings: Settings) -> None:
        self._clock = clock
        self._files = files
        self._settings = settings
        self.on_sealing_due: Callable[[], None] = lambda: None
        self.stores_of: Callable[[str], Sequence[CollectionStore]] = lambda _: ()
        self._wanted = threading.Condition()
        self._queue: deque[Task] = deque()
        self._queued_rows = 0
        self._unmarked: set[CollectionStore] = set()
        self._stopping = False
        self.thread = threading.Thread(target=self._run, name="tsvec-writer", daemon=True)
        self.failure: str | None = None
        self.refused: Problem | None = None

    def start(self) -> None:
        """Begin to write."""
        self.thread.start()

    def submit(self, task: Task) -> None:
        """Queue a task; its future is resolved once it is durable and visible.

        Raises UnavailableError if the writer failed, is stopped, or has too much waiting.
        """
        with self._wanted:
            if self.failure is not None:
                raise UnavailableError(self.failure)
            if self._stopping:
                raise UnavailableError("the database is closed")
            if self._queued_rows and self._queued_rows + task.rows > self._settings.queue_rows_max:
                raise UnavailableError(
                    f"{self._queued_rows} rows are waiting to be written; retry shortly"
                )
            self._queue.append(task)
            self._queued_rows += task.rows
            self._wanted.notify()

    def stop(self) -> None:
        """Write what is queued, then end the thread."""
        with self._wanted:
            self._stopping = True
            self._wanted.notify()
        if self.thread.is_alive():
            self.thread.join()

    def _run(self) -> None:
        with in_force(self._settings.limits):
            while (tasks := self._next_group()) is not None:
                self._serve(tasks)
                del tasks  # A deleted collection must not live on while this thread sleeps.

    def _serve(self, tasks: list[Task]) -> None:
        try:
            if tasks:
                self._write(tasks)
            else:
                self._mark()
        except SyncFailedError as error:
            self.fail(f"writing stopped, because fsync failed ({error}); restart to recover")
        except Exception as error:  # noqa: BLE001  a lost writer thread would hang every caller
            self.fail(f"writing stopped by a fault ({error!r}); restart to recover")
        for task in tasks:
            if not task.future.done():
                task.future.set_exception(UnavailableError(self.failure or "not written"))

    def _next_group(self) -> list[Task] | None:
        """What is waiting; empty when idle with watermarks behind; None at the end."""
        with self._wanted:
            while not self._queue:
                if self._stopping:
                    if self._unmarked and self.failure is None:
                        return []
                    return None
                delay = _MARK_DELAY_SECONDS if self._unmarked else None
                if not self._wanted.wait(delay) and self._unmarked:
                    return []
            tasks: list[Task] = []
            rows = 0
            while self._queue and rows < _GROUP_ROWS_MAX:
                tasks.append(self._queue.popleft())
                rows += tasks[-1].rows + 1
            self._queued_rows -= sum(task.rows for task in tasks)
            return _begun(tasks)

    def _write(self, tasks: list[Task]) -> None:
        for store, mine in _runs(tasks):
            try:
                with translated(f"cannot write to collection {store.windows.config.name!r}"):
                    self._write_group(store, mine)
                self.refused = None
            except TsvecError as error:
                if error.retryable:
                    self.refused = Problem(error.message, store.tenant)
                _refuse(mine, error)

    def _write_group(self, store: CollectionStore, tasks: list[Task]) -> None:
        if self.failure is not None:
            raise UnavailableError(self.failure)
        store.check_open()
        if any(task.rows for task in tasks):
            store.wait_for_room()
        while tasks:
            store.check_open()
            tasks = self._commit(store, tasks)

    def _commit(self, store: CollectionStore, tasks: list[Task]) -> list[Task]:
        """Make the changes of leading tasks durable and visible; the tasks that are left."""
        recorded_at = store.begin_group(self._clock.now_us())
        try:
            group, taken = self._prepare(GroupBuilder(store, recorded_at, self._room(store)), tasks)
            if group.frames:
                store.log.commit(group.frames)
                self._unmarked.add(store)
                store.apply(group.changes)
                if store.is_sealing_due:
                    self.on_sealing_due()
        finally:
            store.end_group()
        self._files.failpoints.hit("commit.before_acknowledge")
        for promise, outcome in group.outcomes:
            _resolve(promise, outcome())
        closing = [task for task in tasks[:taken] if isinstance(task, CloseTask)]
        if closing:
            store.close(deleted=True)
            for task in closing:
                _resolve(task.future, None)
        return tasks[taken:]

    def _prepare(self, builder: GroupBuilder, tasks: list[Task]) -> tuple[Group, int]:
        """The group of as many leading tasks as need not see each other's changes."""
        taken = 0
        try:
            while taken < len(tasks):
                together = take_burst(builder, tasks[taken:])
                if not together and not add_task(builder, tasks[taken]):
                    break
                taken += together or 1
            return builder.finish(), taken
        except Exception as error:
            # Nothing was written yet, so only these requests fail, not the writer.
            raise InternalError(f"the request could not be encoded: {error!r}") from error

    def _room(self, store: CollectionStore) -> Room:
        """What the tenant of a collection may still store."""
        return Room(self._settings, partial(self.stores_of, store.tenant))

    def _mark(self) -> None:
        while self._unmarked:
            store = self._unmarked.pop()
            if not store.is_closed and not store.log.is_marked:
                store.log.mark()

    def fail(self, message: str) -> None:
        """Refuse what waits and all that comes; only a restart helps."""
        with self._wanted:
            self.failure = message
            self._unmarked.clear()
            waiting, self._queue = _begun(self._queue), deque()
            self._queued_rows = 0
        _refuse(waiting, UnavailableError(message))


def _runs(tasks: Iterable[Task]) -> Iterator[tuple[CollectionStore, list[Task]]]:
    """The tasks of each collection, in their order, to be written together.

    Where there is no room for points, tasks that bring some are apart: the others must go on.
    """
    by_store: dict[CollectionStore, list[Task]] = {}
    for task in tasks:
        by_store.setdefault(task.store, []).append(task)
    for store, mine in by_store.items():
        if store.is_full:
            for _, run in groupby(mine, key=lambda task: task.rows > 0):
                yield store, list(run)
        else:
            yield store, mine


def _begun(tasks: Iterable[Task]) -> list[Task]:
    """The tasks that nobody cancelled; from now on nobody can."""
    return [task for task in tasks if task.future.set_running_or_notify_cancel()]


def _refuse(tasks: list[Task], error: TsvecError) -> None:
    for task in tasks:
        if not task.future.done():
            task.future.set_exception(type(error)(error.message, error.details))


def _resolve(future: Promise[Any], value: object) -> None:
    if not future.done():
        future.set_result(value)
