"""The rules of the time machine that change a collection."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.property import machine_draws as draws
from tests.property import timeline_writes as writes
from tests.property.machine_parts import MachineParts, expected, outcome, plain
from tests.property.timeline import Config, Row, micros
from tests.property.timeline_writes import Selector
from tsvec import PointBatch
from tsvec.engine.writing.tasks import DeleteTask, RestoreTask
from tsvec.model.points import metadata_bytes
from tsvec.model.queries import DeletePointsRequest, RestorePointsRequest
from tsvec.model.times import TIME_MISSING

Change = Callable[[], object]
on_error = st.sampled_from(("reject_all", "skip_row", "skip_row"))
on_conflict = st.sampled_from(("replace", "replace", "error", "ignore"))


def batch_of(rows: Sequence[Row]) -> PointBatch:
    times = [TIME_MISSING if row.time is None else row.time for row in rows]
    return PointBatch.of_columns(
        entity_id=[row.entity for row in rows],
        vector=np.array([row.vector for row in rows], np.float32),
        timestamp=np.array(times, np.int64),
        metadata=[metadata_bytes(row.metadata) for row in rows],
        entity_type=[row.kind for row in rows],
        key=[row.key for row in rows],
    )


class Changes(MachineParts):
    """Writes, deletions, restores, attributes, configuration."""

    # What can be done at any moment, also while parts are rearranged.

    def draw_change(self, data: Any) -> Change:
        """Some change, drawn and ready to be made."""
        kinds = ["write", "run", "delete", "restore", "attributes", "entity"]
        if self.line.versions:
            kinds += ["repeat", "repeat"]
        match data.draw(st.sampled_from(kinds)):
            case "write":
                return self._draw_write(data, draws.rows(self.line))
            case "repeat":
                return self._draw_write(data, draws.repeated_rows(self.line))
            case "run":
                return self._draw_write(data, draws.runs(self.line))
            case "delete":
                return self._draw_delete(data)
            case "restore":
                return self._draw_restore(data)
            case "attributes":
                return self._draw_attributes(data)
            case _:
                entity = data.draw(st.sampled_from(draws.known_entities(self.line)))
                return lambda: self._delete_entity(entity)

    def _draw_write(self, data: Any, rows: st.SearchStrategy[list[Row]]) -> Change:
        given = data.draw(rows)
        policies = (data.draw(on_error), data.draw(on_conflict))
        return lambda: self._write(given, *policies)

    def _write(self, rows: Sequence[Row], errors: str, conflicts: str) -> None:
        points = [row.as_point() for row in rows]
        self.check(
            lambda: self.collection.ingest(points, on_error=errors, on_conflict=conflicts),
            lambda: writes.ingest(self.line, rows, errors, conflicts),
        )

    def _draw_delete(self, data: Any) -> Change:
        selector = data.draw(draws.selectors(self.line))
        dry_run = data.draw(st.integers(0, 4)) == 0
        return lambda: self._delete(selector, dry_run)

    def _delete(self, selector: Selector, dry_run: bool) -> None:
        self.check(
            lambda: self.collection.delete_points(dry_run=dry_run, **selector.arguments()),
            lambda: writes.delete_points(self.line, selector, dry_run=dry_run),
        )

    def _draw_restore(self, data: Any) -> Change:
        selector = data.draw(draws.selectors(self.line, restoring=True))
        dry_run = data.draw(st.integers(0, 4)) == 0
        return lambda: self._restore(selector, dry_run)

    def _restore(self, selector: Selector, dry_run: bool) -> None:
        oldest = self.reported()
        self.check(
            lambda: self.collection.restore_points(dry_run=dry_run, **selector.arguments()),
            lambda: writes.restore(self.line, selector, oldest, dry_run=dry_run),
        )

    def _delete_entity(self, entity: str) -> None:
        self.check(
            lambda: self.collection.entities.delete_entity(entity),
            lambda: writes.delete_entity(self.line, entity),
        )

    def _draw_attributes(self, data: Any) -> Change:
        entity = data.draw(st.sampled_from(draws.known_entities(self.line)))
        given = data.draw(st.sampled_from(draws.ATTRIBUTES))
        if data.draw(st.booleans()):
            return lambda: self._merge_attributes(entity, given)
        return lambda: self._set_attributes(entity, given)

    def _set_attributes(self, entity: str, given: dict[str, Any]) -> None:
        self.check(
            lambda: self.collection.entities.set_entity_attributes(entity, given),
            lambda: writes.change_attributes(self.line, entity, lambda _: given),
        )

    def _merge_attributes(self, entity: str, patch: dict[str, Any]) -> None:
        self.check(
            lambda: self.collection.entities.merge_entity_attributes(entity, patch),
            lambda: writes.change_attributes(
                self.line, entity, lambda before: writes.merge_patch(before, patch)
            ),
        )

    # The same as rules.

    @rule(data=st.data())
    def write(self, data: Any) -> None:
        self._draw_write(data, draws.rows(self.line, 12))()

    @rule(data=st.data())
    def write_run(self, data: Any) -> None:
        self._draw_write(data, draws.runs(self.line))()

    @precondition(lambda self: self.line.versions)
    @rule(data=st.data())
    def write_again(self, data: Any) -> None:
        self._draw_write(data, draws.repeated_rows(self.line))()

    @precondition(lambda self: self.line.versions)
    @rule(data=st.data())
    def delete(self, data: Any) -> None:
        self._draw_delete(data)()

    @precondition(lambda self: self.line.versions)
    @rule(data=st.data())
    def restore(self, data: Any) -> None:
        self._draw_restore(data)()

    @precondition(lambda self: self.line.versions)
    @rule(data=st.data(), whole=st.sampled_from((False, False, True)))
    def change_entity(self, data: Any, whole: bool) -> None:
        entity = data.draw(st.sampled_from(draws.known_entities(self.line)))
        if whole:
            self._delete_entity(entity)
        else:
            self._draw_attributes(data)()

    @rule(data=st.data())
    def write_at_once(self, data: Any) -> None:
        """Requests that wait for the writer together, and so may share a group."""
        tasks = []
        for kind in data.draw(st.lists(st.sampled_from("iiidr"), min_size=2, max_size=4)):
            if kind == "i":
                rows = data.draw(draws.rows(self.line, 4))
                tasks.append((kind, (rows, data.draw(on_error), data.draw(on_conflict))))
            else:
                tasks.append((kind, data.draw(draws.selectors(self.line, restoring=kind == "r"))))
        oldest = self.reported()
        writer = self.bench.database._writer
        with writer._wanted:
            futures = [outcome(lambda task=task: self._submit(*task)) for task in tasks]
        results = [
            plain(outcome(one.result)) if isinstance(one, Future) else one for one in futures
        ]
        before: Any = None
        for task, result in zip(tasks, results, strict=True):
            before = self._expect(task, result, before, oldest)

    def _submit(self, kind: str, given: Any) -> Future[Any]:
        if kind == "i":
            rows, errors, conflicts = given
            future: Future[Any] = self.collection.submit(batch_of(rows), errors, conflicts)
            return future
        arguments = given.arguments()
        task: Any = (
            DeleteTask(self.bench.store, DeletePointsRequest(**arguments))
            if kind == "d"
            else RestoreTask(self.bench.store, RestorePointsRequest(**arguments))
        )
        self.bench.database._writer.submit(task)
        return task.future

    def _expect(self, task: Any, got: Any, before: Any, oldest: int) -> Any:
        """Compare one of several requests; what the next may share a group with."""
        line, (kind, given) = self.line, task
        if kind == "d":
            assert got == expected(lambda: writes.delete_points(line, given, dry_run=False))
            return None
        if kind == "r":
            assert got == expected(lambda: writes.restore(line, given, oldest, dry_run=False))
            return None
        at, places, seq = line.next_at, set(), line.seq
        if before is not None and isinstance(got, dict) and micros(got["recorded_at"]) == before[0]:
            at, places = before
        want = expected(lambda: writes.ingest(line, *given, at))
        assert got == want
        fresh = {version.identity[:2] for version in line.versions if version.seq > seq}
        assert places.isdisjoint(fresh), "requests about one point may not share a group"
        return (at, places | fresh) if fresh else before

    @rule(data=st.data())
    def configure(self, data: Any) -> None:
        """Change some of the configuration, all of which is one change."""
        line, wanted = self.line, data.draw(draws.configs)
        names = list(Config.__dataclass_fields__)
        chosen = data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True))
        given = {name: getattr(wanted, name) for name in chosen}
        self.reported()
        after = Config(**{name: getattr(line.config, name) for name in names} | given)
        info = self.bench.database.update_collection("c", **given)
        if after != line.config:
            line.record(1, line.next_at)
        line.config = after
        assert {name: getattr(info, name) for name in names} == {
            name: getattr(after, name) for name in names
        }
        assert info.seq == line.seq
        self.look_at_the_edge()

    @rule(data=st.data())
    def ask_for_nonsense(self, data: Any) -> None:
        """Refused, and nothing changes."""
        delete, restore = self.collection.delete_points, self.collection.restore_points
        backwards = {"start_time": draws.NOON + 1, "end_time": draws.NOON}
        named = {"points": [{"entity_id": "a", "timestamp": 0}], "entity_ids": ["a"]}
        calls = itertools.product((delete, restore), ({}, backwards, named))
        call, arguments = data.draw(st.sampled_from(list(calls)))
        assert outcome(lambda: call(**arguments))[0] == "invalid_request"
        assert outcome(lambda: self.collection.list_deleted_points(cursor="?"))[0] == (
            "invalid_request"
        )
