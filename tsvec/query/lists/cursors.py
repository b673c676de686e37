"""Cursors: opaque, and good for as long as the past they name is kept.

A cursor says which list it continues, the change the first page was read after, and the place of
the last item. The pages of one list are all read as of that change, so together they hold each item
once, whatever is written, sealed, compacted or restarted in between.
"""

from __future__ import annotations

import binascii
import hashlib
from base64 import b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

from tsvec.model.errors import InvalidRequestError
from tsvec.model.queries import PageRequest
from tsvec.model.validation import invalid_field
from tsvec.window.window_set import WindowSet

Place: TypeAlias = tuple[Any, ...]
"""Where a page ends: numbers and texts, which ones depends on the list."""

Shape: TypeAlias = tuple[type, ...]
"""The kinds of a place's elements, `int` or `str`."""

_TEXT_MAX = 8_192
_NUMBER_MAX = 2**62
_DIGEST_BYTES = 12
_FREE = {"limit", "cursor", "include", "as_of", "wait_for_seq"}
"""Fields that do not say which items a list has, or of which a cursor says it better."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a list goes on: as of which change, and behind which place."""

    seq: int
    place: Place


def write_cursor(windows: WindowSet, request: PageRequest, place: Place) -> str:
    """The cursor of the page behind `place` of a list that is read from these windows."""
    as_of = None if request.as_of is None else str(request.as_of)
    if request.cursor is not None:
        as_of = _decode(request.cursor)[2]
    document = [request.operation, windows.seq, as_of, list(place)]
    text = orjson.dumps([*document, _digest(document, windows.history, request)])
    return urlsafe_b64encode(text).decode().rstrip("=")


def read_cursor(history: str, request: PageRequest) -> Cursor | None:
    """The cursor of a request on the collection of a history; None if it asks for the first page.

    InvalidRequestError unless it was given out for this very question.
    """
    if request.cursor is None:
        return None
    *document, digest = _decode(request.cursor)
    operation, seq, as_of, place = document
    if operation != request.operation:
        raise _refused(f"is one of {operation}, not of {request.operation}")
    if digest != _digest(document, history, request):
        raise _refused(
            "belongs to another question; ask as for the page before, or begin again without it"
        )
    if request.as_of is not None and str(request.as_of) not in {str(seq), as_of}:
        raise _refused(f"belongs to a list as of {as_of or seq}, not of {request.as_of}")
    return Cursor(seq, tuple(place))


def begin_page(
    windows: WindowSet, request: PageRequest, shape: Shape
) -> tuple[WindowSet, Place | None]:
    """What a page is read from, and the place it begins behind; None: at the first item."""
    cursor = read_cursor(windows.history, request)
    if cursor is None:
        return windows, None
    if cursor.seq > windows.seq:
        raise _refused(f"names change {cursor.seq}, but the last one is {windows.seq}")
    kinds = tuple(type(each) for each in cursor.place)
    numbers = (abs(each) for each in cursor.place if isinstance(each, int))
    if kinds != shape or max(numbers, default=0) > _NUMBER_MAX:
        raise _refused("names no place in this list")
    return windows.at(cursor.seq), cursor.place


def _digest(document: list[Any], history: str, request: PageRequest) -> str:
    """Ties a cursor to its question and collection, and tells a damaged one."""
    question = request.model_dump(mode="json", exclude=_FREE, exclude_none=True)
    whole = orjson.dumps([history, question, document], option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(whole, digest_size=_DIGEST_BYTES).hexdigest()


def _decode(text: str) -> list[Any]:
    """Operation, seq, as_of as it was given, place, digest."""
    try:
        if len(text) <= _TEXT_MAX:
            padded = text + "=" * (-len(text) % 4)
            match orjson.loads(b64decode(padded, altchars=b"-_", validate=True)):
                case [str(), int() as seq, str() | None, list(), str()] as parts if seq >= 0:
                    return list(parts)
    except (binascii.Error, ValueError):
        pass
    raise _refused("is not a next_cursor; begin again without it")


def _refused(problem: str) -> InvalidRequestError:
    return invalid_field("cursor", problem)
