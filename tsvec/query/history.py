"""The points of one entity over time, and its newest."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any

import orjson

from tsvec.model.errors import EntityNotFoundError, ErrorDetail, InvalidRequestError
from tsvec.model.queries import HistoryRequest
from tsvec.model.replies import AttributesReply, EntityInfo, HistoryReply
from tsvec.model.times import TIME_MAX_US, TIME_MIN_US, time_to_datetime
from tsvec.model.vectors import Int64Array
from tsvec.query.hits import make_points
from tsvec.window.part import Part
from tsvec.window.window_set import WindowSet


def find_latest(windows: WindowSet, entity_id: str, at: int) -> tuple[Part, int] | None:
    """The part and row of an entity's newest point with event time <= at (µs)."""
    best: tuple[int, int] | None = None
    found = None
    for part in sorted(windows.parts(), key=lambda part: part.time_max, reverse=True):
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
    for part in windows.overlapping(low, high + 1):
        rows = part.rows_of(entity_id, low, high + 1)
        if len(rows):
            yield part, rows


def page_history(windows: WindowSet, request: HistoryRequest) -> HistoryReply:
    """One page of an entity's points; EntityNotFoundError if these windows show none at all."""
    start, end = request.bounds
    after = None if request.cursor is None else _decode_cursor(request)
    if after is not None and request.order == "asc":
        start = max(start, after[0])
    elif after is not None:
        end = min(end, after[0] + 1)
    places: list[tuple[int, int, int, Part]] = []
    for part in windows.overlapping(start, end):
        places += _page_of_part(part, request, start, end, after)
    if not places and not is_visible(windows, request.entity_id):
        raise entity_not_found(request.entity_id)
    places.sort(key=lambda place: place[:2], reverse=request.order == "desc")
    page = places[: request.limit]
    more = len(places) > len(page)
    return HistoryReply(
        items=make_points(windows, [(part, row) for _, _, row, part in page], request.include),
        next_cursor=_encode_cursor(request, page[-1][:2]) if more else None,
        as_of_seq=windows.seq,
    )


def _page_of_part(
    part: Part, request: HistoryRequest, start: int, end: int, after: tuple[int, int] | None
) -> list[tuple[int, int, int, Part]]:
    """The rows of one part that may be on the page: (event time, seq, row, part)."""
    rows = part.rows_of(request.entity_id, start, end)
    times, seqs = part.times(rows), part.seqs(rows)
    if request.order == "desc":
        rows, times, seqs = rows[::-1], times[::-1], seqs[::-1]
    if after is not None:
        beyond = seqs > after[1] if request.order == "asc" else seqs < after[1]
        ahead = (times != after[0]) | beyond
        rows, times, seqs = rows[ahead], times[ahead], seqs[ahead]
    some = slice(0, request.limit + 1)
    return [
        (time, seq, row, part)
        for time, seq, row in zip(
            times[some].tolist(), seqs[some].tolist(), rows[some].tolist(), strict=True
        )
    ]


def _encode_cursor(request: HistoryRequest, place: tuple[int, int]) -> str:
    text = orjson.dumps([request.entity_id, request.order, *place])
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def _decode_cursor(request: HistoryRequest) -> tuple[int, int]:
    text = str(request.cursor)
    try:
        decoded = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        entity_id, order, time, seq = orjson.loads(decoded)
        if (entity_id, order) == (request.entity_id, request.order):
            return (int(time), int(seq))
    except (binascii.Error, orjson.JSONDecodeError, TypeError, ValueError):
        pass
    message = "not a next_cursor of this history in this order; begin again without it"
    raise InvalidRequestError(f"cursor: {message}", [ErrorDetail(field="cursor", message=message)])
