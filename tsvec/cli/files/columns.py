"""Which column of a file means what."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tsvec.cli.files.values import TimeUnit
from tsvec.model.errors import InvalidRequestError

NOW = "now"
"""Given instead of a column of times: the time of the commit."""

_ENTITY = ("entity_id", "entity", "id")
_TIME = ("timestamp", "ts", "time", "datetime", "event_time", "date")
_VECTOR = ("vector", "embedding", "vec", "values")
_TYPE = ("entity_type", "type")
_NUMBERED = re.compile(r"(v|x|f|dim|emb|vec|vector|embedding)_?\d+", re.IGNORECASE)
_KEY = "key"


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """What each column of a file is used for."""

    entity: str
    time: str | None
    """None: the time of the commit."""
    vector: tuple[str, ...]
    """One column of lists, or several of numbers."""
    type: str | None
    key: str | None
    metadata: tuple[str, ...]
    time_unit: TimeUnit | None = None
    assume_utc: bool = False

    @property
    def wanted(self) -> dict[str, bool]:
        """The columns to read, and whether each is text even where every value is a number."""
        names = [name for name in (self.entity, self.type, self.key) if name]
        others = [name for name in (self.time, *self.vector, *self.metadata) if name]
        return dict.fromkeys(others, False) | dict.fromkeys(names, True)

    def __str__(self) -> str:
        vector = ",".join(self.vector)
        kept = ",".join(self.metadata) or "none"
        kind = f", type {self.type}" if self.type else ""
        return (
            f"entity {self.entity}, time {self.time or NOW}, vector {vector}{kind}, metadata {kept}"
        )


def plan_columns(
    names: Sequence[str],
    *,
    entity: str | None = None,
    time: str | None = None,
    vector: str | None = None,
    type: str | None = None,  # noqa: A002 - the word of the option
    metadata: str | None = None,
    no_metadata: bool = False,
    time_unit: TimeUnit | None = None,
    assume_utc: bool = False,
) -> ColumnPlan:
    """A plan from what the caller named and, for the rest, from the names of the columns."""

    def pick(what: str, given: str | None, usual: Sequence[str]) -> str:
        found = _find(names, [given] if given else usual)
        if found is None:
            problem = f"no column {given!r}" if given else f"no column for the {what}"
            raise InvalidRequestError(
                f"{problem}; name it with --{what}. The columns are: {', '.join(names)}"
            )
        return found

    vectors = _vector_columns(names, vector, pick)
    entity_column = pick("entity", entity, _ENTITY)
    commit_time = time == NOW and NOW not in names
    time_column = None if commit_time else pick("time", time, _TIME)
    type_column = pick("type", type, ()) if type else _find(names, _TYPE)
    key_column = _find(names, [_KEY])
    used = {entity_column, time_column, type_column, key_column, *vectors}
    kept = [name for name in names if name not in used]
    if metadata:
        kept = [pick("metadata", name.strip(), ()) for name in metadata.split(",")]
    return ColumnPlan(
        entity=entity_column,
        time=time_column,
        vector=vectors,
        type=type_column,
        key=key_column,
        metadata=() if no_metadata else tuple(kept),
        time_unit=time_unit,
        assume_utc=assume_utc,
    )


def _find(names: Sequence[str], usual: Sequence[str]) -> str | None:
    lower = {name.lower(): name for name in reversed(names)}
    exact = (name for name in usual if name in names)
    return next(exact, None) or next((lower[n.lower()] for n in usual if n.lower() in lower), None)


def _vector_columns(
    names: Sequence[str], given: str | None, pick: Callable[[str, str | None, Sequence[str]], str]
) -> tuple[str, ...]:
    if given:
        return tuple(pick("vector", name.strip(), ()) for name in given.split(","))
    numbered = tuple(name for name in names if _NUMBERED.fullmatch(name))
    if _find(names, _VECTOR) is None and len(numbered) > 1:
        return numbered
    return (pick("vector", None, _VECTOR),)
