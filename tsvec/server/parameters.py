"""Parameters of paths and queries become records, under the same rules as bodies."""

from __future__ import annotations

import re
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin
from urllib.parse import parse_qsl, unquote

from pydantic import BaseModel, Field, PlainValidator
from starlette.requests import Request

from tsvec.model.collections import check_collection_name
from tsvec.model.errors import InvalidRequestError, did_you_mean
from tsvec.model.filters.parser import ParsedFilter
from tsvec.model.limits import AtMost, limits
from tsvec.model.points import EntityId, OnConflict, OnError, Space
from tsvec.model.queries import ReadAt
from tsvec.model.strict_json import decode_object
from tsvec.model.validation import detail_at, refusal
from tsvec.model.vectors import RECORD

Record = TypeVar("Record", bound=BaseModel)

_FIELDS_MORE = 100
"""Fields of a query string besides the names of one list."""

_NUMBER_DIGITS_MAX = 19
_OFFSET = re.compile(r" (\d\d:\d\d)$", re.ASCII)


class NoParameters(BaseModel):
    """Of an operation that takes none."""

    model_config = RECORD


class PageParameters(BaseModel):
    """Which page of a list."""

    model_config = RECORD

    limit: Annotated[int, Field(strict=True, ge=1), AtMost("page_items_max")] = 100
    cursor: str | None = None


class IngestParameters(BaseModel):
    """What bad rows and taken places do, and whose vectors they are, where the body cannot say."""

    model_config = RECORD

    on_error: OnError | None = None
    on_conflict: OnConflict | None = None
    space: Space | None = None


class EntityParameters(BaseModel):
    """Which entity."""

    model_config = RECORD

    entity_id: EntityId


class EntityAtParameters(EntityParameters, ReadAt):
    """Which entity, and when."""


def path_text(request: Request, name: str) -> str:
    """A parameter of the path, decoded."""
    try:
        return unquote(request.path_params[name], errors="strict")
    except UnicodeDecodeError:
        raise _refused(name, "percent-encoded UTF-8 is expected") from None


def collection_name(request: Request) -> str:
    """The collection that the path names."""
    name = path_text(request, "collection")
    try:
        return check_collection_name(name)
    except ValueError as error:
        raise _refused("collection", str(error)) from None


def refuse_query(request: Request) -> None:
    """InvalidRequestError if a query string comes with an operation that takes none."""
    if request.scope["query_string"]:
        read_query(request, NoParameters)


def read_query(request: Request, record: type[Record], **path_values: str) -> Record:
    """The record in the query string, together with values from the path.

    An unknown parameter, or one given twice that isn't a list, is an InvalidRequestError.
    """
    values: dict[str, Any] = dict(path_values)
    for name, text in _pairs(request.scope["query_string"]):
        field = record.model_fields.get(name)
        if field is None or name in path_values:
            hint = did_you_mean(name, record.model_fields.keys() - path_values.keys())
            raise _refused(name, f"there is no such query parameter; check its spelling{hint}")
        kinds = _kinds(field.annotation)
        if list in kinds:
            values.setdefault(name, []).extend([text] if text else [])
        elif name in values:
            raise _refused(name, "this query parameter is given more than once")
        elif ParsedFilter in kinds:
            values[name] = decode_object(text.encode(), (name,))
        elif kinds <= {NoneType}:
            # A plus means a space, but in the offset of a time it is often left as it is.
            values[name] = _OFFSET.sub(r"+\1", text)
        else:
            values[name] = _number_or_text(text, kinds)
    return record.model_validate(values)


def _pairs(query: bytes) -> list[tuple[str, str]]:
    if not query:
        return []
    try:
        return parse_qsl(
            query.decode("latin-1"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=limits().selector_items_max + _FIELDS_MORE,
        )
    except ValueError as error:
        raise InvalidRequestError(f"the query string cannot be read: {error}") from None


def _kinds(annotation: Any) -> set[Any]:
    """The types a field may have, without what is said about them: {int, NoneType}.

    None of a type with a decoder of its own, such as a time's, which reads the text as it is; a
    filter's reads an object.
    """
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        has_decoder = any(isinstance(each, PlainValidator) for each in parts[1:])
        return set() if has_decoder and parts[0] is not ParsedFilter else _kinds(parts[0])
    if origin in (Union, UnionType):
        return set().union(*map(_kinds, parts))
    return {origin or annotation}


def _number_or_text(text: str, kinds: set[Any]) -> int | str:
    digits = text.removeprefix("-")
    is_number = digits.isascii() and digits.isdecimal() and len(digits) <= _NUMBER_DIGITS_MAX
    return int(text) if int in kinds and is_number else text


def _refused(name: str, message: str) -> InvalidRequestError:
    return refusal([detail_at((name,), message)])
