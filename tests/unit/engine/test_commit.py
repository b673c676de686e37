"""A group of requests becomes frames and replies, and nothing else happens."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.engine.rig import NOON, ManualClock, batch_of, store_of
from tsvec.engine import commit
from tsvec.engine.commit import CloseTask, ConfigureTask, GroupBuilder, IngestTask
from tsvec.engine.intake.refused_rows import refuse_rows
from tsvec.model.errors import ConflictError, InvalidRequestError, TooLargeError
from tsvec.model.points import RowError
from tsvec.model.times import TIME_MISSING, time_to_datetime
from tsvec.storage.log.frames import Kind, Operation
from tsvec.storage.schema import decode_points


@pytest.fixture
def store(opened):
    database = opened(clock=ManualClock())
    database.create_collection("c", dim=2, metric="l2")
    return store_of(database)


def group_of(store, *tasks, now=NOON):
    builder = GroupBuilder(store, now)
    for task in tasks:
        builder.add(task)
    return builder.finish()


def frame_rows(frame):
    return decode_points(frame.payload, 2).to_pydict()


def test_requests_of_a_group_share_a_frame_and_take_seqs_in_turn(store):
    tasks = [IngestTask(store, batch_of(rows), "reject_all") for rows in (3, 1, 2)]
    group = group_of(store, *tasks)
    [frame] = group.frames
    assert (frame.kind, frame.operation) == (Kind.DATA, Operation.INSERT_POINTS)
    assert (frame.first_seq, frame.count, frame.recorded_at) == (1, 6, NOON)
    assert frame_rows(frame)["commit"] == [3, 3, 3, 4, 6, 6]
    assert [reply.seq for _, reply in group.replies] == [3, 4, 6]
    assert [reply.ingested for _, reply in group.replies] == [3, 1, 2]
    assert [future for future, _ in group.replies] == [task.future for task in tasks]
    assert group.changes.seq == 6
    assert np.concatenate([rows.seq for rows in group.changes.rows]).tolist() == list(range(1, 7))


def test_nothing_changes_before_it_is_applied(store):
    before = store.windows
    group_of(store, IngestTask(store, batch_of(3), "reject_all"))
    assert store.windows is before
    assert (len(store.registry), store.log.syncs) == (0, 0)


def test_the_commit_time_stands_in_for_a_missing_one_and_never_runs_backwards(store):
    batch = batch_of(2)
    batch.timestamp[1] = TIME_MISSING
    first = group_of(store, IngestTask(store, batch, "reject_all"))
    assert first.changes.rows[0].timestamp.tolist() == [0, NOON]
    store.log.commit(first.frames)
    store.apply(first.changes)
    later = group_of(store, IngestTask(store, batch, "reject_all"), now=NOON - 5_000_000)
    assert later.changes.recorded_at == NOON
    assert later.replies[0][1].recorded_at == time_to_datetime(NOON)


def test_large_requests_have_frames_of_their_own(store, monkeypatch):
    monkeypatch.setattr(commit, "_FRAME_BYTES", 100)
    tasks = [IngestTask(store, batch_of(rows), "reject_all") for rows in (5, 3, 50, 1)]
    frames = group_of(store, *tasks).frames
    assert [(frame.first_seq, frame.count) for frame in frames] == [(1, 8), (9, 50), (59, 1)]


def test_a_request_that_no_frame_can_hold_is_refused_alone(store, monkeypatch):
    monkeypatch.setattr(commit, "_REQUEST_BYTES_MAX", 100)
    small, large = (IngestTask(store, batch_of(rows), "reject_all") for rows in (2, 50))
    group = group_of(store, large, small)
    assert isinstance(large.future.exception(), TooLargeError)
    assert [reply.seq for _, reply in group.replies] == [2]


def typed(entity_type, rows=1, entity_id="a"):
    return batch_of(rows, entity_id=entity_id, entity_type=entity_type)


def test_types_are_judged_in_the_order_of_the_group(store):
    accepted = [typed(None), typed("ship"), typed(None), typed("ship")]
    tasks = [IngestTask(store, batch, "reject_all") for batch in accepted]
    wrong = IngestTask(store, typed("plane"), "reject_all")
    group = group_of(store, *tasks[:3], wrong, tasks[3])
    with pytest.raises(ConflictError, match=r"points\[0\].entity_type.*'ship', not 'plane'") as e:
        wrong.future.result(0)
    assert e.value.details[0].row == 0
    [frame] = group.frames
    assert frame_rows(frame)["entity_type"] == ["GENERIC", "ship", "ship", "ship"]
    assert group.changes.entities.numbers == {"a": 0}
    assert group.changes.entities.types == {0: "ship"}


def test_a_refused_request_leaves_no_trace(store):
    batch = replace(typed("ship", 3), entity_id=["b", "c", "c"], entity_type=["x", "y", "z"])
    task = IngestTask(store, batch, "reject_all")
    group = group_of(store, task)
    assert isinstance(task.future.exception(), ConflictError)
    assert (group.frames, group.replies, group.changes.seq) == ([], [], 0)
    assert group.changes.entities.numbers == {}


def test_skip_row_stores_the_rest_and_lists_the_faults_of_both_kinds(store):
    earlier = RowError(1, "invalid_request", "not a number", "points[1].vector")
    batch = replace(
        batch_of(3).take(np.array([0, 2])),
        entity_id=["a", "a"],
        entity_type=["ship", "plane"],
        refused=(earlier,),
    )
    group = group_of(store, IngestTask(store, batch, "skip_row"))
    [(_, reply)] = group.replies
    assert (reply.ingested, reply.rejected, reply.seq) == (1, 2, 1)
    assert [(error.index, error.code) for error in reply.errors] == [
        (1, "invalid_request"),
        (2, "conflict"),
    ]
    assert frame_rows(group.frames[0])["entity_id"] == ["a"]


def test_a_request_of_which_nothing_is_left_is_answered_without_a_frame(store):
    group = group_of(store, IngestTask(store, batch_of(0), "skip_row"))
    assert group.frames == []
    assert [reply.ingested for _, reply in group.replies] == [0]


def test_a_change_of_configuration_takes_a_seq_between_the_points(store):
    config = store.windows.config.model_copy(update={"window_size": "2h"})
    ingest = [IngestTask(store, batch_of(2), "reject_all") for _ in range(2)]
    group = group_of(store, ingest[0], ConfigureTask(store, config), ingest[1], CloseTask(store))
    assert [(f.operation, f.first_seq, f.count) for f in group.frames] == [
        (Operation.INSERT_POINTS, 1, 2),
        (Operation.CONFIGURE, 3, 1),
        (Operation.INSERT_POINTS, 4, 2),
    ]
    assert group.changes.config.window_size == "2h"
    assert [len(group.configured), len(group.closing)] == [1, 1]


def test_a_refusal_tells_the_first_fault_and_how_many_there_are():
    faults = [RowError(row, "x", "is bad", f"points[{row}].key") for row in range(30)]
    error = refuse_rows(InvalidRequestError, faults)
    assert error.message == (
        "points[0].key: is bad (the first of 30 rows at fault); nothing was stored"
    )
    assert [detail.row for detail in error.details] == list(range(20))
