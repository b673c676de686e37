"""Between the event loop and the writer thread: bursts cross once, not request by request."""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import Future
from functools import partial

from tsvec.engine.collection import Collection
from tsvec.model.points import OnError, PointBatch
from tsvec.model.replies import IngestReply

Answer = asyncio.Future[IngestReply]


class WriteBridge:
    """Hands batches of one turn of the loop to the writer together, and their replies back so.

    Belongs to one event loop. What the writer resolves while a wake-up of the loop is under way
    rides along with it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._waiting: list[tuple[Collection, PointBatch, OnError, Answer]] = []
        self._finished: deque[tuple[Answer, Future[IngestReply]]] = deque()
        self._waking = False

    def submit(self, collection: Collection, batch: PointBatch, on_error: OnError) -> Answer:
        """Have a batch committed; the answer comes when it is on disk."""
        answer: Answer = self.loop.create_future()
        if not self._waiting:
            self.loop.call_soon(self._hand_over)
        self._waiting.append((collection, batch, on_error, answer))
        return answer

    def _hand_over(self) -> None:
        waiting, self._waiting = self._waiting, []
        for collection, batch, on_error, answer in waiting:
            try:
                future = collection.submit(batch, on_error)
            except Exception as error:  # noqa: BLE001 - it is told to whoever waits
                answer.set_exception(error)
            else:
                future.add_done_callback(partial(self._finish, answer))

    def _finish(self, answer: Answer, future: Future[IngestReply]) -> None:
        """Runs in the writer thread. Appended before the flag is read, so no answer is missed."""
        self._finished.append((answer, future))
        if not self._waking and not self.loop.is_closed():
            self._waking = True
            self.loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        self._waking = False
        while self._finished:
            answer, future = self._finished.popleft()
            if answer.done():
                continue
            error = future.exception()
            if error is None:
                answer.set_result(future.result())
            else:
                answer.set_exception(error)
