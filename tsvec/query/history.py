"""What is known of one entity: its newest point, its type, its attributes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from tsvec.model.errors import EntityNotFoundError
from tsvec.model.replies import AttributesReply, EntityInfo
from tsvec.model.times import TIME_MAX_US, TIME_MIN_US, time_to_datetime
from tsvec.model.vectors import Int64Array
from tsvec.query.hits import make_points
from tsvec.window.part import Part
from tsvec.window.window_set import WindowSet


def find_latest(windows: WindowSet, entity_id: str, at: int) -> tuple[Part, int] | None:
    """The part and row of an entity's newest point with event time <= at (µs)."""
    best: tuple[int, int] | None = None
    found = None
    newest_first = sorted(windows.parts(), key=lambda part: part.time_max, reverse=True)
    for part in windows.deadline.each(newest_first):
        if best is not None and part.time_max < best[0]:
            break
        rows = part.rows_of(entity_id, TIME_MIN_US, at + 1)
        if len(rows):
            row = int(rows[-1])
            place = (int(part.times(rows[-1:])[0]), int(part.seqs(rows[-1:])[0]))
            if best is None or place > best:
                best, found = place, (part, row)
    return found


def is_visible(windows: WindowSet, entity_id: str) -> bool:
    """Whether an entity has any point to be seen."""
    return any(len(rows) for _, rows in _rows_of(windows, entity_id))


def describe_entity(windows: WindowSet, entity_id: str) -> EntityInfo:
    """An entity as these windows show it; EntityNotFoundError if they show no point of it."""
    registry = windows.registry
    points, first, last = 0, TIME_MAX_US, TIME_MIN_US
    latest: tuple[tuple[int, int], Part, int] | None = None
    for part, rows in _rows_of(windows, entity_id):
        ends = part.times(rows[[0, -1]]).tolist()
        points += len(rows)
        first, last = min(first, ends[0]), max(last, ends[1])
        place = (ends[1], int(part.seqs(rows[-1:])[0]))
        if latest is None or place > latest[0]:
            latest = (place, part, int(rows[-1]))
    number = registry.number_of(entity_id)
    if latest is None or number is None:
        raise entity_not_found(entity_id)
    return EntityInfo(
        entity_id=entity_id,
        entity_type=registry.type_of(number, windows.seq),
        first_seen=time_to_datetime(first),
        last_seen=time_to_datetime(last),
        points=points,
        latest=make_points(windows, [latest[1:]], ("metadata",))[0],
        attributes=_attributes(windows, number)[0],
        as_of_seq=windows.seq,
    )


def describe_attributes(windows: WindowSet, entity_id: str) -> AttributesReply:
    """An entity's attributes; EntityNotFoundError if these windows show no point of it."""
    number = windows.registry.number_of(entity_id)
    if number is None or not is_visible(windows, entity_id):
        raise entity_not_found(entity_id)
    attributes, changed_seq = _attributes(windows, number)
    return AttributesReply(
        entity_id=entity_id,
        attributes=attributes,
        as_of_seq=windows.seq,
        changed_seq=changed_seq,
    )


def entity_not_found(entity_id: str) -> EntityNotFoundError:
    """The error for an entity of which there is no point to be seen."""
    return EntityNotFoundError(f"there is no entity {entity_id!r} in this collection")


def _attributes(windows: WindowSet, number: int) -> tuple[dict[str, Any], int | None]:
    version = windows.registry.attributes.at(number, windows.seq)
    if version is None or version.value is None:
        return {}, None
    value: dict[str, Any] = orjson.loads(version.value)
    return value, version.seq


def _rows_of(windows: WindowSet, entity_id: str) -> Iterator[tuple[Part, Int64Array]]:
    """The rows of an entity, a part at a time, each ordered by (event time, seq)."""
    number = windows.registry.number_of(entity_id)
    if number is None:
        return
    low, high = windows.registry.span_of(number)
    for part in windows.deadline.each(windows.overlapping(low, high + 1)):
        rows = part.rows_of(entity_id, low, high + 1)
        if len(rows):
            yield part, rows
