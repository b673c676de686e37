"""What the handlers share: the database, threads for long work, the bridge to the writer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar, cast

from starlette.requests import Request

from tsvec.engine.collection import Collection
from tsvec.engine.database import Database, Tenant
from tsvec.model.errors import ErrorDetail, UnavailableError
from tsvec.model.settings import Settings
from tsvec.server.access.authentication import caller_of
from tsvec.server.bridge import WriteBridge
from tsvec.server.load.gate import Load, deadline_of
from tsvec.server.load.pool import WorkPool
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

    def __init__(self, database: Database, load: Load) -> None:
        settings = load.settings
        self.database = database
        self.load = load
        self.wait_seconds_max: float = settings.limits.wait_seconds_max
        self._reads = _pool("tsvec-query", settings)
        self._changes = _pool("tsvec-change", settings)
        self._bridge: WriteBridge | None = None
        self._queries: QueryBridge | None = None

    async def run(self, work: Callable[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
        """Do what must not be left half done, such as a change, in one of a few threads."""
        return await self._changes.run(partial(work, *args, **kwargs))

    async def read(
        self, request: Request, work: Callable[P, Result], *args: P.args, **kwargs: P.kwargs
    ) -> Result:
        """Read in one of a few other threads, or give up at the deadline of the request."""
        return await self._reads.run(partial(work, *args, **kwargs), deadline_of(request))

    async def wait_for(self, collection: Collection, seq: int | None) -> None:
        """Return once a change of a collection is visible; UnavailableError if that takes too long.

        Readers wait here rather than in a thread: a few of them would keep all threads busy.
        """
        if seq is None:
            return
        loop = asyncio.get_running_loop()
        end, pause = loop.time() + self.wait_seconds_max, _PAUSE_SECONDS_MIN
        while (last := collection.seq) < seq:
            collection.deadline.check()
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
        self._reads.close()
        self._changes.close()


def _pool(name: str, settings: Settings) -> WorkPool:
    return WorkPool(name, settings.query_threads, settings.queries_waiting_max)


def services_of(request: Request) -> Services:
    """The services of the application that serves this request."""
    return cast("Services", request.app.state.services)


def tenant_of(request: Request) -> Tenant:
    """What the caller may reach; UnauthorizedError if there has to be a key, and there is none."""
    caller = caller_of(request.scope)
    database = services_of(request).database
    return database.tenant(caller.tenant, collections=caller.collections)


def collection_of(request: Request) -> Collection:
    """The collection that the path names; whether it exists shows when it is used.

    ForbiddenError if it is out of the caller's reach.
    """
    collection = tenant_of(request).collection(collection_name(request))
    return collection.until(deadline_of(request))
