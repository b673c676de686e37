"""Changes that a client may send again: done once, answered each time as the first time."""

from __future__ import annotations

from typing import Protocol

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from tsvec.model.retries.once import Once, once_of
from tsvec.model.validation import invalid_field
from tsvec.server.body import header
from tsvec.server.replies import EncodedReply, JsonReply
from tsvec.server.services import services_of

_HEADERS = (b"idempotency-key", b"x-idempotency-key")
_NO_CONTENT = 204


class Keeper(Protocol):
    """Keeps replies: a collection, or a tenant those of making and deleting collections."""

    def kept_reply(self, once: Once) -> bytes | None:
        """The JSON of the first reply to a request; None if it is new."""


class Change(Protocol):
    """What a request does; `idempotency_key` says that it is to happen once."""

    def __call__(self, *, idempotency_key: Once | None = None) -> BaseModel | None:
        """Do it; None is answered by nothing but the status."""


def once_asked(request: Request, body: bytes = b"") -> Once | None:
    """The request by its idempotency key and all that it says, None if it has no such key.

    InvalidRequestError for a key that is not one, or for two different ones.
    """
    keys = {value for name, value in request.scope["headers"] if name in _HEADERS}
    if not keys:
        return None
    if len(keys) > 1:
        raise invalid_field("Idempotency-Key", "is given twice, with different values; send one")
    scope = request.scope
    says = (
        scope["method"].encode("latin-1"),
        scope["path"].encode("latin-1"),
        scope["query_string"],
        header(request, b"content-type").encode("latin-1"),
        body,
    )
    return once_of(keys.pop().decode("latin-1"), says)


def repeated(keeper: Keeper, once: Once | None, status: int = 200) -> Response | None:
    """The first reply to a request that comes again; None if it is new."""
    text = None if once is None else keeper.kept_reply(once)
    return None if text is None else _answer(text, status, again=True)


async def change(
    request: Request, keeper: Keeper, work: Change, *, body: bytes = b"", status: int = 200
) -> Response:
    """Do what a request asks for, in a thread, or give it the reply it had before."""
    services, once = services_of(request), once_asked(request, body)
    if once is None:
        reply = await services.run(work)
        return Response(status_code=status) if reply is None else JsonReply(reply, status)
    return await services.run(_change_once, keeper, once, work, status)


def _change_once(keeper: Keeper, once: Once, work: Change, status: int) -> Response:
    again = repeated(keeper, once, status)
    if again is not None:
        return again
    reply = work(idempotency_key=once)
    text = keeper.kept_reply(once)
    if text is None:
        # A dry run, of which nothing is kept.
        text = b"" if reply is None else reply.model_dump_json().encode()
    return _answer(text, status, again=False)


def _answer(text: bytes, status: int, *, again: bool) -> Response:
    reply = EncodedReply(text, status) if status != _NO_CONTENT else Response(status_code=status)
    if again:
        reply.headers["Idempotent-Replayed"] = "true"
    return reply
