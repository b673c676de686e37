"""Clocks that jump and times at the ends of what can be said: nothing expires early."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

import tsvec
from tests.crash.changes import START_US
from tests.crash.opened import SetClock, wait_until
from tests.crash.processes import SETTINGS
from tsvec.engine.upkeep import maintainer, sealer
from tsvec.model.errors import GoneError, TsvecError, UnprocessableError
from tsvec.model.times import EPOCH, MICROSECOND, TIME_MAX_US, TIME_MIN_US

HOUR_US = 3_600_000_000
YEAR_US = 8_766 * HOUR_US
RETENTION = {"window_size": "1h", "retention": "1d", "history_horizon": "12h"}


@pytest.fixture(autouse=True)
def eager(monkeypatch):
    """What is due is done at once."""
    for worker in (sealer, maintainer):
        monkeypatch.setattr(worker, "_LOOK_SECONDS", 0.01)


def open_database(path, clock: SetClock) -> tsvec.Database:
    return tsvec.Database(path, settings=tsvec.Settings(**SETTINGS), clock=clock)


def rounds_of_upkeep(database: tsvec.Database, count: int = 3) -> None:
    """Let the maintainer look at everything so often."""
    looks, step = [0], database._maintainer.scrubber.step

    def counted(*arguments):
        looks[0] += 1
        step(*arguments)

    database._maintainer.scrubber.step = counted
    wait_until(lambda: looks[0] > count)
    database._maintainer.scrubber.step = step


def shown(collection: tsvec.Collection) -> list[tuple[int, int]]:
    """(event time, seq) of every point to be seen."""
    page = collection.entities.get_history("e", limit=1_000)
    assert page.next_cursor is None
    return [((one.timestamp - EPOCH) // MICROSECOND, one.seq) for one in page.items]


@pytest.mark.parametrize("jump", [2 * HOUR_US, -2 * HOUR_US, 10 * YEAR_US, -10 * YEAR_US])
def test_nothing_expires_because_the_wall_clock_jumps(tmp_path, jump: int):
    """An hour of real time goes by, in which the wall clock is wrong for twenty minutes."""
    clock = SetClock(START_US)
    oldest = START_US - 22 * HOUR_US
    replies, kept = [], []
    with open_database(tmp_path, clock) as database:
        collection = database.create_collection("c", dim=2, metric="l2", **RETENTION)
        for minute in range(60):
            clock.go_on(HOUR_US // 60)
            clock.now += {20: jump, 40: -jump}.get(minute, 0)
            times = [oldest + minute, START_US - minute, *(oldest + 100 + minute,) * 5]
            keys = [None, None, *(str(n) for n in range(5))]
            replies.append(
                collection.ingest(
                    entity_id=["e"] * len(times),
                    vector=np.full((len(times), 2), minute, np.float32),
                    timestamp=np.array(times, "datetime64[us]"),
                    key=keys,
                )
            )
            kept += times
            assert replies[-1].ingested == len(times)
            if minute % 10 == 5:
                # Recorded times within the horizon are never too old, whatever the clock says.
                some = replies[max(0, minute - 15)]
                at = collection.get_collection_stats(as_of=some.recorded_at)
                assert at.as_of_seq == some.seq
            if minute in (25, 45):
                rounds_of_upkeep(database)
            if minute == 30:
                leapt = "leapt" in " ".join(database.get_health().problems)
                assert leapt == (jump > HOUR_US)
                assert collection.compact().state == "idle"
        points = shown(collection)
        assert sorted(time for time, _ in points) == sorted(kept)
        rounds_of_upkeep(database)
        assert database.get_health().status == "ok"
        stats = collection.get_collection_stats()
        assert stats.points == len(kept)
        assert stats.oldest_as_of == 0
    recorded = [reply.recorded_at for reply in replies]
    assert recorded == sorted(set(recorded))
    seqs = [reply.seq for reply in replies]
    assert seqs == sorted(set(seqs))
    assert sorted(seq for _, seq in points) == list(range(1, len(kept) + 1))
    with open_database(tmp_path, clock) as database:
        assert shown(database.collection("c")) == points
        clock.go_on(3 * HOUR_US)
        wait_until(lambda: len(shown(database.collection("c"))) == 60)


def test_time_that_really_goes_by_lets_points_expire(tmp_path):
    clock = SetClock(START_US)
    with open_database(tmp_path, clock) as database:
        collection = database.create_collection("c", dim=2, metric="l2", **RETENTION)
        for n in range(4):
            collection.ingest(
                entity_id=["e"] * 64,
                vector=np.ones((64, 2), np.float32),
                timestamp=np.arange(64).astype("datetime64[us]") + clock.now,
                key=[str(n)] * 64,
            )
            wait_until(lambda: collection.get_collection_stats().hot_points == 0)
            clock.go_on(10 * HOUR_US)
        store = database._stores.get("c")
        wait_until(lambda: store.windows.rows == 2 * 64)
        wait_until(lambda: len(list(store.paths.partitions.iterdir())) == 2)
        assert collection.get_collection_stats().points == 2 * 64
        with pytest.raises(GoneError):
            collection.get_collection_stats(as_of=64)
    with open_database(tmp_path, clock) as database:
        assert database.collection("c").get_collection_stats().points == 2 * 64


TIMES = {
    "the first instant": TIME_MIN_US,
    "before 1900": -3_000_000_000_000_000,
    "a microsecond before 1970": -1,
    "1970": 0,
    "a microsecond after 1970": 1,
    "the end of 32-bit seconds": 2**31 * 1_000_000,
    "the end of unsigned 32-bit seconds": 2**32 * 1_000_000,
    "the end of 64-bit nanoseconds": 2**63 // 1_000,
    "after the end of 64-bit nanoseconds": 2**63 // 1_000 + 1,
    "the last instant": TIME_MAX_US,
}
BEYOND = [TIME_MIN_US - 1, TIME_MAX_US + 1, 2**63 - 1, -(2**63) + 1, 2**63, -(2**70)]


@pytest.mark.parametrize("retention", [None, "1h", "36525d"])
@pytest.mark.parametrize("lateness", [None, "1s", "36525d"])
def test_times_at_the_ends_are_stored_exactly_or_refused(tmp_path, retention, lateness):
    clock = SetClock(START_US)
    options = {"window_size": "36525d" if lateness is None else "1s"}
    options |= {"retention": retention, "allowed_lateness": lateness}
    with open_database(tmp_path, clock) as database:
        collection = database.create_collection("c", dim=2, metric="l2", **options)
        stored = []
        cutoff = database._stores.get("c").cutoff(database._stores.get("c").windows.config)
        for time in TIMES.values():
            if time >= cutoff:
                reply = collection.ingest(entity_id="e", vector=[1.0, 2.0], timestamp=time)
                assert reply.ingested == 1
                stored.append(time)
                continue
            with pytest.raises(UnprocessableError) as expired:
                collection.ingest(entity_id="e", vector=[1.0, 2.0], timestamp=time)
            assert "beyond the retention" in expired.value.details[0].message
        for time in BEYOND:
            with pytest.raises(TsvecError) as refusal:
                collection.ingest(entity_id="e", vector=[1.0, 2.0], timestamp=time)
            assert 400 <= refusal.value.status < 500
        assert [time for time, _ in shown(collection)] == sorted(stored)
        # Enough of them that they are sealed, compacted, replaced and read again.
        for time in stored * 2:
            collection.ingest(
                entity_id=["f"] * 64,
                vector=np.ones((64, 2), np.float32),
                timestamp=np.full(64, time, "datetime64[us]"),
                key=[str(n) for n in range(64)],
            )
        collection.ingest(entity_id="e", vector=[3.0, 4.0], timestamp=stored[-1])
        wait_until(lambda: collection.get_collection_stats().hot_points < 64)
        assert collection.compact().state == "idle"
        rounds_of_upkeep(database)
        assert database.get_health().status == "ok", database.get_health().problems
        before = shown(collection)
        windows = [one.model_dump() for one in collection.list_windows(limit=1_000).items]
    assert [time for time, _ in before] == sorted(stored)
    with open_database(tmp_path, clock) as database:
        collection = database.collection("c")
        assert shown(collection) == before
        assert [one.model_dump() for one in collection.list_windows(limit=1_000).items] == windows
        assert sum(one["points"] for one in windows) == 65 * len(stored)
        if retention is None:
            first = collection.get_collection_stats().first_time
            assert first == datetime.min.replace(tzinfo=UTC)
