"""What the rows of one request do to the points that are there: new, equal, replacing, refused."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsvec.model.points import OnConflict, PointBatch, RowError
from tsvec.model.times import TIME_MISSING, time_to_datetime
from tsvec.model.vectors import Int64Array
from tsvec.window.identity import Found, find_living
from tsvec.window.part import Numbers, Seqs
from tsvec.window.window_set import WindowSet

_MIXER = np.uint64(0x9E3779B97F4A7C15)
"""An odd number that spreads small numbers over 64 bits: 2**64 by the golden ratio."""


@dataclass(frozen=True, slots=True)
class ResolvedRows:
    """The fate of each row of a batch, in the batch's order.

    `stored` are the places of the rows to write, `replaces` the seq of the living version that each
    of them ends (0: none), `superseded` counts rows that a later row of the batch takes the place
    of, `unchanged` those that change nothing.
    """

    stored: Int64Array
    replaces: Seqs
    superseded: int
    unchanged: int
    refused: list[RowError]


def event_times(batch: PointBatch, recorded_at: int) -> Int64Array:
    """The event times (µs) of a batch, the commit's where none was given."""
    found: Int64Array = np.where(batch.timestamp == TIME_MISSING, recorded_at, batch.timestamp)
    return found


def resolve_rows(
    windows: WindowSet,
    batch: PointBatch,
    numbers: Numbers,
    times: Int64Array,
    on_conflict: OnConflict,
    retyped: frozenset[int],
) -> ResolvedRows:
    """Compare a batch with the living points. Rows of `retyped` entities are never unchanged.

    A row later than all of its entity's points is new; only the others are looked up.
    """
    last, repeats = _find_repeats(batch, numbers, times)
    stored = np.zeros(len(batch), np.bool_)
    stored[last] = True
    replaces = np.zeros(len(batch), np.uint64)
    refused: set[int] = set()
    unchanged = superseded = 0
    asked = last[times[last] <= windows.registry.highs(numbers[last])]
    if len(asked):
        keys = [batch.key[place] for place in asked.tolist()]
        for found in find_living(windows, numbers[asked], times[asked], keys):
            places = asked[found.places]
            same = _is_same(batch, places, found)
            if retyped:
                same &= ~np.isin(numbers[places], list(retyped))
            passed = same if on_conflict != "ignore" else np.ones(len(places), np.bool_)
            stored[places[passed]] = False
            unchanged += int(passed.sum())
            others = places[~passed]
            if on_conflict == "error":
                refused.update(others.tolist())
                stored[others] = False
            else:
                replaces[others] = found.part.seqs(found.rows[~passed])
    for place, earlier in repeats.items():
        if place in refused:
            refused.update(earlier)
        elif on_conflict == "ignore" and not stored[place]:
            unchanged += len(earlier)
        else:
            equal = sum(_is_repeat(batch, one, place) for one in earlier)
            unchanged += equal
            superseded += len(earlier) - equal
    rows = np.flatnonzero(stored)
    errors = [_conflict(batch, place, times) for place in sorted(refused)]
    return ResolvedRows(rows, replaces[rows], superseded, unchanged, errors)


def _find_repeats(
    batch: PointBatch, numbers: Numbers, times: Int64Array
) -> tuple[Int64Array, dict[int, list[int]]]:
    """The places of rows that no later row has the identity of, and the earlier rows of each."""
    if not may_repeat(numbers, times):
        return np.arange(len(batch)), {}
    identities = list(zip(numbers.tolist(), times.tolist(), batch.key, strict=True))
    newest = dict(zip(identities, range(len(identities)), strict=True))
    if len(newest) == len(identities):
        return np.arange(len(identities)), {}
    repeats: dict[int, list[int]] = {}
    for place, identity in enumerate(identities):
        if newest[identity] != place:
            repeats.setdefault(newest[identity], []).append(place)
    return np.sort(np.fromiter(newest.values(), np.int64, len(newest))), repeats


def may_repeat(numbers: Numbers, times: Int64Array) -> bool:
    """Whether two rows may share entity and time; rarely true of rows that do not.

    Sorting one number a row takes a fraction of the time that a dictionary of rows takes.
    """
    mixed = np.sort(times.view(np.uint64) ^ (numbers.astype(np.uint64) * _MIXER))
    return bool((mixed[1:] == mixed[:-1]).any())


def _is_repeat(batch: PointBatch, one: int, other: int) -> bool:
    """Whether two rows of a batch carry the same content."""
    same_text = batch.metadata[one] == batch.metadata[other]
    return same_text and batch.vector[one].tobytes() == batch.vector[other].tobytes()


def _is_same(batch: PointBatch, places: Int64Array, found: Found) -> NDArray[np.bool_]:
    """Whether each row has the very bits of the version that is there."""
    given = batch.vector[places].view(np.uint32)
    same: NDArray[np.bool_] = (given == found.part.vectors(found.rows).view(np.uint32)).all(axis=1)
    if same.any():
        texts = found.part.metadata(found.rows)
        equal = [batch.metadata[p] == t for p, t in zip(places.tolist(), texts, strict=True)]
        same &= np.array(equal, np.bool_)
    return same


def _conflict(batch: PointBatch, place: int, times: Int64Array) -> RowError:
    index = int(batch.origin[place])
    when = time_to_datetime(int(times[place])).isoformat()
    message = (
        f"entity {batch.entity_id[place]!r} has another point at {when}; "
        "replace it with on_conflict=replace, or tell the two apart by `key`"
    )
    return RowError(index, "conflict", message, f"points[{index}].timestamp")
