"""Reading request bodies: bounded in size and time, inflated if need be, decoded strictly."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel
from starlette.requests import ClientDisconnect, Request

from tsvec.model.errors import InvalidRequestError, TooLargeError
from tsvec.model.limits import limits
from tsvec.model.strict_json import decode_json
from tsvec.model.validation import detail_at, refusal
from tsvec.server.load.gate import share_of
from tsvec.server.load.inflight import Share

Record = TypeVar("Record", bound=BaseModel)

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_PIECE_BYTES = 1 << 20


def header(request: Request, name: bytes) -> str:
    """A header's value, empty if there is none; `name` is in lower case."""
    for found, value in request.scope["headers"]:
        if found == name:
            return str(value, "latin-1")
    return ""


def media_type_of(request: Request) -> str:
    """The Content-Type without its parameters, in lower case; empty if there is none."""
    return header(request, b"content-type").partition(";")[0].strip().lower()


async def read_json(request: Request, record: type[Record]) -> Record:
    """The record in a JSON body."""
    return decode_json(record, await read_json_body(request))


async def read_json_body(request: Request, *media_types: str) -> bytes:
    """A JSON body as it is, of one of these media types, else of `application/json`."""
    expected = media_types or (JSON,)
    if media_type_of(request) not in expected:
        raise wrong_media_type(request, *expected)
    return await read_body(request, "json_bytes_max")


def wrong_media_type(request: Request, *expected: str) -> InvalidRequestError:
    """The error for a Content-Type that the operation doesn't take."""
    given = header(request, b"content-type") or "none"
    message = f"{' or '.join(expected)} is expected, not {given}"
    if given == "application/x-www-form-urlencoded":
        message += " (curl sends JSON with --json)"
    return refusal([detail_at(("Content-Type",), message)])


async def read_body(request: Request, limit: str) -> bytes:
    """The whole body, inflated, of at most the bytes that a limit allows, before and after.

    Raises TooLargeError, or InvalidRequestError for an encoding that is unknown or damaged, or
    UnavailableError where other bodies take the memory. How long a client may take is up to the
    protocol.
    """
    bounds = BodyBounds(limit, getattr(limits(), limit), share_of(request))
    declared = header(request, b"content-length")
    if declared.isdecimal():
        if int(declared) > 2 * bounds.bytes_max:
            raise bounds.too_large()
        bounds.hold(min(int(declared), bounds.bytes_max))
    body = await _receive(request, bounds)
    encoding = header(request, b"content-encoding").strip().lower()
    match encoding:
        case "" | "identity":
            return body
        case "gzip" | "x-gzip":
            return inflate(body, bounds)
        case _:
            message = f"gzip or identity is expected, not {encoding}"
            raise refusal([detail_at(("Content-Encoding",), message)])


@dataclass(frozen=True, slots=True)
class BodyBounds:
    """How large a body may be, by which limit, and its share of the memory for all of them."""

    limit: str
    bytes_max: int
    share: Share | None = None

    def hold(self, size: int) -> None:
        """UnavailableError if there is no room for so many bytes."""
        if self.share is not None:
            self.share.hold(size)

    def too_large(self) -> TooLargeError:
        """The error of a body that is too large."""
        return TooLargeError(
            f"the body exceeds the limit of {self.bytes_max} bytes, sent or inflated ({self.limit})"
        )


async def _receive(request: Request, bounds: BodyBounds) -> bytes:
    """The body as sent. A little more than allowed is read to its end, so that the answer arrives:
    a client that is still sending when the connection closes may never see it.
    """
    chunks, size, more, bytes_max = [], 0, True, bounds.bytes_max
    while more and size <= 2 * bytes_max:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(chunk)
        if size <= bytes_max:
            bounds.hold(size)
            chunks.append(chunk)
    if size > bytes_max:
        raise bounds.too_large()
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def inflate(body: bytes, bounds: BodyBounds) -> bytes:
    """The bytes of a gzip body, a piece at a time, never holding more than is allowed."""
    parts, size, sent = [], 0, len(body)
    while body:
        member, rest = zlib.decompressobj(_GZIP_WINDOW), body
        while not member.eof:
            bounds.hold(sent + min(size + _PIECE_BYTES, bounds.bytes_max))
            try:
                piece = member.decompress(rest, min(_PIECE_BYTES, bounds.bytes_max - size + 1))
            except zlib.error as error:
                raise InvalidRequestError(f"the gzip body is damaged: {error}") from None
            rest = member.unconsumed_tail
            if not (piece or rest or member.eof):
                raise InvalidRequestError("the gzip body ends too early")
            parts.append(piece)
            size += len(piece)
            if size > bounds.bytes_max:
                raise bounds.too_large()
        body = member.unused_data
    return b"".join(parts)
