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
from tsvec.server.access.authentication import AuthenticationMiddleware, Authenticator
from tsvec.server.access.scopes import needed_scopes, protect
from tsvec.server.description import description
from tsvec.server.load.gate import Load, LoadMiddleware
from tsvec.server.middleware import RequestMiddleware
from tsvec.server.routes import collections, entities, keys, points, query, system
from tsvec.server.services import Services


def create_app(
    database: Database, *, clock: Clock | None = None, allow_open: bool = True
) -> Starlette:
    """The ASGI application over an open database, which stays the caller's to close.

    Ids made for requests begin with the time by `clock`. Without `allow_open` no request is served
    without a key, even if the database has none: see `Authenticator`.
    """
    clock = clock or SystemClock()
    load = Load(database.settings, clock.elapsed_us)
    services = Services(database, load)

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
        *keys.ROUTES,
    ]
    is_open = allow_open and database.settings.auth == "auto"
    authenticator = Authenticator(database.keys, clock.elapsed_us, allow_open=is_open)
    app = Starlette(
        routes=protect(routes, needed_scopes(description())),
        middleware=[
            Middleware(RequestMiddleware, id_prefix=f"{clock.now_us():x}"),
            Middleware(AuthenticationMiddleware, authenticator=authenticator),
            Middleware(LoadMiddleware, load=load),
        ],
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
