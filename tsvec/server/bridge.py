"""Between the event loop and the writer thread: bursts cross once, not request by request."""

from __future__ import annotations

import asyncio
from collections import deque

from tsvec.engine.collection import Collection
from tsvec.model.points import OnConflict, OnError, PointBatch
from tsvec.model.replies import IngestReply
from tsvec.model.retries.once import Once

Answer = asyncio.Future[IngestReply]
_Waiting = tuple[Collection, PointBatch, OnError, OnConflict, Once | None, Answer]


class WriteBridge:
    """Hands batches of one turn of the loop to the writer together, and their replies back so.

    Belongs to one event loop. What the writer resolves while a wake-up of the loop is under way
    rides along with it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._waiting: list[_Waiting] = []
        self._finished: deque[tuple[Answer, IngestReply | BaseException]] = deque()
        self._waking = False

    def submit(
        self,
        collection: Collection,
        batch: PointBatch,
        on_error: OnError,
        on_conflict: OnConflict = "replace",
        once: Once | None = None,
    ) -> Answer:
        """Have a batch committed; the answer comes when it is on disk."""
        answer: Answer = self.loop.create_future()
        if not self._waiting:
            self.loop.call_soon(self._hand_over)
        self._waiting.append((collection, batch, on_error, on_conflict, once, answer))
        return answer

    def finish(self, answer: Answer, outcome: IngestReply | BaseException) -> None:
        """Runs in the writer thread. Appended before the flag is read, so no answer is missed."""
        self._finished.append((answer, outcome))
        if not self._waking and not self.loop.is_closed():
            self._waking = True
            self.loop.call_soon_threadsafe(self._deliver)

    def _hand_over(self) -> None:
        waiting, self._waiting = self._waiting, []
        for collection, batch, on_error, on_conflict, once, answer in waiting:
            try:
                collection.enqueue(batch, on_error, _Crossing(self, answer), on_conflict, once)
            except Exception as error:  # noqa: BLE001 - it is told to whoever waits
                answer.set_exception(error)

    def _deliver(self) -> None:
        self._waking = False
        while self._finished:
            answer, outcome = self._finished.popleft()
            if answer.done():
                continue
            if isinstance(outcome, BaseException):
                answer.set_exception(outcome)
            else:
                answer.set_result(outcome)


class _Crossing:
    """The writer's end of an answer: a promise without the locks of a Future, which cost more
    than the rest of a small request's way through the writer.
    """

    __slots__ = ("_answer", "_bridge", "_done")

    def __init__(self, bridge: WriteBridge, answer: Answer) -> None:
        self._bridge = bridge
        self._answer = answer
        self._done = False

    def set_running_or_notify_cancel(self) -> bool:
        """Always begun: a client that went away does not undo its request."""
        return True

    def done(self) -> bool:
        """Whether the outcome was told."""
        return self._done

    def set_result(self, reply: IngestReply) -> None:
        """Tell the reply."""
        self._done = True
        self._bridge.finish(self._answer, reply)

    def set_exception(self, error: BaseException) -> None:
        """Tell the error."""
        self._done = True
        self._bridge.finish(self._answer, error)
