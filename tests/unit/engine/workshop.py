"""One collection without threads: what a test tells it to do is done when the call returns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tests.unit.engine.rig import SECOND, ManualClock
from tsvec.engine.clock import ExpiryClock
from tsvec.engine.recovery import create_collection_directory, open_store
from tsvec.engine.store import CollectionStore, Ground
from tsvec.engine.upkeep.checkpoint import Arrangement, commit_manifest
from tsvec.engine.upkeep.compacting import CompactionRun, choose_next, merge_partitions
from tsvec.engine.upkeep.expiry import drop_expired, unlink_gone
from tsvec.engine.upkeep.sealing import seal
from tsvec.engine.writing.tasks import (
    AttributesTask,
    ConfigureTask,
    DeleteTask,
    IngestTask,
    RestoreTask,
    Task,
    UpdateTask,
)
from tsvec.engine.writing.writer import Writer
from tsvec.model.collections import CollectionConfig
from tsvec.model.lists.replies import UpdateReply
from tsvec.model.points import PointBatch
from tsvec.model.queries import DeletePointsRequest, PointRef, RestorePointsRequest
from tsvec.model.replies import AttributesReply, DeleteReply, IngestReply, RestoreReply
from tsvec.model.settings import Settings
from tsvec.model.times import TIME_MAX_US, TIME_MIN_US, TIME_MISSING, AsOf
from tsvec.storage.duck import DuckFiles
from tsvec.storage.failpoints import FailPoints
from tsvec.storage.files import Files
from tsvec.storage.layout import CollectionPaths
from tsvec.storage.manifest import Manifest
from tsvec.storage.open_columns import OpenColumns
from tsvec.window.window_set import WindowSet

Row = tuple[Any, ...]
"""(entity, second or None, value, key, type), as many of them as are needed."""


def points(*rows: Row) -> PointBatch:
    """A batch of such rows; the value is the first of two elements."""
    full = [row + (None,) * (5 - len(row)) for row in rows]
    return PointBatch.of_columns(
        entity_id=[row[0] for row in full],
        vector=np.array([[row[2], 1.0] for row in full], np.float32).reshape(-1, 2),
        timestamp=np.array(
            [TIME_MISSING if row[1] is None else int(row[1] * SECOND) for row in full], np.int64
        ),
        entity_type=[row[4] for row in full],
        key=[row[3] for row in full],
    )


class Workshop:
    """A collection `c` of two dimensions under l2, and all that can be done to it."""

    def __init__(
        self,
        path: Path,
        rules: str | FailPoints = "",
        *,
        config: dict[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        self.path = path
        self.clock = ManualClock()
        self.failpoints = FailPoints(rules) if isinstance(rules, str) else rules
        self.settings = Settings(**settings)
        self._duck = DuckFiles(path)
        self._begin()
        made = CollectionConfig(name="c", dim=2, metric="l2", **(config or {}))
        create_collection_directory(self.ground, path / "c", made, 7, self.clock.now_us())
        self.store = self._open()

    def _begin(self) -> None:
        """What a process has when it starts."""
        files = Files(self.failpoints)
        expiry = ExpiryClock(self.clock)
        columns = OpenColumns(8)
        self.ground = Ground(
            files, self._duck, self._duck, columns, self.settings, self.clock, expiry
        )
        self.writer = Writer(self.clock, files, self.settings)

    def _open(self) -> CollectionStore:
        manifest = Manifest.read(CollectionPaths(self.path / "c").manifest)
        return open_store(self.ground, manifest, self.path / "c")

    def close(self) -> None:
        self.store.close()
        self._duck.close()

    def restart(self, *, failpoints: FailPoints | None = None) -> CollectionStore:
        """Open it again. Nothing is written at a close, so this is what a crash leaves too."""
        self.store.close()
        self.failpoints = failpoints or FailPoints()
        self._begin()
        self.store = self._open()
        return self.store

    def group(self, *tasks: Task) -> list[Any]:
        """What the tasks are answered when they reach the writer together; errors as values."""
        for task in tasks:
            assert task.future.set_running_or_notify_cancel()
        self.writer._write(list(tasks))
        return [task.future.exception(0) or task.future.result(0) for task in tasks]

    def _alone(self, task: Task) -> Any:
        [outcome] = self.group(task)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def ingesting(self, *rows: Row, **how: Any) -> IngestTask:
        return self.ingesting_batch(points(*rows), **how)

    def ingesting_batch(
        self, batch: PointBatch, on_error: Any = "reject_all", on_conflict: Any = "replace"
    ) -> IngestTask:
        return IngestTask(self.store, batch, on_error, on_conflict)

    def deleting(self, entity: str | None = None, **selector: Any) -> DeleteTask:
        if entity is not None:
            request = DeletePointsRequest(entity_ids=[entity])
            return DeleteTask(self.store, request, whole_entity=entity)
        return DeleteTask(self.store, DeletePointsRequest(**selector))

    def restoring(self, **selector: Any) -> RestoreTask:
        return RestoreTask(self.store, RestorePointsRequest(**selector))

    def setting(self, entity: str, attributes: dict[str, Any]) -> AttributesTask:
        return AttributesTask(self.store, entity, lambda _: attributes)

    def updating(
        self, entity: str, second: float, patch: Any, key: str | None = None
    ) -> UpdateTask:
        ref = PointRef(entity_id=entity, timestamp=int(second * SECOND), key=key)
        return UpdateTask(self.store, ref, patch)

    def put(self, *rows: Row, **how: Any) -> IngestReply:
        return self._alone(self.ingesting(*rows, **how))

    def delete(self, **selector: Any) -> DeleteReply:
        return self._alone(self.deleting(**selector))

    def delete_entity(self, entity: str) -> DeleteReply:
        return self._alone(self.deleting(entity))

    def restore(self, **selector: Any) -> RestoreReply:
        return self._alone(self.restoring(**selector))

    def set(self, entity: str, attributes: dict[str, Any]) -> AttributesReply:
        return self._alone(self.setting(entity, attributes))

    def update(self, entity: str, second: float, patch: Any, key: str | None = None) -> UpdateReply:
        return self._alone(self.updating(entity, second, patch, key))

    def configure(self, **changes: Any) -> Any:
        return self._alone(
            ConfigureTask(self.store, lambda config: config.model_copy(update=changes))
        )

    def seal(self) -> None:
        """Seal all that is hot."""
        if self.store.windows.hot:
            seal(self.store, self.store.windows.hot, self.clock.now_us())

    def checkpoint(self) -> None:
        with self.store.arranging:
            commit_manifest(self.store, Arrangement())

    def compact(self) -> CompactionRun:
        """Compact all that a full compaction would."""
        run = CompactionRun()
        asked = run.ask()
        while (merge := choose_next(self.store, run)) is not None:
            run.begin(self.clock.now_us())
            merge_partitions(self.store, merge, run, lambda: False)
        run.end(asked)
        return run

    def expire(self) -> int:
        """Drop what has expired, and unlink what nobody reads."""
        dropped = drop_expired(self.store, self._alone)
        unlink_gone(self.store)
        return dropped

    def read(self, seq: int | None = None, time: int | None = None) -> WindowSet:
        return self.store.read(None if seq is time is None else AsOf(seq, time))

    def partitions(self) -> list[str]:
        """The directories of partitions that are on disk."""
        return sorted(path.name for path in self.store.paths.partitions.iterdir())


def shown(windows: WindowSet) -> list[Row]:
    """The points a window set shows: (entity, second, key, value, seq), by seq."""
    found = []
    for part in windows.parts():
        rows = part.select(TIME_MIN_US, TIME_MAX_US + 1)
        if isinstance(rows, slice):
            rows = np.arange(rows.start, rows.stop)
        columns = zip(
            (windows.registry.id_of(number) for number in part.entities(rows).tolist()),
            (part.times(rows) / SECOND).tolist(),
            part.keys(rows),
            part.vectors(rows)[:, 0].tolist(),
            part.seqs(rows).tolist(),
            strict=True,
        )
        found += list(columns)
    return sorted(found, key=lambda row: row[-1])


def values(windows: WindowSet) -> dict[tuple[Any, ...], float]:
    """The value at each (entity, second, key) that is shown; no identity is shown twice."""
    rows = shown(windows)
    found = {row[:3]: row[3] for row in rows}
    assert len(found) == len(rows), f"two living points of one identity: {rows}"
    return found


def kept(windows: WindowSet) -> list[tuple[int, int, int, int]]:
    """Every version that is kept: (seq, seq of its death or 0, time of it, cause), by seq."""
    found = []
    for part in windows.stored():
        deaths = part.deaths()
        ends = dict(
            zip(
                deaths.row.tolist(),
                zip(deaths.seq.tolist(), deaths.at.tolist(), deaths.by.tolist(), strict=True),
                strict=True,
            )
        )
        seqs = part.seqs(slice(0, part.rows)).tolist()
        found += [(seq, *ends.get(row, (0, 0, 0))) for row, seq in enumerate(seqs)]
    return sorted(found)


def everything(store: CollectionStore) -> dict[str, Any]:
    """All that a restart must bring back."""
    windows = store.windows
    tables: dict[str, pa.Table] = store.registry.to_tables()
    return {
        "config": windows.config,
        "seq": windows.seq,
        "recorded_at": windows.recorded_at,
        "shown": shown(windows),
        "kept": kept(windows),
        "configured": list(store.configured),
        "high": store.registry.high,
        **{name: table.to_pylist() for name, table in tables.items()},
    }


def check_counts(store: CollectionStore) -> None:
    """The registry counts the living points of every entity, no more and no less."""
    windows = store.windows
    living: dict[str, int] = {}
    for entity, *_ in shown(windows):
        living[entity] = living.get(entity, 0) + 1
    table = store.registry.to_tables()["entities"].to_pylist()
    counted = {row["entity_id"]: row["points"] for row in table if row["points"]}
    assert counted == living


def seqs_of(rows: Sequence[Row]) -> list[int]:
    return [row[-1] for row in rows]
