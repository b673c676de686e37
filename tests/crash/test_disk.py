"""Disks that refuse: a failed fsync is final, a full disk is not."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import tsvec
from tests.crash.content import COLLECTION, content_of
from tests.crash.opened import Opened, batches_in, wait_until
from tests.gates import Gate
from tsvec.engine.upkeep import sealer
from tsvec.model.errors import DiskFullError, UnavailableError

FAILS_ONCE = "seal.window_set_swapped=eio@1"
SEAL_STEPS = (
    "seal.start",
    "seal.truth_written",
    "seal.columns_written",
    "seal.partition_renamed",
    "seal.state_written",
    "manifest.before_rename",
)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Failed seals are tried again at once."""
    monkeypatch.setattr(sealer, "_RETRY_SECONDS", 0.02)
    monkeypatch.setattr(sealer, "_LOOK_SECONDS", 0.02)


def reads_work(opened: Opened) -> bool:
    stats = opened.collection.get_collection_stats()
    reply = opened.collection.temporal_knn([0.1] * 8, k=1)
    return reply.eligible.value == stats.points > 0


# A failed fsync.


def test_after_a_failed_fsync_nothing_is_acknowledged_any_more(tmp_path):
    acknowledged: set[str] = set()
    refused: list[str] = []
    revived: list[str] = []
    with Opened(tmp_path, "log.sync=eio@15+") as opened:

        def write(thread: int) -> None:
            is_refused = False
            for n in range(20):
                batch = f"{thread}.{n}"
                try:
                    opened.ingest(batch)
                    acknowledged.add(batch)
                    revived.extend([batch] * is_refused)
                except UnavailableError as error:
                    refused.append(error.message)
                    is_refused = True

        threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(acknowledged) + len(refused) == 80
        assert revived == []
        assert all("fsync failed" in message for message in refused)
        assert reads_work(opened)
        health = opened.database.get_health()
        assert health.status == "failed"
        assert "fsync" in health.problems[0]
        opened.fail("")
        with pytest.raises(UnavailableError):
            opened.ingest("healed?")
        with pytest.raises(UnavailableError):
            opened.database.update_collection(COLLECTION, window_size="2h")
    assert acknowledged <= batches_in(tmp_path)


@pytest.mark.parametrize("hit", [1, 2])
def test_a_manifest_that_may_not_last_stops_the_writing(tmp_path, hit):
    with Opened(tmp_path) as opened:
        opened.fail(f"manifest.after_rename=eio@{hit}")
        batches, error = opened.fill_until_refused()
        assert isinstance(error, UnavailableError)
        assert "fsync failed" in error.message
        assert reads_work(opened)
        assert opened.database.get_health().status == "failed"
        wait_until(lambda: "while sealing" in opened.database.get_health().problems[0])
    assert batches <= batches_in(tmp_path)


def test_a_writer_that_waits_for_room_learns_that_there_will_be_none(tmp_path):
    """The worker gives up on one collection while the writer waits for it to seal another."""
    with Opened(tmp_path, hot_rows_max=128) as opened:
        opened.database.create_collection("a", dim=2)
        other = opened.database.collection("a")
        gate = Gate("seal.start", rules="manifest.after_rename=eio")
        opened.fail(gate)
        row = {"entity_id": "x", "vector": [1.0, 2.0]}
        other.ingest([row | {"key": str(n)} for n in range(64)])
        with gate:
            opened.fill(128)
            waiting = opened.submit("waiting")
            wait_until(waiting.running)
        error = waiting.exception(20)
        assert isinstance(error, UnavailableError)
        assert "fsync failed" in error.message
        assert opened.database.get_health().status == "failed"


# A full disk, in the log.


@pytest.mark.parametrize(
    "step", ["log.before_write", "log.after_write", "log.roll_created", "log.roll_linked"]
)
def test_a_write_that_finds_the_disk_full_is_refused_whole(tmp_path, step):
    refused: dict[str, str] = {}
    acknowledged: set[str] = set()
    with Opened(tmp_path, f"{step}=enospc@1") as opened:
        opened.fail(f"{step}=enospc@2")
        for n in range(60):
            try:
                opened.ingest(f"b.{n}")
            except DiskFullError as error:
                refused[f"b.{n}"] = error.message
                health = opened.database.get_health()
                assert health.status == "degraded"
                assert "No space left" in health.problems[0]
                assert reads_work(opened)
            else:
                acknowledged.add(f"b.{n}")
        (message,) = refused.values()
        assert f"cannot write to collection '{COLLECTION}'" in message
        assert opened.database.get_health().status == "ok"
        acknowledged.add("again")
        opened.ingest("again")
    assert batches_in(tmp_path) == acknowledged


# A full disk, while sealing.


@pytest.mark.parametrize("step", SEAL_STEPS)
def test_a_seal_that_finds_the_disk_full_is_tried_again(tmp_path, step):
    with Opened(tmp_path) as opened:
        tries = Gate(step, hit=sys.maxsize, rules=f"{step}=enospc")
        opened.fail(tries)
        batches = opened.fill(300, name="before")
        wait_until(lambda: opened.database.get_health().status == "degraded")
        (problem,) = opened.database.get_health().problems
        assert "sealing" in problem
        batches |= opened.fill(300, name="meanwhile")
        assert reads_work(opened)
        wait_until(lambda: tries.hits >= 5)
        with opened.store.sealing:
            files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert [path for path in files if path.suffix == ".duckdb"] == [], "tries pile up"
        opened.fail("")
        wait_until(lambda: opened.is_settled() and opened.database.get_health().status == "ok")
        assert reads_work(opened)
    assert batches_in(tmp_path) == batches


