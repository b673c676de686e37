"""What every request passes before anything of it is read: may there be one more?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from tsvec.model.access.caller import Caller
from tsvec.model.bounds.deadline import NEVER, Deadline
from tsvec.model.errors import TsvecError, UnavailableError
from tsvec.model.limits import in_force
from tsvec.model.settings import Settings
from tsvec.model.validation import detail_at, refusal
from tsvec.server.load.inflight import InflightBytes, Share
from tsvec.server.load.rates import CallerRates, caller_of
from tsvec.server.problem import problem

ALWAYS_ANSWERED: Final = frozenset({"/health", "/ready"})
"""Whoever looks after the server has to hear from it most when it is busy."""

_DEADLINE = b"x-deadline-ms"
_DIGITS_MAX = 9


class Load:
    """What the server has taken on, and how much it may. For one thread."""

    def __init__(self, settings: Settings, clock: Callable[[], int]) -> None:
        self.settings = settings
        self.clock = clock
        self.rates = CallerRates(settings, clock)
        self.inflight = InflightBytes(settings.inflight_bytes_max)
        self.requests: Counter[str | None] = Counter()
        self.refused: Counter[str | None] = Counter()

    def admit(self, scope: Scope) -> None:
        """Let a request in: give it a deadline and a share of memory; else raise why not."""
        if scope.get("is_overloaded"):
            raise UnavailableError(
                f"there are {self.settings.connections_max} connections already "
                "(connections_max); retry shortly"
            )
        self.rates.count_request(caller_of(scope))
        scope["deadline"] = self._deadline(scope)

    def counted_as(self, caller: Caller | None) -> str | None:
        """The tenant that a caller's requests are counted for.

        Without a key any name may be made up: beyond as many tenants as there can be, all others
        are counted together with those who gave none.
        """
        tenant = None if caller is None else caller.tenant
        most = self.settings.limits.tenants_max
        return tenant if tenant in self.requests or len(self.requests) < most else None

    def counts_of(self, tenant: str) -> dict[str, int]:
        """How many requests of a tenant there were, and were refused here."""
        return {"requests": self.requests[tenant], "refused": self.refused[tenant]}

    def _deadline(self, scope: Scope) -> Deadline:
        """As long as the settings allow, or less if the request says so."""
        seconds = self.settings.query_deadline_seconds
        for name, value in scope["headers"]:
            if name == _DEADLINE:
                if not value.isdigit() or len(value) > _DIGITS_MAX or not int(value):
                    problem = "milliseconds are expected, 1 to 999999999"
                    raise refusal([detail_at(("X-Deadline-Ms",), problem)])
                seconds = min(seconds, int(value) / 1e3)
        return Deadline.after(seconds, self.clock)


class LoadMiddleware:
    """Refuses what is too much before it costs anything, and reads the rest under the limits."""

    def __init__(self, app: ASGIApp, load: Load) -> None:
        self._app = app
        self._load = load

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] in ALWAYS_ANSWERED:
            await self._app(scope, receive, send)
            return
        load = self._load
        tenant = load.counted_as(scope.get("caller"))
        load.requests[tenant] += 1
        try:
            load.admit(scope)
        except TsvecError as error:
            load.refused[tenant] += 1
            closes = bool(scope.get("is_overloaded"))
            response = problem(error, scope["request_id"], closes=closes)
            await response(scope, receive, send)
            return
        share = scope["inflight"] = load.inflight.open()
        try:
            with in_force(load.settings.limits):
                await self._app(scope, receive, send)
        finally:
            share.release()


def deadline_of(request: Request) -> Deadline:
    """By when a request must be answered."""
    found: Deadline = request.scope.get("deadline", NEVER)
    return found


def share_of(request: Request) -> Share | None:
    """What a request holds of the memory for bodies; None outside of a server."""
    return request.scope.get("inflight")
