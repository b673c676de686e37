"""Requests with an idempotency key against a plain dict, through restarts, seals and days."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import tsvec
from tests.unit.engine.rig import SECOND, ManualClock, settle
from tsvec.engine.upkeep import checkpoint
from tsvec.model.errors import IdempotencyMismatchError, TsvecError

HOUR = 3_600 * SECOND
DAY = 24 * HOUR
FORGETFUL = tsvec.Settings(
    seal_rows=8,
    feed_age_seconds=0,
    feed_bytes_max=0,
    segment_bytes_min=1 << 16,
    segment_bytes_max=1 << 16,
)

FILLING = 1_000
numbers = st.integers(0, 1)
keys = st.sampled_from(["a", "b", "c", None])
steps = st.one_of(
    st.tuples(st.just("ingest"), keys, numbers),
    st.tuples(st.just("ingest"), keys, numbers),
    st.tuples(st.just("delete"), keys, numbers),
    st.tuples(st.just("update"), keys, numbers),
    st.tuples(st.just("attributes"), keys, numbers),
    st.tuples(st.just("configure"), keys, numbers),
    st.tuples(st.just("compact"), keys, st.just(0)),
    st.tuples(st.just("make"), keys, numbers),
    st.tuples(st.just("drop"), keys, numbers),
    st.tuples(st.just("fill"), st.none(), numbers),
    st.tuples(st.just("wait"), st.none(), st.sampled_from([1, 2, 24])),
    st.tuples(st.just("restart"), st.none(), st.just(0)),
    st.tuples(st.just("restart"), st.none(), st.just(0)),
)


@dataclass
class Book:
    """What was asked with which key, how it was answered, and when."""

    told: dict[Any, tuple[Any, str, int]] = field(default_factory=dict)

    def find(self, scope: str, key: str | None, now: int) -> tuple[Any, str] | None:
        says, reply, at = self.told.get((scope, key), (None, "", 0))
        return (says, reply) if says is not None and now < at + DAY else None


class Life:
    """One database and the requests made of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = ManualClock()
        self.book = Book()
        self.filled = 0
        self.database = self.open()
        self.database.create_collection("c", dim=2, metric="l2")

    def open(self) -> tsvec.Database:
        return tsvec.Database(self.path, settings=FORGETFUL, clock=self.clock)

    def take(self, verb: str, key: str | None, number: int) -> None:
        match verb:
            case "restart":
                self.database.close()
                self.database = self.open()
            case "wait":
                self.clock.now += number * HOUR
            case "fill":
                settle(self.database)
                self.ingest(range(FILLING + self.filled, FILLING + 12 + self.filled))
                self.filled += 12
                settle(self.database)
            case _:
                self.ask(verb, key, number)

    def ingest(self, ids: range, **options: Any) -> Any:
        points = [
            {
                "entity_id": f"e{n}",
                "timestamp": f"2026-01-01T00:{n % 60:02}:00Z",
                "vector": [n, 1],
                # So long that a fill takes a segment of the log, and the one before can go.
                "metadata": {"text": "x" * 6_000} if n >= FILLING else None,
            }
            for n in ids
        ]
        return self.database.collection("c").ingest(points, **options)

    def ask(self, verb: str, key: str | None, number: int) -> None:
        """Make a request and compare what happens with what the book says has to."""
        scope = "collections" if verb in ("make", "drop") else "c"
        self.clock.now += SECOND
        first = self.book.find(scope, key, self.clock.now) if key else None
        before = self.state()
        try:
            reply = self.carry_out(verb, number, key)
        except IdempotencyMismatchError:
            assert first is not None
            assert first[0] != (verb, number)
            assert self.state() == before
            return
        except TsvecError:
            assert first is None
            assert self.state() == before
            return
        if first is not None:
            assert first == ((verb, number), reply)
            assert self.state() == before
        elif key:
            self.book.told[scope, key] = ((verb, number), reply, self.clock.now)

    def carry_out(self, verb: str, number: int, key: str | None) -> str:
        database, collection = self.database, self.database.collection("c")
        entity, time, named = (
            f"e{number}",
            f"2026-01-01T00:{number:02}:00Z",
            {"idempotency_key": key},
        )
        match verb:
            case "ingest":
                reply = self.ingest(range(number + 1), **named)
            case "delete":
                reply = collection.delete_points(entity_ids=[entity], **named)
            case "update":
                reply = collection.update_point(entity, time, {"n": number}, **named)
            case "attributes":
                reply = collection.entities.merge_entity_attributes(entity, {"n": number}, **named)
            case "configure":
                reply = database.update_collection("c", window_size=f"{number + 1}h", **named)
            case "compact":
                reply = collection.compact(wait=False, **named)
            case "make":
                database.create_collection(f"x{number}", dim=2, **named)
                return "made"
            case "drop":
                database.delete_collection(f"x{number}", **named)
                return "dropped"
        return reply.model_dump_json()

    def state(self) -> tuple[int, list[str]]:
        names = [info.name for info in self.database.list_collections().items]
        return self.database.get_collection("c").seq, names


@settings(max_examples=8, derandomize=True, phases=[Phase.generate])
@given(is_frugal=st.booleans(), steps=st.lists(steps, min_size=70, max_size=90))
def test_every_request_is_done_once_and_answered_as_the_first_time(is_frugal, steps):
    with TemporaryDirectory() as path, pytest.MonkeyPatch.context() as patch:
        if is_frugal:
            patch.setattr(checkpoint, "_CHANGES_MIN", 0)
        life = Life(Path(path) / "db")
        try:
            for verb, key, number in steps:
                life.take(verb, key, number)
        finally:
            life.database.close()
