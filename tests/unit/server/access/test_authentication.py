"""Who sends a request, and how often an address may be wrong about it."""

from __future__ import annotations

import asyncio

import pytest

from tests.unit.engine.rig import SECOND, ManualClock, open_database
from tsvec.model.access.caller import Caller
from tsvec.model.errors import ForbiddenError, RateLimitedError, UnauthorizedError
from tsvec.server.access.authentication import (
    BAD_KEYS,
    AuthenticationMiddleware,
    Authenticator,
    caller_of,
)

BURST = int(BAD_KEYS.burst)


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def keys(tmp_path, clock):
    with open_database(tmp_path / "db", clock=clock) as database:
        yield database.keys


@pytest.fixture
def authenticator(keys, clock):
    return Authenticator(keys, clock.elapsed_us, allow_open=True)


def scope(key: str | None = None, tenant: str | None = None, client: str = "192.0.2.7"):
    headers = [(b"x-api-key", key.encode())] if key is not None else []
    headers += [(b"x-tenant-id", tenant.encode())] if tenant is not None else []
    return {"type": "http", "headers": headers, "client": (client, 1), "request_id": "r"}


def make(keys, tenant: str = "acme"):
    from tsvec.model.access.keys import KeyRequest

    return keys.create(tenant, KeyRequest(name="device"))


def test_without_a_key_in_the_database_everybody_is_welcome(authenticator):
    assert authenticator.caller(scope()) == Caller("default")
    assert authenticator.caller(scope("any", "acme")) == Caller("acme")


def test_or_nobody_if_that_is_not_allowed(keys, clock):
    closed = Authenticator(keys, clock.elapsed_us, allow_open=False)
    assert closed.caller(scope()) is None
    with pytest.raises(UnauthorizedError):
        closed.caller(scope("any"))


def test_with_a_key_its_tenant_is_meant(authenticator, keys):
    made = make(keys)
    for tenant in (None, "acme"):
        assert authenticator.caller(scope(made.secret, tenant)).key_id == made.id
    with pytest.raises(ForbiddenError, match="not one of the tenant 'rival'"):
        authenticator.caller(scope(made.secret, "rival"))
    assert authenticator.caller(scope(None, "acme")) is None


def test_bad_keys_of_one_address_are_throttled(authenticator, keys, clock):
    made = make(keys)
    for _ in range(BURST):
        with pytest.raises(UnauthorizedError):
            authenticator.caller(scope("bad"))
    for _ in range(20):
        with pytest.raises(RateLimitedError) as caught:
            authenticator.caller(scope("bad"))
        assert caught.value.retry_after == 1
    with pytest.raises(UnauthorizedError):
        authenticator.caller(scope("bad", client="192.0.2.8"))
    assert authenticator.caller(scope(made.secret)).key_id == made.id, "a good one goes on"
    clock.now += SECOND
    with pytest.raises(UnauthorizedError):
        authenticator.caller(scope("bad"))
    with pytest.raises(RateLimitedError):
        authenticator.caller(scope("bad"))


def test_requests_without_a_key_are_no_guesses(authenticator, keys):
    make(keys)
    for _ in range(3 * BURST):
        assert authenticator.caller(scope()) is None


def answer(authenticator, asked):
    sent, served = [], []

    async def app(inner, receive, send):
        served.append(inner)

    async def send(message):
        sent.append(message)

    asyncio.run(AuthenticationMiddleware(app, authenticator)(asked, None, send))
    return sent, served


def test_handlers_get_the_caller(authenticator, keys):
    made = make(keys)
    sent, [served] = answer(authenticator, scope(made.secret))
    assert sent == []
    assert caller_of(served).key_id == made.id
    _, [served] = answer(authenticator, scope())
    with pytest.raises(UnauthorizedError, match="this takes an API key"):
        caller_of(served)


def test_who_is_refused_reaches_no_handler(authenticator, keys):
    make(keys)
    sent, served = answer(authenticator, scope("bad"))
    assert served == []
    assert sent[0]["status"] == 401
    assert (b"www-authenticate", b"Bearer") in sent[0]["headers"]


def test_what_is_no_request_passes(authenticator):
    assert answer(authenticator, {"type": "lifespan"}) == ([], [{"type": "lifespan"}])
