"""Stored rows become the fields of points, and points and hits of a reply."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import repeat
from typing import Any, Final, TypeAlias, TypeVar

import numpy as np
import orjson
from pydantic import BaseModel

from tsvec.kernels.distance import similarity_of
from tsvec.model.errors import TooLargeError
from tsvec.model.limits import limits
from tsvec.model.points import EMPTY_METADATA
from tsvec.model.replies import Point
from tsvec.model.times import time_to_datetime
from tsvec.model.vectors import Int64Array
from tsvec.query.candidates import Candidates
from tsvec.window.part import Columns
from tsvec.window.window_set import WindowSet

Record = TypeVar("Record", bound=BaseModel)
Places = TypeVar("Places", list[int], Int64Array)
Fields: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Form:
    """What fields are made for: how metadata and times are given, and whether None is."""

    metadata: Callable[[bytes], Any]
    times: Callable[[Int64Array], list[datetime]]
    has_absent: bool


_NUMBER_BYTES = 8
"""A number of a vector in JSON, about."""

_PIECE_ROWS = 512
"""Rows read at once, so that what is too large is seen before much of it is in memory."""


def parse_metadata(text: bytes) -> dict[str, Any]:
    """The object of compact JSON."""
    parsed: dict[str, Any] = {} if text == EMPTY_METADATA else orjson.loads(text)
    return parsed


def _aware(micros: Int64Array) -> list[datetime]:
    return [time_to_datetime(time) for time in micros.tolist()]


def _naive(micros: Int64Array) -> list[datetime]:
    """UTC, for an encoder that takes naive datetimes to be that: made without a look at each."""
    times: list[datetime] = micros.view("M8[us]").tolist()
    return times


RECORDS: Final = Form(parse_metadata, _aware, has_absent=True)
"""Fields of records."""

JSON: Final = Form(orjson.Fragment, _naive, has_absent=False)
"""Fields for `dump_fields`, which copies stored metadata unread."""


def dump_fields(fields: Fields) -> bytes:
    """The JSON of fields in the form `JSON`, as the records would be encoded."""
    options = orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC | orjson.OPT_SERIALIZE_NUMPY
    return orjson.dumps(fields, BaseModel.model_dump, options)


class ReplySize:
    """What of a reply is as large as users made it, kept below a limit."""

    def __init__(self) -> None:
        self._bytes_max = limits().reply_bytes_max
        self._bytes = 0

    def add(self, size: int) -> None:
        """TooLargeError if so many bytes more are too much."""
        self._bytes += size
        if self._bytes > self._bytes_max:
            raise TooLargeError(
                f"the metadata and vectors of the reply exceed the limit of {self._bytes_max} "
                "bytes (reply_bytes_max); ask for fewer points, or for less of each by `include`"
            )


def point_fields(
    windows: WindowSet,
    part: Columns,
    rows: Int64Array,
    include: Collection[str],
    size: ReplySize,
    form: Form = RECORDS,
) -> list[Fields]:
    """The fields of a `Point` for each of some rows of a part."""
    registry, numbers = windows.registry, part.entities(rows)
    texts = part.metadata(rows) if "metadata" in include else []
    size.add(sum(map(len, texts)))
    if "vector" in include:
        size.add(_NUMBER_BYTES * windows.config.dim * len(rows))
    found: list[Fields] = [
        {
            "entity_id": name,
            "entity_type": kind,
            "timestamp": time,
            "key": key,
            "recorded_at": at,
            "seq": seq,
        }
        for name, kind, time, key, at, seq in zip(
            map(registry.id_of, numbers.tolist()),
            registry.types.at_all(numbers, windows.seq),
            form.times(part.times(rows)),
            part.keys(rows),
            form.times(part.recorded(rows)),
            part.seqs(rows).tolist(),
            strict=True,
        )
    ]
    if not form.has_absent:
        for fields in found:
            if fields["key"] is None:
                del fields["key"]
    if "metadata" in include:
        _add(found, "metadata", map(form.metadata, texts), form)
    elif form.has_absent:
        _add(found, "metadata", repeat(None), form)
    if "vector" in include:
        _add(found, "vector", np.array(part.vectors(rows)), form)
    elif form.has_absent:
        _add(found, "vector", repeat(None), form)
    return found


def _add(found: list[Fields], name: str, values: Iterable[Any], form: Form) -> None:
    """Give all one more field, where there is a value or the form wants to hear that none is."""
    for fields, value in zip(found, values, strict=False):
        if value is not None or form.has_absent:
            fields[name] = value


def read_rows(
    windows: WindowSet,
    places: Sequence[tuple[Columns, int]],
    include: Collection[str],
) -> list[Fields]:
    """The fields of a `Point` for each (part, row), in this order, each part read once."""
    by_part: dict[int, list[int]] = {}
    for position, (part, _) in enumerate(places):
        by_part.setdefault(id(part), []).append(position)
    found: list[Fields] = [{} for _ in places]
    size = ReplySize()
    pieces = (piece for positions in by_part.values() for piece in _pieces(positions))
    for positions in windows.deadline.each(pieces):
        part = places[positions[0]][0]
        rows = np.array([places[position][1] for position in positions], np.int64)
        read = point_fields(windows, part, rows, include, size)
        for position, fields in zip(positions, read, strict=True):
            found[position] = fields
    return found


def _pieces(places: Places) -> Iterator[Places]:
    """The places, in pieces if they are many."""
    for begin in range(0, len(places), _PIECE_ROWS):
        yield places[begin : begin + _PIECE_ROWS]


def make_points(
    windows: WindowSet, places: Sequence[tuple[Columns, int]], include: Collection[str]
) -> list[Point]:
    """The points at some (part, row); what they hold was checked when it came in."""
    return [construct(Point, fields) for fields in read_rows(windows, places, include)]


def hit_fields(
    windows: WindowSet,
    found: Candidates,
    include: Collection[str],
    size: ReplySize,
    form: Form = RECORDS,
) -> list[Fields]:
    """The fields of a `Hit` for each row found, in order."""
    hits: list[Fields] = [{}] * len(found.row)
    for number, part in enumerate(found.parts):
        mine = np.flatnonzero(found.source == number)
        for places in windows.deadline.each(_pieces(mine)):
            read = point_fields(windows, part, found.row[places], include, size, form)
            for place, fields in zip(places.tolist(), read, strict=True):
                hits[place] = fields
    metric = windows.config.metric
    for fields, distance in zip(hits, found.distance.tolist(), strict=True):
        fields["distance"] = distance
        fields["similarity"] = similarity_of(metric, distance)
    scores = repeat(None) if found.score is None else found.score.tolist()
    _add(hits, "score", scores, form)
    return hits


def construct(record: type[Record], fields: Fields) -> Record:
    """A record of fields known to be right and complete, without a look at each.

    Does what pydantic's `model_construct` does, less its search for defaults and aliases, which
    took a third of the time of a small query.
    """
    made = record.__new__(record)
    object.__setattr__(made, "__dict__", fields)
    object.__setattr__(made, "__pydantic_fields_set__", set(fields))
    object.__setattr__(made, "__pydantic_extra__", None)
    object.__setattr__(made, "__pydantic_private__", None)
    return made
