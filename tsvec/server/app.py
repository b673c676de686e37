"""The application: routes, errors, and what the handlers share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from tsvec.engine.clock import Clock, SystemClock
from tsvec.engine.database import Database
from tsvec.model.errors import TsvecError
from tsvec.server import problem
from tsvec.server.middleware import RequestMiddleware
from tsvec.server.routes import collections, entities, points, query, system
from tsvec.server.services import Services


def create_app(database: Database, *, clock: Clock | None = None) -> Starlette:
    """The ASGI application over an open database, which stays the caller's to close.

    Ids made for requests begin with the time by `clock`.
    """
    clock = clock or SystemClock()
    services = Services(database, database.settings.query_threads)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            services.close()

    # The busiest first: routes are tried in order.
    routes = [
        *query.ROUTES,
        *points.ROUTES,
        *entities.ROUTES,
        *collections.ROUTES,
        *system.ROUTES,
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(RequestMiddleware, id_prefix=f"{clock.now_us():x}")],
        exception_handlers={
            TsvecError: problem.on_tsvec_error,
            ValidationError: problem.on_validation_error,
            HTTPException: problem.on_http_exception,
        },
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.services = services
    return app
