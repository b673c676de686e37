"""Predicates: what a filter says once it is parsed, and what each of them means.

They are values: two filters that were written otherwise but say the same mostly make equal
predicates, which is what masks are cached by. A predicate is true or false of a document, a JSON
object, and never unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

Path: TypeAlias = tuple[str, ...]
"""Members to go into, one after the other. One of digits alone also counts into a list, from 0."""

Number: TypeAlias = int | float
"""Numbers are compared as such: 1 is 1.0, and 2**53 + 1 is larger than 2.0**53."""

Order: TypeAlias = Literal["gt", "gte", "lt", "lte"]


@dataclass(frozen=True, slots=True)
class Equal:
    """The value at the path, or an element of the list there, is one of these.

    Kinds are apart, since 1 is not true. `null` stands for null, and for what is not there.
    """

    path: Path
    texts: tuple[str, ...] = ()
    numbers: tuple[Number, ...] = ()
    truths: tuple[bool, ...] = ()
    null: bool = False


@dataclass(frozen=True, slots=True)
class Ordered:
    """The value at the path is of the same kind, number or text, and in this order to `value`.

    Texts are in the order of their code points.
    """

    path: Path
    order: Order
    value: str | Number


@dataclass(frozen=True, slots=True)
class Exists:
    """There is a value at the path, null included."""

    path: Path


@dataclass(frozen=True, slots=True)
class Every:
    """All of these hold; of none: always."""

    parts: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """One of these holds; of none: never."""

    parts: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Predicate


@dataclass(frozen=True, slots=True)
class OfEntity:
    """The part holds of the attributes of the entity, instead of the metadata of the point."""

    part: Predicate


Predicate: TypeAlias = Equal | Ordered | Exists | Every | Some | Not | OfEntity

ALWAYS = Every(())
"""Holds of everything."""


def every(parts: Iterable[Predicate]) -> Predicate:
    """All of these, in the simplest form."""
    found = tuple(dict.fromkeys(_flat(parts, Every)))
    return found[0] if len(found) == 1 else Every(found)


def some(parts: Iterable[Predicate]) -> Predicate:
    """One of these, in the simplest form."""
    found = tuple(dict.fromkeys(_flat(parts, Some)))
    if ALWAYS in found:
        return ALWAYS
    return found[0] if len(found) == 1 else Some(found)


def negated(part: Predicate) -> Predicate:
    """The opposite, in the simplest form."""
    return part.part if isinstance(part, Not) else Not(part)


def is_of_entity(predicate: Predicate) -> bool:
    """Whether any part of it is about attributes."""
    match predicate:
        case OfEntity():
            return True
        case Every(parts) | Some(parts):
            return any(map(is_of_entity, parts))
        case Not(part):
            return is_of_entity(part)
        case _:
            return False


def _flat(parts: Iterable[Predicate], kind: type[Every | Some]) -> Iterator[Predicate]:
    for part in parts:
        if isinstance(part, Every | Some) and isinstance(part, kind):
            yield from part.parts
        else:
            yield part
