"""A few threads for work that takes long, and a short queue before them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

from tsvec.model.bounds.deadline import NEVER, Deadline
from tsvec.model.errors import UnavailableError

Result = TypeVar("Result")

GRACE_SECONDS = 0.5
"""After its deadline, work is given this long to notice; then the answer goes without it."""


class WorkPool:
    """Runs work for one event loop at a time; what would wait behind too much is refused at once.

    Work whose client got an answer already, for want of time, counts until it has ended.
    """

    def __init__(self, name: str, threads: int, waiting_max: int) -> None:
        self._name = name
        self._threads_max = threads
        self._waiting_max = waiting_max
        self._threads: ThreadPoolExecutor | None = None
        self._taken: set[Future[Any]] = set()

    @property
    def taken(self) -> int:
        """How much is waiting or being worked on."""
        return len(self._taken)

    async def run(self, work: Callable[[], Result], deadline: Deadline = NEVER) -> Result:
        """The result of work done in a thread, under the limits in force here.

        UnavailableError if too much is waiting; DeadlineExceededError if there is no result soon
        after the deadline. Work that has not begun by then is not done.
        """
        if self.taken >= self._threads_max + self._waiting_max:
            raise UnavailableError(
                f"{self._waiting_max} requests are waiting for a thread already "
                "(queries_waiting_max); retry shortly"
            )
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._threads_max, self._name)
        future = self._threads.submit(copy_context().run, work)
        self._taken.add(future)
        future.add_done_callback(self._taken.discard)
        answer = asyncio.wrap_future(future)
        if deadline is NEVER:
            return await answer
        seconds = max(deadline.left_seconds, 0.0) + GRACE_SECONDS
        try:
            return await asyncio.wait_for(answer, seconds)
        except TimeoutError:
            raise deadline.exceeded() from None

    def close(self) -> None:
        """Let the threads end; new work starts new ones."""
        if self._threads is not None:
            self._threads.shutdown(wait=False)
            self._threads = None
