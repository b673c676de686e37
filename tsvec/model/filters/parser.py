"""From a filter as it is sent to a predicate; what is wrong with it is said with its place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias, cast

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from tsvec.model.errors import did_you_mean
from tsvec.model.filters.predicates import (
    ALWAYS,
    Equal,
    Every,
    Exists,
    Number,
    OfEntity,
    Order,
    Ordered,
    Path,
    Predicate,
    every,
    negated,
    some,
)
from tsvec.model.limits import limits

Loc: TypeAlias = tuple[str | int, ...]
"""Where something is in a filter, such as ("$or", 0, "speed", "$gt")."""

_OPERATORS: Final = ("$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists", "$not")
_JOINS: Final = ("$and", "$or", "$not", "$attributes")
_INT_MIN, _INT_MAX = -(2**63), 2**64 - 1
"""The integers that metadata can hold."""

_NAME_SHOWN = 64
"""Signs of a name that an error repeats."""


class FilterError(ValueError):
    """What is wrong with a filter; `loc` is where in it, such as ("speed", "$gt")."""

    def __init__(self, loc: Loc, problem: str) -> None:
        super().__init__(problem)
        self.loc = tuple(_shown(part) for part in loc)


@dataclass(frozen=True, slots=True)
class ParsedFilter:
    """A filter: what it says, and as it was `given`."""

    predicate: Predicate
    given: Mapping[str, Any] = field(compare=False, repr=False)

    @property
    def is_empty(self) -> bool:
        """Whether it has no condition, so that everything passes."""
        return self.predicate == ALWAYS


def parse_filter(value: object) -> ParsedFilter:
    """The filter in a decoded JSON object; a FilterError says what is wrong with it, and where."""
    predicate = _Parser().filter(value, (), 1)
    return ParsedFilter(predicate, cast("Mapping[str, Any]", value))


class _Parser:
    """Parses one filter, counting its terms and the bytes of its texts."""

    def __init__(self) -> None:
        self._limits = limits()
        self._terms = 0
        self._bytes = 0

    def filter(self, value: object, loc: Loc, depth: int) -> Predicate:
        """An object of conditions, all of which must hold."""
        if not isinstance(value, Mapping):
            raise FilterError(
                loc, f'expected an object, such as {{"speed": {{"$gt": 3}}}}, {_not(value)}'
            )
        self._check_depth(loc, depth)
        return every(self._member(key, inner, loc, depth) for key, inner in value.items())

    def _member(self, key: object, value: object, around: Loc, depth: int) -> Predicate:
        if not isinstance(key, str):
            raise FilterError(around, f"a path is text, not {_kind(key)}")
        loc = (*around, key)
        self._count()
        if not key.startswith("$"):
            return self._condition(self._path(key, loc), value, loc, depth)
        match key:
            case "$and":
                return every(self._filters(value, loc, depth))
            case "$or":
                return some(self._filters(value, loc, depth))
            case "$not":
                return negated(self.filter(value, loc, depth + 1))
            case "$attributes":
                if "$attributes" in around:
                    raise FilterError(loc, "this is inside $attributes already")
                part = self.filter(value, loc, depth + 1)
                return part if part == ALWAYS else OfEntity(part)
            case _:
                raise FilterError(
                    loc,
                    f"no such operator; in this place there are {', '.join(_JOINS)}, and paths; "
                    r"a path that begins with a dollar sign is written with a backslash: \$"
                    f"{did_you_mean(key, _JOINS)}",
                )

    def _filters(self, value: object, loc: Loc, depth: int) -> list[Predicate]:
        if not isinstance(value, list | tuple) or not value:
            raise FilterError(loc, f"expected a list of at least one filter, {_not(value)}")
        found = []
        for place, one in enumerate(value):
            self._count()
            found.append(self.filter(one, (*loc, place), depth + 1))
        return found

    def _condition(self, path: Path, value: object, loc: Loc, depth: int) -> Predicate:
        """What must be true of the value at a path."""
        if not isinstance(value, Mapping):
            return self._equal(path, [value], loc)
        self._check_depth(loc, depth)
        if not value:
            raise FilterError(loc, 'expected an operator, such as {"$gt": 3}')
        return every(
            self._operation(path, name, inner, (*loc, _key(name)), depth)
            for name, inner in value.items()
        )

    def _operation(
        self, path: Path, name: object, value: object, loc: Loc, depth: int
    ) -> Predicate:
        self._count()
        match name:
            case "$eq":
                return self._equal(path, [value], loc)
            case "$ne":
                return negated(self._equal(path, [value], loc))
            case "$gt" | "$gte" | "$lt" | "$lte":
                return Ordered(path, cast("Order", name[1:]), self._comparable(value, loc))
            case "$in":
                return self._one_of(path, value, loc)
            case "$nin":
                return negated(self._one_of(path, value, loc))
            case "$exists":
                if not isinstance(value, bool):
                    raise FilterError(loc, f"expected true or false, {_not(value)}")
                return Exists(path) if value else negated(Exists(path))
            case "$not":
                if not isinstance(value, Mapping):
                    raise FilterError(
                        loc, f'expected operators, such as {{"$gt": 3}}, {_not(value)}'
                    )
                return negated(self._condition(path, value, loc, depth + 1))
        if isinstance(name, str) and name.startswith("$"):
            known = ", ".join(_OPERATORS)
            hint = did_you_mean(name, _OPERATORS)
            raise FilterError(loc, f"no such operator; of a value there are {known}{hint}")
        raise FilterError(loc, "an object cannot be compared; name its members by a dotted path")

    def _one_of(self, path: Path, value: object, loc: Loc) -> Predicate:
        if not isinstance(value, list | tuple):
            raise FilterError(loc, f"expected a list of values, {_not(value)}")
        if self._terms + len(value) > self._limits.filter_terms_max:
            raise self._too_many()
        return self._equal(path, value, loc, is_list=True)

    def _equal(
        self, path: Path, values: list[Any] | tuple[Any, ...], loc: Loc, *, is_list: bool = False
    ) -> Predicate:
        texts: set[str] = set()
        numbers: set[Number] = set()
        truths: set[bool] = set()
        for place, value in enumerate(values):
            where = (*loc, place) if is_list else loc
            if is_list:
                self._count()
            match value:
                case None:
                    pass
                case bool():
                    truths.add(value)
                case str():
                    texts.add(self._text(value, where))
                case int() | float():
                    numbers.add(_number(value, where))
                case _:
                    raise FilterError(
                        where, f"expected text, a number, true, false or null, {_not(value)}"
                    )
        null = any(value is None for value in values)
        return Equal(
            path, tuple(sorted(texts)), tuple(sorted(numbers)), tuple(sorted(truths)), null
        )

    def _comparable(self, value: object, loc: Loc) -> str | Number:
        match value:
            case bool() | None:
                raise FilterError(loc, f"only numbers and texts have an order, {_not(value)}")
            case str():
                return self._text(value, loc)
            case int() | float():
                return _number(value, loc)
            case _:
                raise FilterError(loc, f"expected a number or text, {_not(value)}")

    def _path(self, text: str, loc: Loc) -> Path:
        """The members that a dotted path names; a backslash takes the next sign as it is."""
        self._text(text, loc)
        members: list[str] = []
        member, signs = "", iter(text)
        for sign in signs:
            if sign == "\\":
                member += next(signs, "\\")
            elif sign == ".":
                members.append(member)
                member = ""
            else:
                member += sign
        path = (*members, member)
        if "" in path:
            raise FilterError(loc, "a path is names with dots between them, such as engine.rpm")
        if len(path) > (limit := self._limits.metadata_depth_max):
            raise FilterError(loc, f"the path goes deeper than {limit} (metadata_depth_max)")
        return path

    def _text(self, value: str, loc: Loc) -> str:
        try:
            self._bytes += len(value.encode())
        except UnicodeEncodeError:
            raise FilterError(loc, "this is not valid Unicode text") from None
        if self._bytes > (limit := self._limits.filter_bytes_max):
            raise FilterError((), f"the paths and texts exceed {limit} bytes (filter_bytes_max)")
        return value

    def _count(self) -> None:
        self._terms += 1
        if self._terms > self._limits.filter_terms_max:
            raise self._too_many()

    def _check_depth(self, loc: Loc, depth: int) -> None:
        if depth > (limit := self._limits.filter_depth_max):
            raise FilterError(loc, f"the filter nests deeper than {limit} (filter_depth_max)")

    def _too_many(self) -> FilterError:
        limit = self._limits.filter_terms_max
        return FilterError((), f"the filter has more than {limit} terms (filter_terms_max)")


def _number(value: Number, loc: Loc) -> Number:
    """The number in one form: whole ones that metadata can hold as int."""
    if isinstance(value, int):
        if not _INT_MIN <= value <= _INT_MAX:
            raise FilterError(loc, "the integer is beyond 64 bits")
        return int(value)
    if not math.isfinite(value):
        raise FilterError(loc, "the number is not finite")
    if value.is_integer() and _INT_MIN <= value <= _INT_MAX:
        return int(value)
    return float(value)


def _key(name: object) -> str:
    return name if isinstance(name, str) else _kind(name)


def _shown(part: str | int) -> str | int:
    """A part of a place, fit for an error that is sent back."""
    if isinstance(part, int):
        return part
    part = part.encode(errors="replace").decode()
    return part if len(part) <= _NAME_SHOWN else part[: _NAME_SHOWN - 1] + "…"


def _not(value: object) -> str:
    return f"not {_kind(value)}"


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return "text"
        case int() | float():
            return "a number"
        case list() | tuple():
            return "a list" if value else "an empty list"
        case Mapping():
            return "an object"
        case _:
            return type(value).__name__


def _validate_filter(value: object) -> ParsedFilter:
    return value if isinstance(value, ParsedFilter) else parse_filter(value)


FILTER_SCHEMA: dict[str, Any] = {"type": "object", "additionalProperties": True}

if TYPE_CHECKING:
    Filter: TypeAlias = ParsedFilter
else:
    Filter = Annotated[
        ParsedFilter,
        PlainValidator(_validate_filter, json_schema_input_type=dict[str, Any]),
        PlainSerializer(lambda parsed: dict(parsed.given)),
        WithJsonSchema(FILTER_SCHEMA),
    ]
"""The type of a field that holds a filter."""

__all__ = ["Every", "Filter", "FilterError", "ParsedFilter", "parse_filter"]
