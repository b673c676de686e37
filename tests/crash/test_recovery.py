"""Restarts: crashes while recovering, clocks that jump, what was written during a seal."""

from __future__ import annotations

import random
import shutil
import threading
import time
from pathlib import Path

import pyarrow as pa
import pytest

import tsvec
from tests.crash.content import COLLECTION, START_US, content_of
from tests.crash.opened import Opened, SetClock, batches_in, wait_until
from tests.crash.processes import (
    FORGETFUL,
    IS_LONG,
    KILLED_BY_FAILPOINT,
    SETTINGS,
    Ledger,
    Writer,
)
from tests.gates import Gate
from tsvec.model.errors import CollectionNotFoundError, CorruptError
from tsvec.storage.manifest import Manifest
from tsvec.window.entities import EntityDraft, EntityRegistry

HOUR_US = 3_600_000_000
RECOVERY_STEPS = [
    "recovery.opened",
    "log.sync",
    "recovery.opened",
    "recovery.replayed",
    "recovery.replayed",
]


@pytest.mark.parametrize("trial", range(6 if IS_LONG else 2))
def test_crashes_while_recovering_change_nothing(ledger: Ledger, tmp_path, trial: int):
    """It is killed while it writes more than it may hold in memory, so some of it is sealed."""
    rule = f"log.after_sync=exit@{40 + 13 * trial}"
    small = SETTINGS | {"hot_rows_max": 64}
    assert Writer(ledger, failpoints=rule, settings=small).wait() == KILLED_BY_FAILPOINT
    columns = sorted(ledger.directory.rglob("columns.bin"))
    columns[trial % len(columns)].unlink()
    recover_in_spite_of_crashes(ledger, tmp_path, RECOVERY_STEPS)


@pytest.mark.parametrize("trial", range(12 if IS_LONG else 3))
def test_crashes_while_recovering_changes_of_every_kind(ledger: Ledger, tmp_path, trial: int):
    """The log holds replaces, deletions, restores, attributes and ticks, the files overlays."""
    chance = random.Random(trial)
    rule = ("drop.logged=exit@1", "checkpoint.start=exit@10", "log.sync=exit@200")[trial % 3]
    kept = SETTINGS if trial % 2 else FORGETFUL
    Writer(ledger, settings=kept, threads=1, batches=10, changes=130).wait()
    writer = Writer(
        ledger,
        failpoints=rule,
        settings=kept,
        threads=1,
        batches=60,
        changes=300,
        frugal=trial % 2 == 0,
    )
    assert writer.wait() == KILLED_BY_FAILPOINT
    assert list(ledger.directory.rglob("overlays/*.bin"))
    steps = chance.choices(RECOVERY_STEPS, k=chance.randint(2, 5))
    recover_in_spite_of_crashes(ledger, tmp_path, steps)


def recover_in_spite_of_crashes(ledger: Ledger, tmp_path: Path, steps: list[str]) -> None:
    """Compare with a recovery that nothing disturbs."""
    shutil.copytree(ledger.directory, tmp_path / "control")
    before, now = log_sizes(ledger), ledger.now
    for step in steps:
        assert Writer(ledger, failpoints=f"{step}=exit").wait() == KILLED_BY_FAILPOINT
        assert log_sizes(ledger) == before
        ledger.now = now
    found = ledger.check()
    control = ledger.check(tmp_path / "control")
    for one in (found, control):
        for seen in one["rounds"]:
            # How far the past reaches depends on what compaction came to.
            for name in ("oldest", "deleted", "moments"):
                seen.pop(name, None)
        one.pop("changes")
    assert found == control


def log_sizes(ledger: Ledger) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in ledger.directory.rglob("*.log")}


def test_recorded_times_and_seqs_go_on_whatever_the_clock_does(tmp_path):
    clock = SetClock(START_US)
    replies = []
    for jump in (0, 2, -2, 87_600, -87_601, 0):
        with Opened(tmp_path, clock=clock) as opened:
            for n in range(12):
                clock.go_on(1_000)
                clock.now += jump * HOUR_US if n == 6 else 0
                when = START_US + len(replies)
                content = {"entity_id": "e0", "vector": [float(n)] * 8, "timestamp": when}
                replies.append(opened.collection.ingest([content]))
            opened.fill(70, name=f"fill-{len(replies)}")
            wait_until(opened.is_settled)
            clock.now -= 5 * HOUR_US
    recorded = [reply.recorded_at for reply in replies]
    assert recorded == sorted(set(recorded))
    seqs = [reply.seq for reply in replies]
    assert seqs == sorted(set(seqs))


def test_rows_that_come_while_a_seal_runs_are_counted_once(tmp_path):
    """The checkpoint of the registry is then ahead of the sealed rows."""
    gate = Gate("seal.truth_written")
    with Opened(tmp_path, gate) as opened:
        path = opened.store.paths.manifest
        batches = opened.fill(100)
        with gate:
            batches |= opened.fill(1_000, name="meanwhile")
        wait_until(lambda: Manifest.read(path).state_seq > 0)
    manifest = Manifest.read(path)
    assert manifest.state_seq > manifest.sealed_seq > 0
    assert batches_in(tmp_path) == batches


def test_a_checkpoint_does_not_change_once_it_was_taken():
    registry = EntityRegistry()
    registry.apply(EntityDraft({"a": 0, "b": 1}, {0: "SHIP"}))
    table = registry.to_tables()["entities"]
    before = pa.Table.from_pylist(table.to_pylist(), schema=table.schema)
    numbers = pa.array([0, 1, 1], pa.uint32()).to_numpy()
    registry.observe(numbers, pa.array([5, 6, 7], pa.int64()).to_numpy())
    registry.apply(EntityDraft({"c": 2}, {0: "SHIP", 1: "TRUCK"}))
    assert table.equals(before)


