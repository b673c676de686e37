"""The entities of a collection in order, a page at a time.

The first page of a moment counts the points of every entity, which takes about twenty milliseconds
a million rows, less what was counted before: see `tsvec.window.census`. That is remembered, so each
further page costs the number of entities only: some milliseconds a hundred thousand. What is asked
of a partition first, whatever it is, looks up its entities: about fifty milliseconds a hundred
thousand.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from tsvec.model.errors import GoneError
from tsvec.model.lists.replies import EntityList, EntitySummary
from tsvec.model.lists.requests import EntitiesRequest
from tsvec.model.times import TIME_MAX_US, TIME_MIN_US, time_to_datetime
from tsvec.model.vectors import Int64Array
from tsvec.query.hits import construct
from tsvec.query.lists.cursors import Place, begin_page, write_cursor
from tsvec.query.lists.pages import first_places
from tsvec.window.census.count import seen_between, tally_of
from tsvec.window.census.order import Ranking
from tsvec.window.census.tally import Tally
from tsvec.window.window_set import WindowSet

_SHAPE = (int, str, int)
"""What the order goes by, entity id, retention cutoff (µs) of the first page."""


def page_entities(windows: WindowSet, request: EntitiesRequest) -> EntityList:
    """One page of the entities that a request selects."""
    windows, place = begin_page(windows, request, _SHAPE)
    if place is not None and request.sort in {"first_seen", "points"}:
        _check_cutoff(windows, place)
    tally = tally_of(windows)
    numbers = np.flatnonzero(_selected(windows, request, tally))
    ranking = windows.registry.order.rank(numbers)
    chosen, page = _page(request, numbers, ranking, _values(request, tally, numbers), place)
    shown = numbers[page]
    more = None
    if chosen > len(page):
        value = int(_values(request, tally, shown)[-1])
        last = windows.registry.id_of(int(shown[-1]))
        more = write_cursor(windows, request, (value, last, windows.cutoff))
    return EntityList(
        items=_summaries(windows, tally, shown), next_cursor=more, as_of_seq=windows.seq
    )


def _selected(windows: WindowSet, request: EntitiesRequest, tally: Tally) -> NDArray[np.bool_]:
    """By entity number: whether an entity is in the list."""
    start, end = request.bounds
    count, registry = len(tally.points), windows.registry
    found: NDArray[np.bool_] = tally.points > 0
    if (start, end) != (TIME_MIN_US, TIME_MAX_US + 1):
        seen = seen_between(windows, start, end)[:count]
        found[: len(seen)] &= seen
        found[len(seen) :] = False
    if request.entity_types is not None:
        found &= registry.types.are(request.entity_types, count, windows.seq)
    passing = windows.entities_passing(request.filter)
    return found if passing is None else found & passing[:count]


def _values(request: EntitiesRequest, tally: Tally, numbers: Int64Array) -> Int64Array:
    """What the order goes by before the id, a number each."""
    match request.sort:
        case "entity_id":
            return np.zeros(len(numbers), np.int64)
        case "points":
            return tally.points[numbers]
        case "first_seen":
            return tally.first[numbers]
        case "last_seen":
            return tally.last[numbers]


def _page(
    request: EntitiesRequest,
    numbers: Int64Array,
    ranking: Ranking,
    values: Int64Array,
    place: Place | None,
) -> tuple[int, Int64Array]:
    """How many entities are left behind a place, and which of `numbers` are the page of them."""
    ranks = ranking.places
    left = np.ones(len(numbers), np.bool_)
    if request.prefix is not None:
        low, high = ranking.beginning_with(request.prefix)
        left &= (ranks >= low) & (ranks < high)
    downwards = request.order == "desc"
    if place is not None:
        value, entity_id, _ = place
        if downwards:
            before = ranks < ranking.first_from(entity_id)
            left &= (values < value) | ((values == value) & before)
        else:
            behind = ranks >= ranking.first_after(entity_id)
            left &= (values > value) | ((values == value) & behind)
    found = np.flatnonzero(left)
    values, ranks = values[found], ranks[found]
    if downwards:
        values, ranks = -values, -ranks
    wanted = first_places(values, lambda places: ranks[places], request.limit)
    order = np.lexsort((ranks[wanted], values[wanted]))
    return len(found), found[wanted[order]]


def _summaries(windows: WindowSet, tally: Tally, numbers: Int64Array) -> list[EntitySummary]:
    registry = windows.registry
    columns = (tally.first[numbers], tally.last[numbers], tally.points[numbers])
    found = []
    for number, first, last, points in zip(
        numbers.tolist(), *(column.tolist() for column in columns), strict=True
    ):
        version = registry.attributes.at(number, windows.seq)
        attributes: dict[str, Any] = {}
        if version is not None and version.value is not None:
            attributes = orjson.loads(version.value)
        fields = {
            "entity_id": registry.id_of(number),
            "entity_type": registry.type_of(number, windows.seq),
            "first_seen": time_to_datetime(first),
            "last_seen": time_to_datetime(last),
            "points": points,
            "attributes": attributes,
        }
        found.append(construct(EntitySummary, fields))
    return found


def _check_cutoff(windows: WindowSet, place: Place) -> None:
    """What an entity has left when some of its points expire may put it on another page, or twice
    on one, and what has expired is not looked at any more.
    """
    if windows.cutoff != place[2]:
        raise GoneError("cursor: points have expired since the list was begun; begin again")
