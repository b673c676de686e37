"""Many small requests of new points, taken together.

Deciding about one row costs as much as deciding about a hundred, so single rows that arrive at the
same time are decided about as one batch, where nothing can come out otherwise: all points are later
than all of their entities, no two share an identity, and no type is at odds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from tsvec.engine.writing.commits import Commit
from tsvec.engine.writing.group import GroupBuilder
from tsvec.engine.writing.rows import event_times, may_repeat
from tsvec.engine.writing.tasks import IngestTask, Task
from tsvec.model.errors import QuotaExceededError
from tsvec.model.points import PointBatch
from tsvec.model.replies import IngestReply
from tsvec.model.vectors import Int64Array
from tsvec.query.hits import construct

_REQUEST_ROWS_MAX = 16
_ROWS_MAX = 4_096


def take_burst(builder: GroupBuilder, tasks: Sequence[Task]) -> int:
    """Take leading requests together; how many, 0 if they have to be taken one by one."""
    burst = list(_leading(builder, tasks))
    sizes = np.array([len(task.batch) for task in burst], np.int64)
    count = int(np.searchsorted(np.cumsum(sizes), _ROWS_MAX, side="right"))
    burst, sizes = burst[:count], sizes[:count]
    if count < 2 or builder.is_closed:
        return 0
    batch = _joined(burst)
    known, types, added, errors = builder.store.registry.resolve(batch, builder.draft)
    numbers, times = np.array(known, np.uint32), event_times(batch, builder.recorded_at)
    born = set(added.numbers.values())
    # A type is in force from its request on, so it must come with the first point of its entity.
    is_retyping = any(number not in born for number in added.types) or (
        len(added.types) > 0
        and any(added.types.get(n, kind) != kind for n, kind in zip(known, types, strict=True))
    )
    if (
        errors
        or is_retyping
        or (times <= builder.store.registry.highs(numbers)).any()
        or may_repeat(numbers, times)
        or builder.touches(numbers, times)
        or not _has_room(builder, len(batch))
    ):
        return 0
    late = times < np.repeat(_marks(builder, times, sizes), sizes)
    rows = Commit(
        batch, numbers, types, times, np.zeros(len(batch), np.uint64), late.view(np.uint8), sizes
    )
    first = builder.seq
    builder.add_points(rows, added)
    _answer(builder, burst, first + np.cumsum(sizes), np.add.reduceat(late, _begins(sizes)))
    return count


def _has_room(builder: GroupBuilder, points: int) -> bool:
    """Whether all may be stored; if not, some of them may be."""
    try:
        builder.check_room(points)
    except QuotaExceededError:
        return False
    return True


def _leading(builder: GroupBuilder, tasks: Sequence[Task]) -> Iterator[IngestTask]:
    """The small requests in front, none of which comes again."""
    keys: set[bytes] = set()
    for task in tasks:
        if (
            not isinstance(task, IngestTask)
            or not 0 < len(task.batch) <= _REQUEST_ROWS_MAX
            or task.batch.refused
        ):
            return
        if task.once is not None:
            if task.once.key in keys or not builder.replies.takes(task.once, len(keys)):
                return
            keys.add(task.once.key)
        yield task


def _joined(burst: Sequence[IngestTask]) -> PointBatch:
    batches = [task.batch for task in burst]
    return PointBatch.of_columns(
        entity_id=[name for batch in batches for name in batch.entity_id],
        vector=np.concatenate([batch.vector for batch in batches]),
        timestamp=np.concatenate([batch.timestamp for batch in batches]),
        metadata=[text for batch in batches for text in batch.metadata],
        entity_type=[kind for batch in batches for kind in batch.entity_type],
        key=[key for batch in batches for key in batch.key],
    )


def _begins(sizes: Int64Array) -> Int64Array:
    begins: Int64Array = np.cumsum(sizes) - sizes
    return begins


def _marks(builder: GroupBuilder, times: Int64Array, sizes: Int64Array) -> Int64Array:
    """The lateness mark (µs) of each request: the newest point before it counts, not its own."""
    highest = np.maximum.reduceat(times, _begins(sizes))
    before = np.maximum.accumulate(np.concatenate([[builder.high], highest[:-1]]))
    marks: Int64Array = np.minimum(before, builder.recorded_at) - builder.config.lateness_us
    return marks


def _answer(
    builder: GroupBuilder, burst: Sequence[IngestTask], seqs: Int64Array, late: Int64Array
) -> None:
    recorded = builder.recorded
    for task, seq, count in zip(burst, seqs.tolist(), late.tolist(), strict=True):
        fields = {
            "ingested": len(task.batch),
            "unchanged": 0,
            "replaced": 0,
            "late": count,
            "rejected": 0,
            "errors": [],
            "seq": seq,
            "recorded_at": recorded,
            "durable": True,
        }
        builder.answer(task, partial(construct, IngestReply, fields))