def test_a_changed_configuration_survives_every_restart(tmp_path):
    for hours in (2, 3, 4):
        with Opened(tmp_path, feed_age_seconds=0, feed_bytes_max=0) as opened:
            opened.database.update_collection(COLLECTION, window_size=f"{hours}h")
            for n in range(3):
                opened.collection.ingest(
                    entity_id=["x"] * 64,
                    vector=[[1.0] * 8] * 64,
                    timestamp=START_US + n,
                    key=[f"{hours}/{place}" for place in range(64)],
                )
            wait_until(opened.is_settled)
        with Opened(tmp_path) as opened:
            info = opened.database.get_collection(COLLECTION)
            assert info.window_size == f"{hours}h"
            assert info.seq == (hours - 1) * (1 + 3 * 64)


def test_settings_may_change_between_restarts(tmp_path):
    batches: set[str] = set()
    for n, settings in enumerate(
        (
            {"seal_rows": 100_000, "hot_rows_max": 131_072},
            {"seal_rows": 1, "segment_bytes_min": 1 << 20, "segment_bytes_max": 1 << 20},
            {"seal_rows": 300, "feed_age_seconds": 0, "feed_bytes_max": 0},
            {"hot_rows_max": 2, "seal_rows": 8_192},
        )
    ):
        with Opened(tmp_path, **settings) as opened:
            batches |= opened.fill(400, name=f"run-{n}")
    assert batches_in(tmp_path) == batches


def test_a_collection_may_go_while_it_is_written_to(tmp_path):
    rows = [{"entity_id": "x", "vector": [1.0, 2.0], "key": str(n)} for n in range(20)]
    acknowledged: list[int] = []
    stopping = threading.Event()

    with Opened(tmp_path) as opened:
        database = opened.database

        def write() -> None:
            while not stopping.is_set():
                try:
                    reply = database.collection("side").ingest(rows)
                    acknowledged.append(reply.seq)
                except CollectionNotFoundError:
                    time.sleep(0.002)

        threads = [threading.Thread(target=write) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(6):
            database.create_collection("side", dim=2)
            target = len(acknowledged) + 20
            wait_until(lambda enough=target: len(acknowledged) >= enough)
            database.delete_collection("side")
        database.create_collection("side", dim=2)
        stopping.set()
        for thread in threads:
            thread.join()
        points = database.collection("side").get_collection_stats().points
    with Opened(tmp_path) as opened:
        assert opened.database.get_health().status == "ok"
        assert opened.database.collection("side").get_collection_stats().points == points
    assert not list(tmp_path.rglob("*.deleted"))


def test_two_directories_of_one_collection_are_reported(tmp_path):
    with Opened(tmp_path) as opened:
        opened.fill(10)
    (only,) = (tmp_path / "tenants" / "default").iterdir()
    shutil.copytree(only, only.with_name("copy"))
    with pytest.raises(CorruptError, match=f"a second collection '{COLLECTION}'"):
        Opened(tmp_path)
    shutil.rmtree(only.with_name("copy"))
    batches_in(tmp_path)


def test_the_log_of_another_collection_is_reported(tmp_path):
    with Opened(tmp_path) as opened:
        opened.ingest("one")
        opened.database.create_collection("other", dim=8)
        opened.database.collection("other").ingest([{"entity_id": "o", "vector": [1.0] * 8}])
    first, second = (tmp_path / "tenants" / "default").iterdir()
    (first / "log").rename(tmp_path / "aside")
    (second / "log").rename(first / "log")
    (tmp_path / "aside").rename(second / "log")
    with tsvec.connect(tmp_path) as database:
        assert len(database.get_health().problems) == 2
        with pytest.raises(CorruptError, match=r"0000000001\.log belongs to another history"):
            database.collection("other").get_collection_stats()


def test_an_older_manifest_costs_no_file(tmp_path):
    """Its log is gone: it must be refused before anything it does not name is removed."""
    with Opened(tmp_path, feed_age_seconds=0, feed_bytes_max=0) as opened:
        batches = opened.fill(300, name="old")
        wait_until(opened.is_settled)
        manifest = next(tmp_path.rglob("manifest.json"))
        older = manifest.read_bytes()
        batches |= opened.fill(2_000, name="new")
        wait_until(opened.is_settled)
    newer = manifest.read_bytes()
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    manifest.write_bytes(older)
    with tsvec.connect(tmp_path) as database:
        assert "is missing" in database.get_health().problems[0]
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == before
    manifest.write_bytes(newer)
    assert batches_in(tmp_path) == batches


def test_directories_that_a_backup_left_out_because_they_were_empty(tmp_path):
    with Opened(tmp_path) as opened:
        opened.ingest("one")
    (collection,) = (tmp_path / "tenants" / "default").iterdir()
    (collection / "partitions").rmdir()
    (collection / "state").rmdir()
    assert batches_in(tmp_path) == {"one"}


def test_a_cancelled_request_is_not_written_and_harms_no_other(tmp_path):
    gate = Gate("log.sync")
    with Opened(tmp_path, gate) as opened:
        first = opened.submit("one")
        with gate:
            second, third = map(opened.submit, ("two", "three"))
            assert second.cancel()
            assert not first.cancel()
        assert first.result().ingested == len(content_of("one"))
        assert third.result().ingested == len(content_of("three"))
    assert second.cancelled()
    assert batches_in(tmp_path) == {"one", "three"}
