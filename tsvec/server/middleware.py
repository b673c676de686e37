"""What happens to every request: it gets an id, its raw path, and an answer in any case."""

from __future__ import annotations

import itertools
import logging
import re
from urllib.parse import quote

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tsvec.model.errors import InternalError
from tsvec.server.problem import problem

_log = logging.getLogger("tsvec.server")
_SANE_ID = re.compile(rb"[\x20-\x7e]{1,128}")


class RequestMiddleware:
    """Echoes or makes X-Request-Id, routes by the undecoded path, and turns faults into a 500.

    Routing by the undecoded path lets an entity id hold a `/`, which arrives as `%2F`.
    """

    def __init__(self, app: ASGIApp, id_prefix: str) -> None:
        self._app = app
        self._ids = (f"{id_prefix}-{number:x}" for number in itertools.count(1))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["path"] = _raw_path(scope)
        request_id = scope["request_id"] = self._request_id(scope)
        header = (b"x-request-id", request_id.encode("ascii"))
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"].append(header)
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except ClientDisconnect:
            return
        except Exception:
            _log.exception("request %s: %s %s", request_id, scope["method"], scope["path"])
            if started:
                raise
            message = "an unexpected fault; the server's log tells more under this request id"
            response = problem(InternalError(message), request_id)
            await response(scope, receive, send_with_id)

    def _request_id(self, scope: Scope) -> str:
        for name, value in scope["headers"]:
            if name == b"x-request-id" and _SANE_ID.fullmatch(value):
                return str(value, "ascii")
        return next(self._ids)


def _raw_path(scope: Scope) -> str:
    raw: bytes | None = scope.get("raw_path")
    return quote(scope["path"]) if raw is None else raw.decode("latin-1")
