"""Reading request bodies: bounded in size and time, inflated if need be, decoded strictly."""

from __future__ import annotations

import zlib
from typing import Any, TypeVar

from pydantic import BaseModel
from starlette.requests import ClientDisconnect, Request

from tsvec.model.errors import InvalidRequestError, TooLargeError
from tsvec.model.limits import LIMITS
from tsvec.model.strict_json import decode_json, decode_object
from tsvec.model.validation import detail_at, refusal

Record = TypeVar("Record", bound=BaseModel)

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


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
    if media_type_of(request) != JSON:
        raise wrong_media_type(request, JSON)
    return decode_json(record, await read_body(request, LIMITS.json_bytes_max))


async def read_object(request: Request, *media_types: str) -> dict[str, Any]:
    """The JSON object in a body of one of these media types."""
    if media_type_of(request) not in media_types:
        raise wrong_media_type(request, *media_types)
    return decode_object(await read_body(request, LIMITS.json_bytes_max))


def wrong_media_type(request: Request, *expected: str) -> InvalidRequestError:
    """The error for a Content-Type that the operation doesn't take."""
    given = header(request, b"content-type") or "none"
    message = f"{' or '.join(expected)} is expected, not {given}"
    if given == "application/x-www-form-urlencoded":
        message += " (curl sends JSON with --json)"
    return refusal([detail_at(("Content-Type",), message)])


async def read_body(request: Request, bytes_max: int) -> bytes:
    """The whole body, inflated, of at most `bytes_max` bytes before and after.

    Raises TooLargeError, or InvalidRequestError for an encoding that is unknown or damaged. How
    long a client may take is up to the protocol.
    """
    declared = header(request, b"content-length")
    if declared.isdecimal() and int(declared) > 2 * bytes_max:
        raise _too_large(bytes_max)
    body = await _receive(request, bytes_max)
    encoding = header(request, b"content-encoding").strip().lower()
    match encoding:
        case "" | "identity":
            return body
        case "gzip" | "x-gzip":
            return inflate(body, bytes_max)
        case _:
            message = f"gzip or identity is expected, not {encoding}"
            raise refusal([detail_at(("Content-Encoding",), message)])


async def _receive(request: Request, bytes_max: int) -> bytes:
    """The body as sent. A little more than allowed is read to its end, so that the answer arrives:
    a client that is still sending when the connection closes may never see it.
    """
    chunks, size, more = [], 0, True
    while more and size <= 2 * bytes_max:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(chunk)
        if size <= bytes_max:
            chunks.append(chunk)
    if size > bytes_max:
        raise _too_large(bytes_max)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def inflate(body: bytes, bytes_max: int) -> bytes:
    """The bytes of a gzip body, never holding more than `bytes_max` of them."""
    parts, size = [], 0
    while body:
        member = zlib.decompressobj(_GZIP_WINDOW)
        try:
            parts.append(member.decompress(body, bytes_max - size + 1))
        except zlib.error as error:
            raise InvalidRequestError(f"the gzip body is damaged: {error}") from None
        size += len(parts[-1])
        if size > bytes_max:
            raise _too_large(bytes_max)
        if not member.eof:
            raise InvalidRequestError("the gzip body ends too early")
        body = member.unused_data
    return b"".join(parts)


def _too_large(bytes_max: int) -> TooLargeError:
    return TooLargeError(f"the body exceeds the limit of {bytes_max} bytes, sent or inflated")
