"""What each kind of task asks of a group."""

from __future__ import annotations

import numpy as np
import orjson
from pydantic import BaseModel

from tsvec.engine.writing.group import GroupBuilder
from tsvec.engine.writing.removal import delete, restore
from tsvec.engine.writing.tasks import (
    AttributesTask,
    CloseTask,
    CompactTask,
    ConfigureTask,
    DeleteTask,
    ExpireTask,
    IngestTask,
    Request,
    RestoreTask,
    Task,
    UpdateTask,
)
from tsvec.engine.writing.update import update
from tsvec.model.attributes import attributes_bytes
from tsvec.model.errors import TsvecError
from tsvec.model.replies import AttributesReply
from tsvec.model.validation import invalid_field
from tsvec.query.history import entity_not_found, is_visible
from tsvec.window.part import ALIVE


def add_task(builder: GroupBuilder, task: Task) -> bool:
    """Let a group take a task; False if the task has to wait for what is in the group already.

    A refused task gets its exception at once and leaves no trace.
    """
    try:
        again = _reply_before(builder, task)
        if again is None:
            return _take(builder, task)
    except TsvecError as error:
        task.future.set_exception(error)
    else:
        builder.outcomes.append((task.future, lambda: again))
    return True


def _reply_before(builder: GroupBuilder, task: Task) -> BaseModel | None:
    """The first reply to a task that comes again; None if it is new."""
    if not isinstance(task, Request) or task.once is None:
        return None
    return builder.replies.find(task.once, task.reply)


def _take(builder: GroupBuilder, task: Task) -> bool:
    match task:
        case IngestTask():
            return builder.ingest(task)
        case DeleteTask():
            return delete(builder, task)
        case RestoreTask():
            return restore(builder, task)
        case UpdateTask():
            return update(builder, task)
        case AttributesTask():
            return _change_attributes(builder, task)
        case ConfigureTask():
            return _configure(builder, task)
        case ExpireTask():
            return _expire(builder, task)
        case CompactTask():
            builder.answer(task, task.begin)
            return True
        case CloseTask():
            return True


def _change_attributes(builder: GroupBuilder, task: AttributesTask) -> bool:
    if not builder.is_empty:
        return False
    windows, entity_id = builder.windows, task.entity_id
    number = windows.registry.number_of(entity_id)
    if number is None or not is_visible(windows, entity_id):
        raise entity_not_found(entity_id)
    version = windows.registry.attributes.at(number, windows.seq)
    present = None if version is None else version.value
    before = b"{}" if present is None else present
    try:
        value = attributes_bytes(dict(task.change(orjson.loads(before))))
    except ValueError as error:
        raise invalid_field("attributes", f"cannot be stored: {error}") from None
    changed_seq = None if version is None or present is None else version.seq
    if value != before:
        builder.set_attributes(entity_id, number, value)
        changed_seq = builder.seq
    reply = AttributesReply(
        entity_id=entity_id,
        attributes=orjson.loads(value),
        as_of_seq=builder.seq,
        changed_seq=changed_seq,
    )
    builder.answer(task, lambda: reply)
    return True


def _configure(builder: GroupBuilder, task: ConfigureTask) -> bool:
    config = task.change(builder.config)
    if config != builder.config:
        builder.configure(config)
    reply = builder.store.info_of(builder.config, builder.seq)
    builder.answer(task, lambda: reply)
    return True


def _expire(builder: GroupBuilder, task: ExpireTask) -> bool:
    """Drop every partition that ends before the cutoff, and say how many points lived there."""
    if not builder.is_empty:
        return False
    gone = [part for part in builder.windows.sealed if part.time_max < task.cutoff]
    if gone:
        points = 0
        for part in gone:
            dead = part.dead_seqs(slice(0, part.rows))
            points += part.rows if dead is None else int(np.count_nonzero(dead == ALIVE))
        builder.expire([part.name for part in gone], task.cutoff, points)
    builder.outcomes.append((task.future, lambda: None))
    return True
