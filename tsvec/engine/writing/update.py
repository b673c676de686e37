"""Changing what a point carries, on the collection as the writer finds it."""

from __future__ import annotations

import numpy as np
import orjson

from tsvec.engine.writing.commits import Commit
from tsvec.engine.writing.group import GroupBuilder
from tsvec.engine.writing.tasks import UpdateTask
from tsvec.model.attributes import merge_patch
from tsvec.model.lists.replies import UpdateReply
from tsvec.model.points import PointBatch, metadata_bytes
from tsvec.model.queries import PointRef
from tsvec.model.replies import Point
from tsvec.model.times import time_to_datetime
from tsvec.model.validation import invalid_field
from tsvec.query.hits import make_points
from tsvec.query.lists.point import find_point
from tsvec.window.entities import EntityDraft
from tsvec.window.part import StoredPart


def update(builder: GroupBuilder, task: UpdateTask) -> bool:
    """Take an update; False if it has to see what the group changes."""
    if not builder.is_empty:
        return False
    part, row = find_point(builder.windows, task.point)
    point = make_points(builder.windows, [(part, row)], ("metadata",))[0]
    before = point.metadata or {}
    after = merge_patch(before, task.patch)
    try:
        text = metadata_bytes(after)
    except ValueError as error:
        raise invalid_field("metadata", f"cannot be stored: {error}") from None
    changed = text != orjson.dumps(before)
    if changed:
        point = _replace(builder, task.point, point, (part, row), text)
    reply = UpdateReply(
        point=point,
        changed=changed,
        seq=builder.seq,
        recorded_at=builder.recorded,
        durable=True,
    )
    builder.answer(task, lambda: reply)
    return True


def _replace(
    builder: GroupBuilder, ref: PointRef, point: Point, place: tuple[StoredPart, int], text: bytes
) -> Point:
    """Add a version with other metadata. It is a word on what is known, so it is never late."""
    part, row = place
    rows = np.array([row], np.int64)
    batch = PointBatch.of_columns(
        entity_id=[ref.entity_id],
        vector=part.vectors(rows),
        timestamp=part.times(rows),
        metadata=[text],
        key=[ref.key],
    )
    commit = Commit(
        batch=batch,
        numbers=part.entities(rows),
        types=[point.entity_type],
        times=batch.timestamp,
        replaces=part.seqs(rows),
        flags=np.zeros(1, np.uint8),
    )
    builder.add_points(commit, EntityDraft())
    return point.model_copy(
        update={
            "seq": builder.seq,
            "recorded_at": time_to_datetime(builder.recorded_at),
            "metadata": orjson.loads(text),
        }
    )
