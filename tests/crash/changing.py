"""Making changes of every kind in a process that may be killed, and reading what became of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import tsvec
from tests.crash.changes import (
    CONFIG,
    DIM,
    LATENESS_US,
    MINUTE_US,
    Chooser,
    Model,
    Operation,
    metadata_of,
    vector_of,
)
from tsvec.engine.clock import SystemClock
from tsvec.model.errors import EntityNotFoundError, GoneError
from tsvec.model.times import EPOCH, MICROSECOND, AsOf
from tsvec.window.part import ALIVE

CHANGES = "changes"
STEP_US = MINUTE_US // 2
LEAD_MAX = 8
Say = Callable[..., None]


class PacedClock(SystemClock):
    """Goes on by half a minute whenever every writer has made a change more.

    So that nothing expires while a slow writer names it, no writer gets far ahead of another.
    """

    def __init__(self, now_us: int, writers: Sequence[str]) -> None:
        self._base = now_us
        self._done = dict.fromkeys(writers, 0)
        self._steps = 0
        self._changed = threading.Condition()

    def now_us(self) -> int:
        return self._base + self._steps * STEP_US

    def elapsed_us(self) -> int:
        return self.now_us()

    def go_on(self, us: int) -> None:
        """Let time go by in which nobody writes."""
        with self._changed:
            self._base += us

    def begin(self, writer: str) -> int:
        """Wait for the others; the time."""
        with self._changed:
            ahead = self._done[writer] - LEAD_MAX
            self._changed.wait_for(lambda: min(self._done.values()) >= ahead)
            return self.now_us()

    def end(self, writer: str) -> None:
        """One more is done. All writers make as many."""
        with self._changed:
            self._done[writer] += 1
            self._steps = max(self._steps, min(self._done.values(), default=0))
            self._changed.notify_all()


def open_changes(database: tsvec.Database) -> tsvec.Collection:
    """The collection of the changes, made if it is not there."""
    if CHANGES not in {info.name for info in database.list_collections().items}:
        database.create_collection(CHANGES, dim=DIM, metric="l2", **CONFIG)
    return database.collection(CHANGES)


def make_changes(
    collection: tsvec.Collection, model: Model, count: int, clock: PacedClock, say: Say
) -> None:
    """Make so many changes, saying each before it is sent and after it was acknowledged."""
    writer = model.writer
    chooser = Chooser(model, f"{writer} {clock.now_us()} {model.done}")
    for n in range(count):
        now = clock.begin(writer)
        operation = chooser.choose(now)
        plan = model.plan(operation)
        say("begin", writer, operation, now)
        reply = perform(collection, operation)
        wrong = find_wrong(model, operation, plan.reply, reply)
        seq = reply.changed_seq if operation["kind"] == "attributes" else reply.seq
        recorded = getattr(reply, "recorded_at", None)
        at = now if recorded is None else (recorded - EPOCH) // MICROSECOND
        say("end", writer, seq or 0, at)
        if wrong:
            say("wrong", f"{operation} was answered by {reply}: {wrong}")
        model.apply(plan, seq or 0, at)
        if n % 20 == 19:
            collection.compact(wait=False)
        clock.end(writer)


def perform(collection: tsvec.Collection, operation: Operation) -> Any:
    """Send an operation; its reply."""
    match operation["kind"]:
        case "ingest":
            identities, contents = zip(*operation["rows"], strict=True)
            names, times, keys = zip(*identities, strict=True)
            return collection.ingest(
                entity_id=list(names),
                timestamp=np.array(times, "datetime64[us]"),
                key=list(keys),
                vector=np.stack([vector_of(content) for content in contents]),
                metadata=[metadata_of(content) for content in contents],
                entity_type=[operation["type"]] * len(names),
                on_conflict=operation["on_conflict"],
            )
        case "delete":
            return collection.delete_points(**selector(operation))
        case "delete_entity":
            return collection.entities.delete_entity(operation["entity"])
        case "restore":
            return collection.restore_points(**selector(operation))
        case "attributes":
            entities = collection.entities
            change = entities.set_entity_attributes
            if operation["merge"]:
                change = entities.merge_entity_attributes
            return change(operation["entity"], operation["value"])
    raise AssertionError(operation)


def selector(operation: Operation) -> dict[str, Any]:
    """What an operation names, as delete and restore take it."""
    if "points" in operation:
        names = ("entity_id", "timestamp", "key")
        return {"points": [dict(zip(names, one, strict=True)) for one in operation["points"]]}
    found: dict[str, Any] = {"entity_ids": operation["entities"]}
    if "range" in operation:
        found["start_time"], found["end_time"] = operation["range"]
    if "seqs" in operation:
        found["first_seq"], found["last_seq"] = operation["seqs"]
    return found


def find_wrong(
    model: Model, operation: Operation, expected: dict[str, int], reply: Any
) -> dict[str, Any]:
    """The fields of a reply that are not as expected, and what they should be."""
    wanted = dict(expected)
    if operation["kind"] == "ingest":
        mark = (reply.recorded_at - EPOCH) // MICROSECOND - LATENESS_US
        stored = [step.target[1] for step in model.plan(operation).steps]
        wanted["late"] = sum(time < mark for time in stored)
        if not model.done:
            del wanted["late"]
    return {name: value for name, value in wanted.items() if getattr(reply, name) != value}


# Reading.


def read_all(
    database: tsvec.Database, entities: Sequence[str], moments: Sequence[tuple[str, int]]
) -> dict[str, Any]:
    """What the collection shows at present and at earlier moments, of some entities."""
    if CHANGES not in {info.name for info in database.list_collections().items}:
        return {}
    collection = database.collection(CHANGES)
    problems = find_miscounted(database)
    while True:
        stats = collection.get_collection_stats()
        deleted = read_deleted(collection)
        present = read_at(collection, entities, None)
        if collection.get_collection_stats().oldest_as_of == stats.oldest_as_of:
            break
    shown = sum(len(rows) for *_, rows in present[1].values())
    windows = pages(collection.list_windows, limit=1_000)
    if not shown == stats.points == sum(one.points for one in windows):
        problems.append(f"{shown} points are shown, {stats.points} are counted")
    if stats.points:
        reply = collection.temporal_knn([0.5] * DIM, k=3)
        if reply.eligible.value != stats.points:
            problems.append(f"a query chooses from {reply.eligible.value} of {shown} points")
    found: list[Any] = []
    for kind, value in moments:
        try:
            at = AsOf(seq=value) if kind == "seq" else AsOf(time=value)
            found.append(read_at(collection, entities, at))
        except GoneError:
            found.append(None)
    return {
        "problems": problems,
        "seq": stats.as_of_seq,
        "oldest": stats.oldest_as_of,
        "present": present[1],
        "deleted": deleted,
        "moments": found,
    }


def pages(ask: Callable[..., Any], **request: Any) -> list[Any]:
    """All items of a list."""
    items, cursor = [], None
    while True:
        page = ask(cursor=cursor, **request)
        items += page.items
        cursor = page.next_cursor
        if cursor is None:
            return items


def read_deleted(collection: tsvec.Collection) -> list[tuple[int, Any, int]]:
    """Every point that can be brought back: seq of the deletion, identity, content."""
    found = []
    for item in pages(collection.list_deleted_points, limit=1_000):
        time = (item.timestamp - EPOCH) // MICROSECOND
        found.append((item.deleted_seq, (item.entity_id, time, item.key), item.metadata["n"]))
    return found


def read_at(
    collection: tsvec.Collection, entities: Sequence[str], at: AsOf | None
) -> tuple[int, dict[str, Any]]:
    """The seq at a moment; of each visible entity type, attributes and points."""
    found, seq = {}, collection.get_collection_stats(as_of=at).as_of_seq
    for name in entities:
        try:
            info = collection.entities.get_entity(name, as_of=at)
        except EntityNotFoundError:
            continue
        known = collection.entities.get_entity_attributes(name, as_of=at)
        assert known.attributes == info.attributes
        rows = []
        include = ("metadata", "vector")
        for item in pages(
            lambda n=name, **page: collection.entities.get_history(n, as_of=at, **page),
            limit=1_000,
            include=include,
        ):
            content = item.metadata.get("n", -1)
            is_whole = (
                item.metadata == metadata_of(content) and item.entity_type == info.entity_type
            )
            if not is_whole or item.vector.tobytes() != vector_of(content).tobytes():
                content = -1
            time = (item.timestamp - EPOCH) // MICROSECOND
            rows.append((time, item.seq, item.key, content))
        assert info.points == len(rows)
        found[name] = (info.entity_type, known.attributes, known.changed_seq, rows)
    return seq, found


def find_miscounted(database: tsvec.Database) -> list[str]:
    """Entities whose living points are not as many as the registry of their collection says."""
    problems: list[str] = []
    for store in database._stores.all():
        counted, stored = {}, {}

        def count(windows, store=store, counted=counted, stored=stored) -> None:
            registry = store.registry
            for number in range(len(registry)):
                counted[registry.id_of(number)] = int(registry._points[number])
            numbers = np.zeros(len(registry), np.int64)
            for part in windows.stored():
                every = slice(0, part.rows)
                dead = part.dead_seqs(every)
                mine = part.entities(every)
                np.add.at(numbers, mine if dead is None else mine[dead == ALIVE], 1)
            stored.update({registry.id_of(n): int(one) for n, one in enumerate(numbers)})

        store.hold(count)
        problems += [
            f"{name} has {stored[name]} living points, {counted[name]} are counted"
            for name in counted
            if counted[name] != stored[name]
        ]
    return problems
