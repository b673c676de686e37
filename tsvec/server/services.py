"""What the handlers share: the database, threads for long work, the bridge to the writer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar, cast

from starlette.requests import Request

from tsvec.engine.collection import Collection
from tsvec.engine.database import Database
from tsvec.model.errors import ErrorDetail, UnavailableError
from tsvec.model.limits import LIMITS
from tsvec.server.bridge import WriteBridge
from tsvec.server.parameters import collection_name
from tsvec.server.query_bridge import QueryBridge

P = ParamSpec("P")
Result = TypeVar("Result")

INLINE_US_MAX = 2_000
"""Work estimated below this runs on the event loop: handing it to a thread would cost more."""

_PAUSE_SECONDS_MIN, _PAUSE_SECONDS_MAX = 0.001, 0.05
"""Between two looks at whether a change is visible; each pause is longer than the one before."""


class Services:
    """One per application."""

    def __init__(self, database: Database, threads: int) -> None:
        self.database = database
        self.wait_seconds_max: float = LIMITS.wait_seconds_max
        self._threads_max = threads
        self._threads: ThreadPoolExecutor | None = None
        self._bridge: WriteBridge | None = None
        self._queries: QueryBridge | None = None

    async def run(self, work: Callable[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
        """Do work that may take long in one of a few threads."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._threads_max, "tsvec-query")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, partial(work, *args, **kwargs))

    async def wait_for(self, collection: str, seq: int | None) -> None:
        """Return once a change of a collection is visible; UnavailableError if that takes too long.

        Readers wait here rather than in a thread: a few of them would keep all threads busy.
        """
        if seq is None:
            return
        loop = asyncio.get_running_loop()
        end, pause = loop.time() + self.wait_seconds_max, _PAUSE_SECONDS_MIN
        while (last := self.database.get_collection(collection).seq) < seq:
            if loop.time() >= end:
                problem = f"change {seq} did not come in time; the last one is {last}"
                raise UnavailableError(
                    f"wait_for_seq: {problem}", [ErrorDetail(field="wait_for_seq", message=problem)]
                )
            await asyncio.sleep(pause)
            pause = min(2 * pause, _PAUSE_SECONDS_MAX)

    @property
    def bridge(self) -> WriteBridge:
        """The way to the writer from the running event loop."""
        loop = asyncio.get_running_loop()
        if self._bridge is None or self._bridge.loop is not loop:
            self._bridge = WriteBridge(loop)
        return self._bridge

    @property
    def queries(self) -> QueryBridge:
        """Where cheap questions of the running event loop meet."""
        loop = asyncio.get_running_loop()
        if self._queries is None or self._queries.loop is not loop:
            self._queries = QueryBridge(loop)
        return self._queries

    def close(self) -> None:
        """Let the threads end; the database stays open, and new work starts new threads."""
        if self._threads is not None:
            self._threads.shutdown(wait=False)
            self._threads = None


def services_of(request: Request) -> Services:
    """The services of the application that serves this request."""
    return cast("Services", request.app.state.services)


def collection_of(request: Request) -> Collection:
    """The collection that the path names; whether it exists shows when it is used."""
    return services_of(request).database.collection(collection_name(request))
