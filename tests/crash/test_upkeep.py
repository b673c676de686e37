"""Upkeep that fails, or meets other upkeep: reported, tried again, nothing lost, nothing twice."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path

import pytest

from tests.crash.opened import Changing, Opened, batches_in, wait_until
from tests.crash.processes import IS_LONG, Ledger
from tests.gates import Gate
from tsvec.engine.upkeep import maintainer, sealer
from tsvec.model.errors import UnavailableError

STEPS = (
    "compact.start",
    "compact.truth_written",
    "compact.columns_written",
    "compact.partition_renamed",
    "compact.swapped",
    "checkpoint.start",
    "overlay.written",
    "seal.state_written",
    "manifest.before_rename",
    "drop.start",
    "drop.logged",
    "drop.unlinked",
)
"""Every step of a compaction, a checkpoint and a drop at which the disk can refuse."""


PASSED = ("compact.swapped", "drop.logged", "drop.unlinked")
"""Those behind which nothing is left to be done again."""


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """What is to be done is done at once, and again at once when it failed."""
    for worker in (sealer, maintainer):
        monkeypatch.setattr(worker, "_RETRY_SECONDS", 0.02)
        monkeypatch.setattr(worker, "_LOOK_SECONDS", 0.02)


@pytest.fixture
def problems(monkeypatch) -> list[str]:
    """What the threads of upkeep put into the health, each until they are through again."""
    found: list[str] = []
    for worker in (sealer.Sealer, maintainer.Maintainer):

        def work(self, store, work=worker._work):
            problem = work(self, store)
            found.extend([problem.text] if problem else [])
            return problem

        monkeypatch.setattr(worker, "_work", work)
    return found


def reads_work(changing: Changing) -> bool:
    stats = changing.collection.get_collection_stats()
    return changing.collection.temporal_knn([0.1] * 4, k=1).eligible.value == stats.points > 0


def check_that_nothing_piles_up(changing: Changing) -> None:
    """What failed merges wrote is removed."""
    store = changing.store
    with store.sealing:
        changing.collection.compact()
        with store.compacting:
            assert names_on_disk(changing) == names_in_manifest(changing)


def names_on_disk(changing: Changing) -> set[str]:
    return {path.name for path in changing.store.paths.partitions.iterdir()}


def names_in_manifest(changing: Changing) -> set[str]:
    return {entry.name for entry in changing.store.manifest.partitions}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("error", ["enospc", "eio"] if IS_LONG else ["enospc"])
def test_upkeep_that_finds_the_disk_full_is_tried_again(
    ledger: Ledger, problems: list[str], step: str, error: str
):
    with Changing(ledger) as changing:
        changing.change(60)
        tries = Gate(step, hit=sys.maxsize, rules=f"{step}={error}")
        changing.fail(tries)
        changing.let_expire()
        changing.change(20)
        status = changing.collection.compact()
        while tries.hits < (1 if step in PASSED else 3):
            changing.change(4)
            status = changing.collection.compact()
        assert any(step in problem for problem in problems)
        if step.startswith("compact"):
            assert status.state == "failed"
            assert step in status.problem
        assert reads_work(changing)
        if step in STEPS[:4]:
            check_that_nothing_piles_up(changing)
        changing.fail("")
        changing.change(20)
        wait_until(changing.is_well)
        assert changing.collection.compact().state == "idle"
        wait_until(lambda: not changing.has_expired())
        assert reads_work(changing)
    ledger.check()


def test_what_expired_makes_room_while_every_merge_finds_the_disk_full(ledger: Ledger):
    with Changing(ledger) as changing:
        changing.change(60)
        changing.collection.compact()
        before = names_in_manifest(changing)
        tries = Gate("compact.truth_written", hit=sys.maxsize, rules="compact.truth_written=enospc")
        changing.fail(tries)
        # So much is sealed that merges are begun unasked, and fail, without end.
        while not tries.hits or len(names_in_manifest(changing)) < len(before) + 6:
            changing.change(4)
        changing.let_expire()
        with changing.store.sealing:
            wait_until(lambda: not changing.has_expired())
            kept, hits = names_in_manifest(changing), tries.hits
            assert before - kept
            wait_until(lambda: not names_on_disk(changing) & (before - kept))
            wait_until(lambda: tries.hits > hits + 1)
    ledger.check()


@pytest.mark.parametrize("kind", ["seal", "compaction"])
@pytest.mark.parametrize("moment", ["partition", "manifest"])
def test_what_dies_while_its_new_partition_is_made(
    ledger: Ledger, tmp_path: Path, kind: str, moment: str
):
    """It is dead in the new partition too: at once, and after a crash."""
    step = "compact" if kind == "compaction" else "seal"
    done = Gate("compact.swapped" if kind == "compaction" else "seal.window_set_swapped")
    making = Gate("manifest.before_rename" if moment == "manifest" else f"{step}.columns_written")
    with Changing(ledger) as changing:
        changing.change(60)
        with changing.store.sealing if kind == "compaction" else nullcontext():
            changing.fail(making)
            if kind == "compaction":
                changing.collection.compact(wait=False)
            while not making.hits:
                changing.change(1)
        with making:
            saved = changing.store.manifest.state_seq
            changing.change(40)
            if (kind, moment) == ("compaction", "partition"):
                wait_until(lambda: changing.store.manifest.state_seq > saved)
            changing.fail(done)
        with done, changing.store.sealing if kind == "compaction" else nullcontext():
            copy_beside_upkeep(ledger.directory, tmp_path / "crashed")
    ledger.check(tmp_path / "crashed")
    ledger.check()


def copy_beside_upkeep(source: Path, target: Path) -> None:
    """Copy a directory from which upkeep may remove what no manifest names, again if it did."""
    while True:
        with suppress(shutil.Error):
            shutil.copytree(source, target)
            return
        shutil.rmtree(target)


@pytest.mark.parametrize("what", ["compaction", "drop"])
def test_a_manifest_that_may_not_last_stops_the_writing(ledger: Ledger, what: str):
    """Whichever of the two manifests the disk has in the end, nothing it names may be gone."""
    with Changing(ledger) as changing:
        changing.change(100)
        with changing.store.sealing:
            if what == "drop":
                changing.collection.compact()
                assert not changing.has_expired()
                changing.fail("manifest.after_rename=eio")
                changing.let_expire()
            else:
                changing.fail("manifest.after_rename=eio")
                with suppress(UnavailableError):
                    changing.collection.compact()
            before = changing.store.manifest
            wait_until(lambda: changing.database.get_health().status == "failed")
        problems = changing.database.get_health().problems
        assert "fsync failed while compacting" in problems[0]
        with pytest.raises(UnavailableError, match="fsync failed"):
            changing.change(1)
        changing.fail("")
        with pytest.raises(UnavailableError, match="fsync failed"):
            changing.change(1)
        with pytest.raises(UnavailableError, match="nothing is compacted any more"):
            changing.collection.compact()
        assert reads_work(changing)
        older = ledger.directory.with_name("older")
        shutil.copytree(ledger.directory, older)
    found = ledger.check()
    paths = [
        older / path.relative_to(ledger.directory)
        for path in ledger.directory.rglob("manifest.json")
    ]
    before.write(changing.files, paths[0])
    assert ledger.check(older)["changes"]["present"] == found["changes"]["present"]


@pytest.mark.parametrize("first", ["seal", "compaction"])
def test_after_a_manifest_that_may_not_last_there_is_no_other(tmp_path: Path, first: str):
    """Neither a seal nor a merge makes one or removes anything, though the disk is well again."""
    with Opened(tmp_path / "data") as opened:
        store, batches = opened.store, set()
        with store.compacting:
            while len(store.manifest.partitions) < 4:
                batches |= opened.fill(70, name=f"part-{len(batches)}")
                wait_until(opened.is_settled)
            opened.fail("manifest.after_rename=eio@1")
            if first == "seal":
                stored, _ = opened.fill_until_refused()
                batches |= stored
        with suppress(UnavailableError):
            opened.collection.compact()
        wait_until(lambda: opened.database.get_health().status == "failed")
        before = store.manifest
        opened.fail("")
        with suppress(UnavailableError):
            opened.collection.compact()
        wait_until(lambda: store.is_doubtful)
        with store.sealing, store.compacting:
            assert store.manifest is before
            assert all((store.paths.root / file.path).exists() for file in before.live_files())
    older = tmp_path / "older"
    shutil.copytree(tmp_path / "data", older)
    assert batches <= batches_in(tmp_path / "data")
    (manifest,) = older.rglob("manifest.json")
    before.write(opened.files, manifest)
    assert batches <= batches_in(older)


def test_a_seal_between_the_two_steps_of_a_drop_is_counted_once(ledger: Ledger, tmp_path: Path):
    """The log says that points are gone, the manifest still names them, and the state is saved."""
    gate = Gate("drop.logged")
    with Changing(ledger) as changing:
        changing.change(100)
        changing.collection.compact()
        changing.fail(gate)
        changing.let_expire()
        with gate:
            saved = changing.store.manifest.state_seq
            while changing.store.manifest.state_seq == saved:
                changing.change(4)
            with changing.store.sealing:
                shutil.copytree(ledger.directory, tmp_path / "crashed")
    ledger.check(tmp_path / "crashed")
    ledger.check()


def test_two_that_cut_the_log_cut_it_once(ledger: Ledger):
    """A seal and a drop both let go what their manifests do not need any more."""
    gate = Gate("log.truncate")
    with Changing(ledger, segment_bytes_max=1 << 16) as changing:
        changing.change(60)
        changing.collection.compact()
        changing.fail(gate)
        while not gate.hits:
            changing.change(4)
        with gate:
            changing.let_expire()
            # A drop that does not wait for the seal comes within this time, and would be its harm.
            with suppress(AssertionError):
                wait_until(lambda: gate.hits >= 2, seconds=0.5)
        wait_until(lambda: not changing.has_expired())
        changing.change(1)
    ledger.check()


class FailingSyncs:
    """Lets the `n`th fsync from now on fail, whichever file or directory it is of."""

    def __init__(self, monkeypatch, n: int) -> None:
        self.calls = 0
        self._n = n
        self._lock = threading.Lock()
        for name in ("fsync", "fdatasync"):
            monkeypatch.setattr(os, name, partial(self._sync, getattr(os, name)))

    def _sync(self, real: Callable[[int], None], handle: int) -> None:
        with self._lock:
            self.calls += 1
            if self.calls == self._n:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(handle)


def test_every_sync_of_upkeep_may_fail(tmp_path: Path, monkeypatch):
    """One after the other, until a whole run of seals, merges and drops met no failure."""
    for n in itertools.count(1, 3 if IS_LONG else 40):
        ledger = Ledger(tmp_path / str(n))
        with Changing(ledger) as changing, monkeypatch.context() as patch:
            changing.change(40)
            syncs = FailingSyncs(patch, n)
            is_refused = True
            with suppress(UnavailableError):
                changing.change(12)
                changing.collection.compact()
                changing.let_expire()
                changing.change(12)
                is_refused = False
                changing.collection.compact()
            patch.undo()
            wait_until(lambda c=changing: c.database.get_health().status != "degraded")
            # Of a change that was refused nobody knows whether it is on disk; the ledger holds one.
            with suppress(UnavailableError):
                changing.change(0 if is_refused else 4)
                changing.collection.compact()
            wait_until(lambda c=changing: c.database.get_health().status != "degraded")
            assert reads_work(changing)
        ledger.check()
        shutil.rmtree(ledger.directory)
        if syncs.calls < n:
            return
