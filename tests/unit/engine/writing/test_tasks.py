"""Tasks: values on their way to the writer, told apart by who they are."""

from __future__ import annotations

from concurrent.futures import Future

from tests.unit.engine.rig import batch_of
from tsvec.engine.writing.tasks import (
    AttributesTask,
    CloseTask,
    ConfigureTask,
    DeleteTask,
    ExpireTask,
    IngestTask,
    RestoreTask,
    UpdateTask,
)
from tsvec.model.queries import DeletePointsRequest, PointRef, RestorePointsRequest


def tasks_of(store):
    return [
        IngestTask(store, batch_of(3), "reject_all", "replace"),
        RestoreTask(store, RestorePointsRequest(entity_ids=["a"])),
        DeleteTask(store, DeletePointsRequest(entity_ids=["a"])),
        AttributesTask(store, "a", lambda before: before),
        UpdateTask(store, PointRef(entity_id="a", timestamp=0), {}),
        ConfigureTask(store, lambda config: config),
        ExpireTask(store, 0),
        CloseTask(store),
    ]


def test_only_what_brings_points_has_rows(workshop):
    """Rows wait for room; everything else must go on without."""
    assert [task.rows for task in tasks_of(workshop().store)] == [3, 1, 0, 0, 1, 0, 0, 0]


def test_equal_tasks_are_still_two(workshop):
    store = workshop().store
    for one, other in zip(tasks_of(store), tasks_of(store), strict=True):
        assert one != other
        assert len({one, other}) == 2
        assert one.future is not other.future
        assert isinstance(one.future, Future)
