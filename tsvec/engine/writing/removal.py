"""Deleting points, and bringing deleted ones back, on the collection as the writer finds it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tsvec.engine.writing.commits import Victims
from tsvec.engine.writing.group import GroupBuilder, check_bytes
from tsvec.engine.writing.tasks import DeleteTask, RestoreTask
from tsvec.model.errors import TooLargeError
from tsvec.model.limits import limits
from tsvec.model.points import PointBatch
from tsvec.model.queries import DeletePointsRequest, PointRef, RestorePointsRequest
from tsvec.model.replies import DeleteReply, RestoreReply
from tsvec.model.times import time_to_datetime
from tsvec.model.vectors import Int64Array
from tsvec.query.deleted import DeletedRows, find_deleted, is_occupied
from tsvec.query.history import entity_not_found
from tsvec.window.identity import find_living
from tsvec.window.masks.row_filter import RowFilter
from tsvec.window.part import Columns, Numbers, Rows, Seqs
from tsvec.window.window_set import WindowSet

_UNKNOWN = 2**32 - 1
"""The number of an entity that was never seen; no entity has it."""

Places = list[tuple[Columns, Int64Array]]


def select_living(
    windows: WindowSet, request: DeletePointsRequest, row_filter: RowFilter | None = None
) -> tuple[Places, int]:
    """The living points that a request means, by part, and how many it names that are not there.

    `row_filter` is that of the request, if it was used before. TooLargeError if the points are too
    many for one request.
    """
    if request.points is not None:
        return _named(windows, request.points)
    start, end = request.bounds
    ids = request.entity_ids
    row_filter = row_filter or windows.row_filter(request.filter)
    places: Places = []
    for part in windows.overlapping(start, end):
        if ids is None:
            rows: Rows = part.select(start, end)
        else:
            found = [part.rows_of(name, start, end) for name in sorted(set(ids))]
            rows = np.concatenate(found)
        if row_filter is not None:
            rows = row_filter.keep(windows, part, rows)
        if isinstance(rows, slice):
            rows = np.arange(rows.start, rows.stop)
        if len(rows):
            places.append((part, rows))
    _check_count(sum(len(rows) for _, rows in places))
    return places, 0


def _named(windows: WindowSet, points: Sequence[PointRef]) -> tuple[Places, int]:
    refs = list({(ref.entity_id, ref.timestamp, ref.key): ref for ref in points}.values())
    numbers, times = _identities(windows, refs)
    found = find_living(windows, numbers, times, [ref.key for ref in refs])
    places: Places = []
    for one in found:
        rows = one.rows[times[one.places] >= windows.cutoff]
        places.append((one.part, rows))
    return places, len(refs) - sum(len(rows) for _, rows in places)


def _identities(windows: WindowSet, refs: Sequence[PointRef]) -> tuple[Numbers, Int64Array]:
    known = [windows.registry.number_of(ref.entity_id) for ref in refs]
    numbers = np.array([_UNKNOWN if one is None else one for one in known], np.uint32)
    return numbers, np.array([ref.timestamp for ref in refs], np.int64)


def delete(builder: GroupBuilder, task: DeleteTask) -> bool:
    """Take a delete request; False if it has to see what the group changes."""
    if not builder.is_empty:
        return False
    windows, registry = builder.windows, builder.windows.registry
    places, missing = select_living(windows, task.request, task.row_filter)
    entity = None
    if task.whole_entity is not None:
        number = registry.number_of(task.whole_entity)
        if number is None or not places:
            raise entity_not_found(task.whole_entity)
        entity = (task.whole_entity, number)
    first = builder.seq + 1
    count = sum(len(rows) for _, rows in places)
    if count:
        builder.delete(_victims(windows, places), entity)
    reply = DeleteReply(
        deleted=count,
        missing=missing,
        dry_run=False,
        first_seq=first,
        seq=builder.seq,
        recorded_at=builder.recorded,
        durable=True,
    )
    builder.answer(task, lambda: reply)
    return True


def preview_delete(windows: WindowSet, request: DeletePointsRequest) -> DeleteReply:
    """What a delete would do."""
    places, missing = select_living(windows, request)
    return DeleteReply(
        deleted=sum(len(rows) for _, rows in places),
        missing=missing,
        dry_run=True,
        first_seq=windows.seq + 1,
        seq=windows.seq,
        recorded_at=time_to_datetime(windows.recorded_at),
        durable=True,
    )


def _victims(windows: WindowSet, places: Places) -> Victims:
    """The points at some rows, in the order in which they were written."""
    numbers = np.concatenate([part.entities(rows) for part, rows in places])
    times = np.concatenate([part.times(rows) for part, rows in places])
    seqs = np.concatenate([part.seqs(rows) for part, rows in places])
    keys = [key for part, rows in places for key in part.keys(rows)]
    order = np.argsort(seqs)
    registry = windows.registry
    return Victims(
        entity_id=[registry.id_of(number) for number in numbers[order].tolist()],
        number=numbers[order],
        timestamp=times[order],
        key=[keys[place] for place in order.tolist()],
        seq=seqs[order],
    )


def restore(builder: GroupBuilder, task: RestoreTask) -> bool:
    """Take a restore request; False if it has to see what the group changes."""
    if not builder.is_empty:
        return False
    windows = builder.windows
    rows, missing, occupied = _select_deleted(windows, builder.store.oldest_as_of(), task.request)
    first = builder.seq + 1
    if len(rows):
        _bring_back(builder, rows)
    reply = RestoreReply(
        restored=len(rows),
        missing=missing,
        occupied=occupied,
        dry_run=False,
        first_seq=first,
        seq=builder.seq,
        recorded_at=builder.recorded,
        durable=True,
    )
    builder.answer(task, lambda: reply)
    return True


def preview_restore(windows: WindowSet, oldest: int, request: RestorePointsRequest) -> RestoreReply:
    """What a restore would do."""
    rows, missing, occupied = _select_deleted(windows, oldest, request)
    return RestoreReply(
        restored=len(rows),
        missing=missing,
        occupied=occupied,
        dry_run=True,
        first_seq=windows.seq + 1,
        seq=windows.seq,
        recorded_at=time_to_datetime(windows.recorded_at),
        durable=True,
    )


def _select_deleted(
    windows: WindowSet, oldest: int, request: RestorePointsRequest
) -> tuple[DeletedRows, int, int]:
    """The deleted points to bring back, how many named ones are not kept, how many have a heir."""
    start, end = request.bounds
    low = max(request.first_seq or 0, oldest + 1)
    high = windows.seq if request.last_seq is None else request.last_seq
    ids = request.entity_ids
    if request.points is not None:
        ids = [ref.entity_id for ref in request.points]
    allowed = None if ids is None else windows.registry.allowed(None, ids, windows.seq)

    def wanted(numbers: Numbers, times: Int64Array, seqs: Seqs) -> NDArray[np.bool_]:
        mine = (times >= start) & (times < end) & (seqs >= low) & (seqs <= high)
        return mine if allowed is None else mine & allowed[numbers]

    found = find_deleted(windows, oldest, wanted)
    missing = 0
    if request.points is not None:
        number_of = windows.registry.number_of
        named = {(number_of(ref.entity_id), ref.timestamp, ref.key) for ref in request.points}
        identities = zip(found.number.tolist(), found.time.tolist(), found.key, strict=True)
        found = found.take(np.flatnonzero([identity in named for identity in identities]))
        refs = {(ref.entity_id, ref.timestamp, ref.key) for ref in request.points}
        missing = len(refs) - len(found)
    taken = is_occupied(windows, found)
    left = found.take(np.flatnonzero(~taken))
    _check_count(len(left))
    return left, missing, int(np.count_nonzero(taken))


def _bring_back(builder: GroupBuilder, rows: DeletedRows) -> None:
    """Write deleted points again, the oldest deletion first, and what their entities lost."""
    registry = builder.windows.registry
    rows = rows.take(np.argsort(rows.seq))
    numbers, first = np.unique(rows.number, return_index=True)
    # A point that was deleted after its entity was brings nothing of that entity back.
    pairs = zip(numbers.tolist(), rows.seq[first].tolist(), strict=True)
    deleted = dict(sorted(pairs, key=lambda pair: registry.id_of(pair[0])))
    back = {n: registry.types.before_reset(n, after) for n, after in deleted.items()}
    types_back = {number: name for number, name in back.items() if name is not None}
    names = {
        number: types_back.get(number) or registry.type_of(number, builder.seq)
        for number in deleted
    }
    check_bytes(len(rows) * builder.config.dim * 4)
    vectors = np.empty((len(rows), builder.config.dim), np.float32)
    metadata: list[bytes] = [b""] * len(rows)
    for source, part in enumerate(rows.parts):
        mine = np.flatnonzero(rows.source == source)
        vectors[mine] = part.vectors(rows.row[mine])
        for place, text in zip(mine.tolist(), part.metadata(rows.row[mine]), strict=True):
            metadata[place] = text
    check_bytes(vectors.nbytes + sum(map(len, metadata)))
    batch = PointBatch.of_columns(
        entity_id=[registry.id_of(number) for number in rows.number.tolist()],
        vector=vectors,
        timestamp=rows.time,
        metadata=metadata,
        key=list(rows.key),
    )
    types = [names[number] for number in rows.number.tolist()]
    builder.restore(batch, rows.number, types, types_back)
    for number, after in deleted.items():
        value = registry.attributes.before_reset(number, after)
        if value is not None:
            builder.set_attributes(registry.id_of(number), number, value)


def _check_count(count: int) -> None:
    most = limits().delete_rows_max
    if count > most:
        raise TooLargeError(
            f"{count} points are more than one request may touch ({most}, "
            "delete_rows_max); narrow the time range and send several"
        )