def test_a_seal_that_failed_at_its_end_does_not_store_rows_twice(tmp_path):
    with Opened(tmp_path) as opened:
        tries = Gate("seal.window_set_swapped", hit=sys.maxsize, rules=FAILS_ONCE)
        opened.fail(tries)
        batches = opened.fill(300)
        wait_until(lambda: opened.is_settled() and opened.is_well())
        while tries.hits < 2:
            batches |= opened.fill(100, name=f"more-{len(batches)}")
        wait_until(lambda: opened.is_settled() and opened.is_well())
    assert batches_in(tmp_path) == batches


def test_memory_stays_bounded_while_nothing_can_be_sealed(tmp_path):
    with Opened(tmp_path, hot_rows_max=500) as opened:
        opened.fail("seal.truth_written=enospc")
        batches, error = opened.fill_until_refused()
        assert isinstance(error, DiskFullError)
        assert opened.collection.get_collection_stats().hot_points < 500 + 200
        assert reads_work(opened)
        opened.fail("")
        wait_until(opened.is_settled)
        opened.ingest("resumed")
    assert batches_in(tmp_path) == batches | {"resumed"}


def test_a_collection_can_be_deleted_when_nothing_can_be_sealed(tmp_path):
    with Opened(tmp_path, hot_rows_max=200) as opened:
        opened.fail("seal.truth_written=enospc")
        with pytest.raises(DiskFullError):
            opened.fill(100_000)
        opened.database.delete_collection(COLLECTION)
    assert batches_in(tmp_path) == set()


# Collections that cannot be made or removed.


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        ("collection.directory_made=enospc@1", DiskFullError),
        ("collection.manifest_written=eio@1", UnavailableError),
        ("manifest.before_rename=enospc@1", DiskFullError),
        ("manifest.after_rename=eio@1", UnavailableError),
        ("recovery.opened=eio@1", UnavailableError),
        ("recovery.replayed=eio@1", UnavailableError),
    ],
)
def test_a_collection_that_could_not_be_made_leaves_nothing(tmp_path, rule, error):
    with Opened(tmp_path) as opened:
        opened.fail(rule)
        with pytest.raises(error, match="cannot create collection 'side'"):
            opened.database.create_collection("side", dim=2)
        assert len(list((tmp_path / "tenants" / "default").iterdir())) == 1
        side = opened.database.create_collection("side", dim=2)
        side.ingest([{"entity_id": "x", "vector": [1.0, 2.0]}])
    with Opened(tmp_path) as opened:
        assert opened.database.collection("side").get_collection_stats().points == 1
    batches_in(tmp_path)


def test_a_deletion_that_was_interrupted_is_finished_by_the_next_open(tmp_path):
    with Opened(tmp_path) as opened:
        opened.database.create_collection("side", dim=2)
        opened.fail("delete.renamed=eio@1")
        with pytest.raises(UnavailableError, match="cannot delete collection 'side'"):
            opened.database.delete_collection("side")
    with Opened(tmp_path) as opened:
        assert [info.name for info in opened.database.list_collections().items] == [COLLECTION]
    batches_in(tmp_path)


# A disk that is really full.


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 12 MiB, and how to give it another size."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root")
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", place], capture_output=True, text=True
    )
    if made.returncode != 0:
        pytest.skip(f"tmpfs cannot be mounted here: {made.stderr.strip()}")

    def resize(size: str) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", place], check=True)

    yield place, resize
    subprocess.run(["umount", "--lazy", place], check=True)


def test_a_really_full_disk(small_disk):
    place, resize = small_disk
    sizes = {"segment_bytes_min": 1 << 20, "segment_bytes_max": 4 << 20, "hot_rows_max": 100_000}
    acknowledged: set[str] = set()
    refused: set[str] = set()
    with Opened(place / "data", **sizes) as opened:
        for n in range(20_000):
            if len(content_of(f"b.{n}")) < 100:
                continue
            try:
                opened.ingest(f"b.{n}")
                acknowledged.add(f"b.{n}")
            except DiskFullError:
                refused.add(f"b.{n}")
                if len(refused) == 5:
                    break
        assert len(refused) == 5, "the disk is full"
        assert reads_work(opened)
        assert opened.database.get_health().status == "degraded"
        resize("64m")
        wait_until(lambda: resumes(opened))
        acknowledged.add("resumed")
        wait_until(lambda: opened.database.get_health().status == "ok")
        assert reads_work(opened)
    assert batches_in(place / "data") == acknowledged


def resumes(opened: Opened) -> bool:
    try:
        opened.ingest("resumed")
    except DiskFullError:
        return False
    return True


def use_up(place: Path) -> None:
    with contextlib.suppress(OSError), (place / "filler").open("wb", buffering=0) as filler:
        while filler.write(bytes(1 << 12)):
            pass


def test_a_full_disk_cannot_be_opened_but_keeps_what_it_holds(small_disk):
    place, _ = small_disk
    with Opened(place / "data") as opened:
        batches = opened.fill(400)
        wait_until(opened.is_settled)
    columns = next((place / "data").rglob("columns.bin"))
    columns.unlink()
    use_up(place)
    with tsvec.connect(place / "data") as database:
        assert "No space left" in database.get_health().problems[0]
        with pytest.raises(DiskFullError, match="No space left"):
            database.collection(COLLECTION).get_collection_stats()
    (place / "filler").unlink()
    assert batches_in(place / "data") == batches
