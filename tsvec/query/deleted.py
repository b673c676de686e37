"""The points that were deleted and can still be brought back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsvec.model.queries import DeletedPointsRequest
from tsvec.model.replies import DeletedPoint, DeletedPointList
from tsvec.model.times import time_to_datetime
from tsvec.model.vectors import Int64Array
from tsvec.query.hits import construct, read_rows
from tsvec.query.lists.cursors import begin_page, write_cursor
from tsvec.window.deaths import DeathCause
from tsvec.window.identity import find_living
from tsvec.window.part import Numbers, Seqs, StoredPart
from tsvec.window.window_set import WindowSet


@dataclass(frozen=True, slots=True)
class DeletedRows:
    """Deleted versions, one element each: where they are, what identifies them, when they died."""

    parts: Sequence[StoredPart]
    source: NDArray[np.int64]
    row: Int64Array
    number: Numbers
    time: Int64Array
    key: Sequence[str | None]
    seq: Seqs
    at: Int64Array

    def __len__(self) -> int:
        return len(self.row)

    def take(self, places: NDArray[np.int64]) -> DeletedRows:
        """Only those at these places, in this order."""
        return DeletedRows(
            self.parts,
            self.source[places],
            self.row[places],
            self.number[places],
            self.time[places],
            [self.key[place] for place in places.tolist()],
            self.seq[places],
            self.at[places],
        )


Choice = Callable[[Numbers, Int64Array, Seqs], NDArray[np.bool_]]
"""Which of some (entity numbers, event times, seqs of deletion) are wanted."""


def find_deleted(windows: WindowSet, oldest: int, wanted: Choice) -> DeletedRows:
    """The newest deleted version of each identity, of deletions after change `oldest`.

    The newest deletion comes first. A living point may have taken the place of one.
    """
    found = [_nothing()]
    for part in windows.stored():
        if not part.has_deaths:
            continue
        deaths = part.deaths()
        chosen = (deaths.by == DeathCause.DELETED) & (deaths.seq > oldest)
        chosen &= deaths.seq <= windows.seq
        rows, seqs, at = deaths.row[chosen], deaths.seq[chosen], deaths.at[chosen]
        numbers, times = part.entities(rows), part.times(rows)
        mine = np.flatnonzero(wanted(numbers, times, seqs) & (times >= windows.cutoff))
        if len(mine):
            source, keys = np.zeros(len(mine), np.int64), part.keys(rows[mine])
            columns = (source, rows[mine], numbers[mine], times[mine], keys, seqs[mine], at[mine])
            found.append(DeletedRows([part], *columns))
    return _newest(_joined(found))


def _nothing() -> DeletedRows:
    empty = np.empty(0, np.int64)
    return DeletedRows(
        [], empty, empty, empty.astype(np.uint32), empty, [], empty.astype(np.uint64), empty
    )


def _joined(found: Sequence[DeletedRows]) -> DeletedRows:
    """Rows of several parts together, the newest deletion first."""
    begins = np.cumsum([0, *(len(one.parts) for one in found)]).tolist()
    every = DeletedRows(
        [part for one in found for part in one.parts],
        np.concatenate([one.source + begin for one, begin in zip(found, begins, strict=False)]),
        np.concatenate([one.row for one in found]),
        np.concatenate([one.number for one in found]),
        np.concatenate([one.time for one in found]),
        [key for one in found for key in one.key],
        np.concatenate([one.seq for one in found]),
        np.concatenate([one.at for one in found]),
    )
    return every.take(np.argsort(every.seq)[::-1])


def is_occupied(windows: WindowSet, rows: DeletedRows) -> NDArray[np.bool_]:
    """Whether a living point has the identity of each."""
    taken = np.zeros(len(rows), np.bool_)
    for found in find_living(windows, rows.number, rows.time, rows.key):
        taken[found.places] = True
    return taken


def page_deleted(
    windows: WindowSet, oldest: int, request: DeletedPointsRequest
) -> DeletedPointList:
    """One page of deleted points that no living point replaces, the newest deletion first."""
    windows, place = begin_page(windows, request, (int,))
    start, end = request.bounds
    below = windows.seq + 1 if place is None else max(0, place[0])
    ids = request.entity_ids
    allowed = None if ids is None else windows.registry.allowed(None, ids, windows.seq)

    def wanted(numbers: Numbers, times: Int64Array, _: Seqs) -> NDArray[np.bool_]:
        mine = (times >= start) & (times < end)
        return mine if allowed is None else mine & allowed[numbers]

    found = find_deleted(windows, oldest, wanted)
    found = found.take(np.flatnonzero(~is_occupied(windows, found) & (found.seq < below)))
    page = found.take(np.arange(min(len(found), request.limit)))
    places = [
        (page.parts[source], row)
        for source, row in zip(page.source.tolist(), page.row.tolist(), strict=True)
    ]
    items = []
    read = read_rows(windows, places, ("metadata",))
    for fields, seq, at in zip(read, page.seq.tolist(), page.at.tolist(), strict=True):
        fields |= {"deleted_seq": seq, "deleted_at": time_to_datetime(at)}
        items.append(construct(DeletedPoint, fields))
    more = None
    if len(found) > len(page):
        more = write_cursor(windows, request, (items[-1].deleted_seq,))
    return DeletedPointList(items=items, next_cursor=more, as_of_seq=windows.seq)


def _newest(ordered: DeletedRows) -> DeletedRows:
    """The first of each identity."""
    identities = zip(ordered.number.tolist(), ordered.time.tolist(), ordered.key, strict=True)
    first: dict[tuple[int, int, str | None], int] = {}
    for place, identity in enumerate(identities):
        first.setdefault(identity, place)
    return ordered.take(np.fromiter(first.values(), np.int64, len(first)))
