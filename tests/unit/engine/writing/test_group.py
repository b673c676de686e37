"""A group of requests becomes frames and replies, and nothing else happens until it is applied."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.engine.rig import NOON, SECOND, batch_of
from tests.unit.engine.workshop import check_counts, kept, points, shown, values
from tsvec.engine.intake.refused_rows import refuse_rows
from tsvec.engine.writing import group
from tsvec.engine.writing.group import GroupBuilder
from tsvec.engine.writing.requests import add_task
from tsvec.engine.writing.tasks import CloseTask, ConfigureTask, DeleteTask, IngestTask
from tsvec.model.errors import ConflictError, InvalidRequestError, TooLargeError
from tsvec.model.points import RowError
from tsvec.model.queries import DeletePointsRequest
from tsvec.model.times import TIME_MISSING, time_to_datetime
from tsvec.storage.log.frames import Kind, Operation
from tsvec.storage.overlay import DeathCause
from tsvec.storage.schema import PointFlag, decode_points


@pytest.fixture
def shop(workshop):
    return workshop()


@pytest.fixture
def store(shop):
    return shop.store


def ingest(store, batch, on_error="reject_all", on_conflict="replace"):
    return IngestTask(store, batch, on_error, on_conflict)


def group_of(store, *tasks, now=NOON):
    builder = GroupBuilder(store, now)
    for task in tasks:
        assert add_task(builder, task)
    return builder.finish()


def replies_of(group):
    return [outcome() for _, outcome in group.outcomes]


def frame_rows(frame):
    return decode_points(frame.payload, 2).to_pydict()


def test_requests_of_a_group_share_a_frame_and_take_seqs_in_turn(store):
    tasks = [ingest(store, batch_of(rows, first=first)) for rows, first in ((3, 0), (1, 3), (2, 4))]
    group = group_of(store, *tasks)
    [frame] = group.frames
    assert (frame.kind, frame.operation) == (Kind.DATA, Operation.INSERT_POINTS)
    assert (frame.first_seq, frame.count, frame.recorded_at) == (1, 6, NOON)
    assert frame_rows(frame)["commit"] == [3, 3, 3, 4, 6, 6]
    assert [reply.seq for reply in replies_of(group)] == [3, 4, 6]
    assert [reply.ingested for reply in replies_of(group)] == [3, 1, 2]
    assert [future for future, _ in group.outcomes] == [task.future for task in tasks]
    assert group.changes.seq == 6
    assert np.concatenate([rows.seq for rows in group.changes.rows]).tolist() == list(range(1, 7))


def test_nothing_changes_before_it_is_applied(store):
    before = store.windows
    group_of(store, ingest(store, batch_of(3)))
    assert store.windows is before
    assert (len(store.registry), store.log.syncs) == (0, 0)


def test_the_commit_time_stands_in_for_a_missing_one(store):
    batch = batch_of(2)
    batch.timestamp[1] = TIME_MISSING
    first = group_of(store, ingest(store, batch))
    assert first.changes.rows[0].timestamp.tolist() == [0, NOON]
    assert frame_rows(first.frames[0])["timestamp"][1] == time_to_datetime(NOON)


def test_requests_without_times_each_have_their_own(shop):
    """Three points of one entity sent at one moment of a clock that stands still."""
    outcomes = shop.group(*(shop.ingesting(("a", None, n)) for n in range(3)))
    assert [(reply.ingested, reply.replaced) for reply in outcomes] == [(1, 0)] * 3
    assert len({reply.recorded_at for reply in outcomes}) == 3
    seconds = [row[1] for row in shown(shop.store.windows)]
    assert seconds == sorted(set(seconds))
    assert len(seconds) == 3


def test_rows_of_one_request_without_times_share_that_of_their_commit(shop):
    reply = shop.put(("a", None, 1), ("b", None, 2), ("a", None, 3))
    assert (reply.ingested, reply.replaced) == (3, 1)
    assert {row[3] for row in shown(shop.store.windows)} == {2.0, 3.0}


def test_large_requests_have_frames_of_their_own(store, monkeypatch):
    monkeypatch.setattr(group, "_FRAME_BYTES", 100)
    tasks = [
        ingest(store, batch_of(rows, first=first))
        for rows, first in ((5, 0), (3, 5), (50, 8), (1, 58))
    ]
    frames = group_of(store, *tasks).frames
    assert [(frame.first_seq, frame.count) for frame in frames] == [(1, 8), (9, 50), (59, 1)]


def test_a_request_that_no_frame_can_hold_is_refused_alone(store, monkeypatch):
    monkeypatch.setattr(group, "_REQUEST_BYTES_MAX", 100)
    small, large = (ingest(store, batch_of(rows)) for rows in (2, 50))
    made = group_of(store, large, small)
    assert isinstance(large.future.exception(), TooLargeError)
    assert [reply.seq for reply in replies_of(made)] == [2]


def typed(entity_type, rows=1, entity_id="a", first=0):
    return batch_of(rows, entity_id=entity_id, entity_type=entity_type, first=first)


def test_types_are_judged_in_the_order_of_the_group(store):
    kinds = [None, "ship", None, "ship"]
    tasks = [ingest(store, typed(kind, first=n)) for n, kind in enumerate(kinds)]
    wrong = ingest(store, typed("plane", first=9))
    group = group_of(store, *tasks[:3], wrong, tasks[3])
    with pytest.raises(ConflictError, match=r"points\[0\].entity_type.*'ship', not 'plane'") as e:
        wrong.future.result(0)
    assert e.value.details[0].row == 0
    [frame] = group.frames
    assert frame_rows(frame)["entity_type"] == ["GENERIC", "ship", "ship", "ship"]
    assert group.changes.entities.numbers == {"a": 0}
    assert group.changes.entities.types == {0: "ship"}
    assert (group.changes.entities.births, group.changes.entities.since) == ({0: 1}, {0: 2})


def test_a_refused_request_leaves_no_trace(store):
    batch = replace(typed("ship", 3), entity_id=["b", "c", "c"], entity_type=["x", "y", "z"])
    task = ingest(store, batch)
    group = group_of(store, task)
    assert isinstance(task.future.exception(), ConflictError)
    assert (group.frames, group.outcomes, group.changes.seq) == ([], [], 0)
    assert group.changes.entities.numbers == {}


def test_skip_row_stores_the_rest_and_lists_the_faults_of_both_kinds(store):
    earlier = RowError(1, "invalid_request", "not a number", "points[1].vector")
    batch = replace(
        batch_of(3).take(np.array([0, 2])),
        entity_id=["a", "a"],
        entity_type=["ship", "plane"],
        refused=(earlier,),
    )
    group = group_of(store, ingest(store, batch, "skip_row"))
    [reply] = replies_of(group)
    assert (reply.ingested, reply.rejected, reply.seq) == (1, 2, 1)
    assert [(error.index, error.code) for error in reply.errors] == [
        (1, "invalid_request"),
        (2, "conflict"),
    ]
    assert frame_rows(group.frames[0])["entity_id"] == ["a"]


def test_a_request_of_which_nothing_is_left_is_answered_without_a_frame(store):
    group = group_of(store, ingest(store, batch_of(0), "skip_row"))
    assert group.frames == []
    assert [reply.ingested for reply in replies_of(group)] == [0]
    assert group.changes.recorded_at == store.windows.recorded_at


def test_what_changes_nothing_takes_no_seq_and_is_answered_as_of_the_last_change(shop):
    first = shop.put(("a", 1, 1))
    synced = shop.store.log.syncs
    again = shop.put(("a", 1, 1))
    assert (again.unchanged, again.ingested, again.seq) == (1, 0, 1)
    assert (again.recorded_at, again.durable) == (first.recorded_at, True)
    assert shop.store.log.syncs == synced
    assert shop.store.windows.recorded_at == NOON + 1


def test_a_change_of_configuration_takes_a_seq_between_the_points(store):
    tasks = [ingest(store, batch_of(2, first=first)) for first in (0, 2)]
    change = ConfigureTask(store, lambda config: config.model_copy(update={"window_size": "2h"}))
    group = group_of(store, tasks[0], change, tasks[1], CloseTask(store))
    assert [(f.operation, f.first_seq, f.count) for f in group.frames] == [
        (Operation.INSERT_POINTS, 1, 2),
        (Operation.CONFIGURE, 3, 1),
        (Operation.INSERT_POINTS, 4, 2),
    ]
    assert group.changes.config.window_size == "2h"
    assert group.changes.configured == [(3, NOON)]


def test_a_refusal_tells_the_first_fault_and_how_many_there_are():
    faults = [RowError(row, "x", "is bad", f"points[{row}].key") for row in range(30)]
    error = refuse_rows(InvalidRequestError, faults)
    assert error.message == (
        "points[0].key: is bad (the first of 30 rows at fault); nothing was stored"
    )
    assert [detail.row for detail in error.details] == list(range(20))


@pytest.mark.parametrize("sealed", [False, True], ids=["hot", "sealed"])
def test_the_frame_names_the_version_that_each_row_ends(shop, sealed):
    shop.put(("a", 1, 1), ("b", 1, 2))
    if sealed:
        shop.seal()
    group = group_of(shop.store, shop.ingesting(("c", 1, 1), ("b", 1, 3), ("a", 1, 1)), now=NOON)
    [frame] = group.frames
    assert frame_rows(frame)["replaces"] == [0, 2]
    [burial] = group.changes.burials
    assert (burial.victim.tolist(), burial.seq.tolist()) == ([2], [4])
    assert (burial.by, burial.counted) == (DeathCause.REPLACED, True)


# Requests that touch one point.


def test_two_requests_for_one_point_in_one_group_follow_each_other(shop):
    tasks = [shop.ingesting(("a", 1, value)) for value in (1, 2, 2, 3)]
    outcomes = shop.group(*tasks)
    assert [(one.ingested, one.replaced, one.unchanged) for one in outcomes] == [
        (1, 0, 0),
        (1, 1, 0),
        (0, 0, 1),
        (1, 1, 0),
    ]
    assert [one.seq for one in outcomes] == [1, 2, 2, 3]
    recorded = [one.recorded_at for one in outcomes]
    assert recorded[0] < recorded[1] == recorded[2] < recorded[3]
    assert kept(shop.store.windows) == [
        (1, 2, NOON + 2, 1),
        (2, 3, NOON + 3, 1),
        (3, 0, 0, 0),
    ]
    assert [values(shop.read(seq=seq))["a", 1.0, None] for seq in (1, 2, 3)] == [1.0, 2.0, 3.0]
    check_counts(shop.store)


def test_the_same_instant_of_another_entity_or_key_needs_no_group_of_its_own(store):
    builder = GroupBuilder(store, NOON)
    assert add_task(builder, ingest(store, points(("a", 1, 1))))
    assert add_task(builder, ingest(store, points(("b", 1, 1), ("a", 2, 1))))
    assert len(builder.finish().frames) == 1


def test_a_configuration_between_them_does_not_hide_that_they_touch(shop):
    change = ConfigureTask(shop.store, lambda c: c.model_copy(update={"window_size": "2h"}))
    outcomes = shop.group(shop.ingesting(("a", 1, 1)), change, shop.ingesting(("a", 1, 2)))
    assert (outcomes[2].replaced, outcomes[2].seq) == (1, 3)
    assert values(shop.store.windows) == {("a", 1.0, None): 2.0}
    check_counts(shop.store)


def test_frames_that_are_full_do_not_hide_that_requests_touch(shop, monkeypatch):
    monkeypatch.setattr(group, "_FRAME_BYTES", 8)
    rows = [("a", 1, 1)], [("b", 1, 1), ("c", 1, 1)], [("a", 1, 2)]
    outcomes = shop.group(*(shop.ingesting(*some) for some in rows))
    assert [one.replaced for one in outcomes] == [0, 0, 1]
    check_counts(shop.store)


def test_a_delete_behind_an_ingest_sees_it(shop):
    outcomes = shop.group(
        shop.deleting(entity_ids=["a"]),
        shop.ingesting(("a", 1, 1)),
        shop.deleting(entity_ids=["a"]),
    )
    assert [outcomes[0].deleted, outcomes[1].ingested, outcomes[2].deleted] == [0, 1, 1]
    assert values(shop.store.windows) == {}
    check_counts(shop.store)


@pytest.mark.parametrize("value", [1, 2], ids=["equal", "other"])
def test_an_ingest_behind_a_delete_sees_it(shop, value):
    """What was equal to a point that is no more is new."""
    shop.put(("a", 1, 1))
    outcomes = shop.group(shop.deleting(entity_ids=["a"]), shop.ingesting(("a", 1, value)))
    assert outcomes[0].deleted == 1
    assert (outcomes[1].ingested, outcomes[1].replaced, outcomes[1].unchanged) == (1, 0, 0)
    assert values(shop.store.windows) == {("a", 1.0, None): float(value)}
    assert kept(shop.store.windows)[0][1:] == (2, NOON + 2, DeathCause.DELETED)
    check_counts(shop.store)


def test_an_ingest_behind_the_deletion_of_an_entity_sees_that_it_has_no_type(shop):
    shop.put(("a", 1, 1, None, "ship"))
    outcomes = shop.group(shop.deleting("a"), shop.ingesting(("a", 2, 2, None, "plane")))
    assert outcomes[0].deleted == outcomes[1].ingested == 1
    assert shop.store.registry.type_of(0, shop.store.windows.seq) == "plane"


def test_an_ingest_behind_a_restore_sees_it(shop):
    shop.put(("a", 1, 1))
    shop.set("a", {"x": 1})
    shop.delete_entity("a")
    outcomes = shop.group(shop.restoring(entity_ids=["a"]), shop.ingesting(("a", 1, 2)))
    assert outcomes[0].restored == 1
    assert (outcomes[1].ingested, outcomes[1].replaced) == (1, 1)
    assert values(shop.store.windows) == {("a", 1.0, None): 2.0}
    check_counts(shop.store)


def test_attributes_behind_an_ingest_see_the_entity(shop):
    outcomes = shop.group(
        shop.ingesting(("a", 1, 1)), shop.setting("a", {"x": 1}), shop.setting("a", {"x": 2})
    )
    assert [one.changed_seq for one in outcomes[1:]] == [2, 3]


def test_tasks_behind_the_end_of_a_collection_are_refused_and_harm_nobody(shop):
    shop.put(("a", 1, 1))
    outcomes = shop.group(
        shop.setting("a", {"x": 1}), CloseTask(shop.store), shop.deleting(entity_ids=["a"])
    )
    assert outcomes[0].changed_seq == 2
    assert outcomes[1] is None
    assert "was deleted" in str(outcomes[2])
    assert shop.writer.failure is None


# Lateness.


def lateness(shop, *seconds):
    """How many of these points (of entities of their own) count as late, one request each."""
    start = len(shop.store.registry)
    return [shop.put((f"n{start + n}", second, 1)).late for n, second in enumerate(seconds)]


def test_a_point_is_late_below_the_mark_and_not_at_it(workshop):
    shop = workshop(config={"allowed_lateness": "10s"})
    assert lateness(shop, 100, 90, 89.999999, 101, 91, 90) == [0, 0, 1, 0, 0, 1]


def test_the_mark_never_follows_a_point_of_the_future(workshop):
    shop = workshop(config={"allowed_lateness": "10s"})
    now = NOON / SECOND
    assert lateness(shop, now + 3_600, now - 9, now - 11) == [0, 0, 1]
    [batch] = [points(("x", now + 7_200, 1))]
    assert shop.group(shop.ingesting_batch(batch))[0].late == 0
    # The commit is recorded a few microseconds after noon, so its mark lies as much later.
    exact = (shop.store.windows.recorded_at + 1 - 10 * SECOND) / SECOND
    assert lateness(shop, exact) == [0]
    exact = (shop.store.windows.recorded_at + 1 - 10 * SECOND - 1) / SECOND
    assert lateness(shop, exact) == [1]


def test_lateness_is_judged_by_what_came_before_the_request(workshop):
    shop = workshop(config={"allowed_lateness": "10s"})
    reply = shop.put(("a", 100, 1), ("a", 1, 2))
    assert reply.late == 0, "nothing came before"
    outcomes = shop.group(shop.ingesting(("b", 200, 1)), shop.ingesting(("b", 150, 1)))
    assert [one.late for one in outcomes] == [0, 1]


def test_the_window_is_the_lateness_unless_another_is_allowed(workshop):
    shop = workshop(config={"window_size": "1m"})
    assert lateness(shop, 100, 40, 39) == [0, 0, 1]
    shop.configure(allowed_lateness="1h")
    assert lateness(shop, 39) == [0]
    shop.configure(allowed_lateness=None)
    assert lateness(shop, 39) == [1]


def test_late_rows_are_flagged_in_the_log_and_deleted_points_leave_the_mark(workshop):
    shop = workshop(config={"allowed_lateness": "10s"})
    shop.put(("a", 100, 1))
    shop.delete(entity_ids=["a"])
    assert shop.put(("b", 50, 1), ("b", 95, 1)).late == 1
    *_, frame = shop.store.log.read_from(shop.store.log.start)
    assert frame_rows(frame)["flags"] == [PointFlag.LATE, 0]
    shop.restart()
    assert shop.put(("c", 80, 1)).late == 1


def test_unchanged_rows_are_not_late(workshop):
    shop = workshop(config={"allowed_lateness": "10s"})
    shop.put(("a", 1, 1))
    shop.put(("a", 100, 1))
    assert shop.put(("a", 1, 1)).late == 0
    assert shop.put(("a", 1, 2)).late == 1


def test_a_delete_alone_writes_one_frame(store, shop):
    shop.put(("a", 1, 1), ("a", 2, 1), ("b", 1, 1))
    task = DeleteTask(store, DeletePointsRequest(entity_ids=["a"]))
    made = group_of(store, task)
    [frame] = made.frames
    assert (frame.operation, frame.first_seq, frame.count) == (Operation.DELETE_POINTS, 4, 2)
    [reply] = replies_of(made)
    assert (reply.deleted, reply.first_seq, reply.seq) == (2, 4, 5)
