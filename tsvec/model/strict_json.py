"""JSON decoded without the leniencies that hide mistakes: no repeated keys, no byte order mark."""

from __future__ import annotations

import json
import re
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel
from pydantic_core import from_json

from tsvec.model.errors import InvalidRequestError
from tsvec.model.filters.parser import ParsedFilter
from tsvec.model.validation import Location, detail_at, refusal

Record = TypeVar("Record", bound=BaseModel)

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SCALARS = {str, int, float, bool, np.ndarray, type(None)}
_KEY = re.compile(rb'"[ \t\r\n]*:')


def decode_json(record: type[Record], body: bytes, prefix: Location = ()) -> Record:
    """The record in a JSON text, which is found at `prefix` of the request.

    A byte order mark or a key given twice is an InvalidRequestError; anything else the record
    doesn't allow is pydantic's ValidationError.
    """
    refuse_byte_order_mark(body)
    value = record.model_validate_json(body)
    _check_keys(body, value, prefix)
    return value


def decode_object(body: bytes, prefix: Location = ()) -> dict[str, Any]:
    """The JSON object in a text found at `prefix` of the request; else an InvalidRequestError."""
    refuse_byte_order_mark(body)
    try:
        value = from_json(body)
    except ValueError as error:
        raise refusal([detail_at(prefix, f"Invalid JSON: {error}")]) from None
    if not isinstance(value, dict):
        raise refusal([detail_at(prefix, "a JSON object is expected")])
    _check_keys(body, value, prefix)
    return value


def _check_keys(body: bytes, value: object, prefix: Location) -> None:
    # Every key is followed by a colon, so as many colons after a quote as there are distinct keys
    # prove that none is repeated. Text may hold such a colon too; only then is a closer look due.
    if len(_KEY.findall(body)) != _keys(value):
        refuse_repeated_keys(body, prefix)


def refuse_byte_order_mark(body: bytes) -> None:
    """InvalidRequestError if the text begins with one."""
    if body.startswith(_BYTE_ORDER_MARK):
        raise InvalidRequestError("the body begins with a byte order mark; send plain UTF-8")


def refuse_repeated_keys(body: bytes, prefix: Location = ()) -> None:
    """InvalidRequestError naming the first key that an object of this JSON text repeats."""
    document = json.loads(body, object_pairs_hook=_object, parse_int=str, parse_float=str)
    loc = _find_repeated(document, prefix)
    if loc is not None:
        raise refusal([detail_at(loc, "this key is given more than once in its object")])


class _RepeatedKey(str):
    """Stands for an object that has this key more than once."""

    __slots__ = ()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _RepeatedKey:
    seen: dict[str, Any] = {}
    for key, value in pairs:
        if key in seen:
            return _RepeatedKey(key)
        seen[key] = value
    return seen


def _find_repeated(value: object, loc: Location) -> Location | None:
    match value:
        case _RepeatedKey():
            return (*loc, str(value))
        case dict():
            places = [_find_repeated(item, (*loc, key)) for key, item in value.items()]
        case list():
            places = [_find_repeated(item, (*loc, index)) for index, item in enumerate(value)]
        case _:
            return None
    return next((place for place in places if place is not None), None)


def _keys(value: object) -> int:
    """How many keys the objects of a decoded value have."""
    match value:
        case dict():
            return len(value) + sum(map(_keys, value.values()))
        case list():
            return sum(map(_keys, value))
        case ParsedFilter():
            return _keys(value.given)
        case str() | int() | float() | np.ndarray() | None:  # asking for BaseModel is slow
            return 0
        case BaseModel():
            nested = [one for one in value.__dict__.values() if type(one) not in _SCALARS]
            return len(value.model_fields_set) + sum(map(_keys, nested))
        case _:
            return 0
