"""What pydantic found wrong, in the words of the API: field, row and message."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tsvec.model.errors import ErrorDetail, InvalidRequestError, did_you_mean
from tsvec.model.filters.parser import FilterError
from tsvec.model.limits import limits
from tsvec.model.vectors import ElementError

Record = TypeVar("Record", bound=BaseModel)

DETAILS_MAX = 20
"""Faults listed in one error; its message says how many there were."""

_FAULTS_READ_MAX = 10_000
"""Faults of one record beyond which none is spelled out: that would cost more than the request."""

_QUOTED = re.compile("'([^']*)'")
_ROW_LISTS = ("points", "queries", "as_of_each")

Location = tuple[int | str, ...]


def field_path(loc: Location) -> str:
    """`points[3].vector[17]` of ("points", 3, "vector", 17); `body` of nothing."""
    path = ""
    for part in loc:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path or "body"


def detail_at(loc: Location, message: str) -> ErrorDetail:
    """A fault at a place; its row is the index into the points, queries or moments asked for."""
    row = loc[1] if len(loc) > 1 and loc[0] in _ROW_LISTS and isinstance(loc[1], int) else None
    return ErrorDetail(field=field_path(loc), message=message, row=row)


def _detail(fault: ErrorDetails, prefix: Location) -> ErrorDetail:
    loc = (*prefix, *fault["loc"])
    cause = fault.get("ctx", {}).get("error")
    if isinstance(cause, ElementError):
        loc = (*loc, cause.element)
    if isinstance(cause, FilterError):
        loc = (*loc, *cause.loc)
    if fault["type"] == "extra_forbidden":
        return detail_at(loc, "there is no such field; check its spelling")
    return detail_at(loc, fault["msg"].removeprefix("Value error, "))


def _hint(fault: ErrorDetails, title: str) -> str:
    """What was probably meant by an unknown field or value of the record `title`."""
    loc = fault["loc"]
    if fault["type"] == "extra_forbidden":
        return did_you_mean(loc[-1], _fields_at(title, loc[:-1]))
    if fault["type"] == "literal_error" and isinstance(fault["input"], str):
        return did_you_mean(fault["input"], _QUOTED.findall(fault["msg"]))
    return ""


def _fields_at(title: str, loc: Location) -> list[str]:
    """The fields of the record at a place in a record of this package."""
    found = next((kind for kind in _records(BaseModel) if kind.__name__ == title), None)
    for part in loc:
        if found is not None and isinstance(part, str):
            field = found.model_fields.get(part)
            found = None if field is None else next(_records_in(field.annotation), None)
    return [] if found is None else list(found.model_fields)


def _records(kind: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for each in kind.__subclasses__():
        if each.__module__.startswith("tsvec."):
            yield each
        yield from _records(each)


def _records_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _records_in(part)


def details_of(
    error: ValidationError, prefix: Location = (), *, hints: bool = True
) -> list[ErrorDetail]:
    """Every fault of a validation, below `prefix`, at least one.

    With `hints` the first ones tell which field or value was probably meant.
    """
    count = error.error_count()
    if count > _FAULTS_READ_MAX:
        return [detail_at(prefix, f"{count} faults are too many to list")]
    faults = error.errors(include_url=False)
    details = [_detail(fault, prefix) for fault in faults]
    for place, fault in enumerate(faults[: DETAILS_MAX if hints else 0]):
        told = details[place].message + _hint(fault, error.title)
        details[place] = details[place].model_copy(update={"message": told})
    return details


def refusal(details: Sequence[ErrorDetail]) -> InvalidRequestError:
    """The error for these faults: the first in the message, the first few in the details."""
    message = f"{details[0].field}: {details[0].message}"
    if len(details) > 1:
        message += f" (the first of {len(details)} faults)"
    return InvalidRequestError(message, details[:DETAILS_MAX])


def invalid_request(error: ValidationError, prefix: Location = ()) -> InvalidRequestError:
    """The error a caller gets for a record that did not validate."""
    return refusal(details_of(error, prefix))


def invalid_field(field: str, problem: str) -> InvalidRequestError:
    """The error for one field: "limit must be 1 to 1000"."""
    return InvalidRequestError(f"{field} {problem}", [ErrorDetail(field=field, message=problem)])


def check_page_limit(limit: int) -> None:
    """InvalidRequestError unless a page may have so many items."""
    most = limits().page_items_max
    if not 1 <= limit <= most:
        raise invalid_field("limit", f"must be 1 to {most}, not {limit} (page_items_max)")


def record_of(kind: type[Record], fields: Mapping[str, Any]) -> Record:
    """The record of these fields; InvalidRequestError says what is wrong with them."""
    try:
        return kind(**fields)
    except ValidationError as error:
        raise invalid_request(error) from None


def given_record(kind: type[Record], **fields: Any) -> Record:
    """The same, leaving out fields that are None, which mean "not given"."""
    return record_of(kind, {name: value for name, value in fields.items() if value is not None})
