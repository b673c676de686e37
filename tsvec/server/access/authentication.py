"""Before anything else is done for a request: who sends it?"""

from __future__ import annotations

import math
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from tsvec.engine.access.keyring import KeyRing
from tsvec.model.access.caller import Caller
from tsvec.model.collections import DEFAULT_TENANT
from tsvec.model.errors import (
    ForbiddenError,
    RateLimitedError,
    TsvecError,
    UnauthorizedError,
)
from tsvec.server.access.credentials import HOW, address_of, secret_of, tenant_of
from tsvec.server.load.buckets import Rate, TokenBuckets
from tsvec.server.problem import problem

BAD_KEYS = Rate(per_second=1.0, burst=10.0)
"""Wrong keys that one address may send and be told so."""


class Authenticator:
    """Tells who sends a request.

    While the database has no key, and `allow_open` says that only this machine can ask, everybody
    may do everything. From the first key on, nobody may do anything without one.
    """

    def __init__(self, keys: KeyRing, clock: Callable[[], int], *, allow_open: bool) -> None:
        self._keys = keys
        self._allow_open = allow_open
        self._bad_keys = TokenBuckets(BAD_KEYS, clock)

    def caller(self, scope: Scope) -> Caller | None:
        """Who sends this request, None if it comes without a key that is needed.

        A key that is sent is checked, whether it is needed or not: UnauthorizedError if it is not
        good, RateLimitedError if its address sent too many of that kind.
        """
        secret, tenant = secret_of(scope), tenant_of(scope)
        if self._allow_open and self._keys.is_empty:
            return Caller(tenant or DEFAULT_TENANT)
        if secret is None:
            return None
        try:
            caller = self._keys.authenticate(secret)
        except UnauthorizedError:
            self._count_bad_key(address_of(scope))
            raise
        if tenant not in {None, caller.tenant}:
            raise ForbiddenError(f"the key given is not one of the tenant {tenant!r}")
        return caller

    def _count_bad_key(self, address: str) -> None:
        # Only bad keys are throttled: who shares an address with their sender goes on undisturbed.
        # A good key cannot be guessed, whatever the number of guesses.
        wait = self._bad_keys.take(address)
        if wait:
            raise RateLimitedError(
                "too many requests with a bad key come from this address; send a good one",
                retry_after=math.ceil(wait),
            )


class AuthenticationMiddleware:
    """Puts the caller into the scope of each request, or refuses it."""

    def __init__(self, app: ASGIApp, authenticator: Authenticator) -> None:
        self._app = app
        self._authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            scope["caller"] = self._authenticator.caller(scope)
        except TsvecError as error:
            await problem(error, scope["request_id"])(scope, receive, send)
            return
        await self._app(scope, receive, send)


def caller_of(scope: Scope) -> Caller:
    """Who sends a request; UnauthorizedError if it came without a key."""
    caller: Caller | None = scope["caller"]
    if caller is None:
        raise UnauthorizedError(f"this takes an API key; {HOW}")
    return caller
