"""Stored rows become the fields of points, and points and hits of a reply."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any, TypeAlias, TypeVar

import numpy as np
import orjson
from pydantic import BaseModel

from tsvec.kernels.distance import similarity_of
from tsvec.model.points import EMPTY_METADATA
from tsvec.model.replies import Point
from tsvec.model.times import time_to_datetime
from tsvec.model.vectors import Int64Array
from tsvec.query.candidates import Candidates
from tsvec.window.part import Columns
from tsvec.window.window_set import WindowSet

Record = TypeVar("Record", bound=BaseModel)
Fields: TypeAlias = dict[str, Any]
MetadataReader: TypeAlias = Callable[[bytes], Any]


def parse_metadata(text: bytes) -> dict[str, Any]:
    """The object of compact JSON."""
    parsed: dict[str, Any] = {} if text == EMPTY_METADATA else orjson.loads(text)
    return parsed


def splice_metadata(text: bytes) -> orjson.Fragment:
    """The JSON itself, for an encoder to copy as it is."""
    return orjson.Fragment(text)


def point_fields(
    windows: WindowSet,
    part: Columns,
    rows: Int64Array,
    include: Collection[str],
    read_metadata: MetadataReader = parse_metadata,
) -> list[Fields]:
    """The fields of a `Point` for each of some rows of a part."""
    registry, at_seq = windows.registry, windows.seq
    count = len(rows)
    columns = zip(
        part.entities(rows).tolist(),
        part.times(rows).tolist(),
        part.keys(rows),
        part.recorded(rows).tolist(),
        part.seqs(rows).tolist(),
        map(read_metadata, part.metadata(rows)) if "metadata" in include else [None] * count,
        np.array(part.vectors(rows)) if "vector" in include else [None] * count,
        strict=True,
    )
    recorded: dict[int, datetime] = {}
    return [
        {
            "entity_id": registry.id_of(number),
            "entity_type": registry.type_of(number, at_seq),
            "timestamp": time_to_datetime(time),
            "key": key,
            "recorded_at": recorded.get(at) or recorded.setdefault(at, time_to_datetime(at)),
            "seq": seq,
            "metadata": metadata,
            "vector": vector,
        }
        for number, time, key, at, seq, metadata, vector in columns
    ]


def read_rows(
    windows: WindowSet,
    places: Sequence[tuple[Columns, int]],
    include: Collection[str],
    read_metadata: MetadataReader = parse_metadata,
) -> list[Fields]:
    """The fields of a `Point` for each (part, row), in this order, each part read once."""
    by_part: dict[int, list[int]] = {}
    for position, (part, _) in enumerate(places):
        by_part.setdefault(id(part), []).append(position)
    found: list[Fields] = [{} for _ in places]
    for positions in by_part.values():
        part = places[positions[0]][0]
        rows = np.array([places[position][1] for position in positions], np.int64)
        read = point_fields(windows, part, rows, include, read_metadata)
        for position, fields in zip(positions, read, strict=True):
            found[position] = fields
    return found


def make_points(
    windows: WindowSet, places: Sequence[tuple[Columns, int]], include: Collection[str]
) -> list[Point]:
    """The points at some (part, row); what they hold was checked when it came in."""
    return [construct(Point, fields) for fields in read_rows(windows, places, include)]


def hit_fields(
    windows: WindowSet,
    found: Sequence[Candidates],
    include: Collection[str],
    read_metadata: MetadataReader,
) -> list[list[Fields]]:
    """The fields of a `Hit` for each row found, in order: one list a search."""
    metric = windows.config.metric
    places = [
        (one.parts[source], row)
        for one in found
        for source, row in zip(one.source.tolist(), one.row.tolist(), strict=True)
    ]
    read = iter(read_rows(windows, places, include, read_metadata))
    hits: list[list[Fields]] = []
    for one in found:
        hits.append([])
        scores = [None] * len(one.row) if one.score is None else one.score.tolist()
        for distance, score in zip(one.distance.tolist(), scores, strict=True):
            fields = next(read)
            fields["distance"] = distance
            fields["similarity"] = similarity_of(metric, distance)
            fields["score"] = score
            hits[-1].append(fields)
    return hits


def without_absent(fields: Fields) -> Fields:
    """The fields less those that are None, as records leave them out of JSON."""
    return {name: value for name, value in fields.items() if value is not None}


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
