"""Compaction: fewer partitions, the same answers, and nothing kept that nobody can ask for."""

from __future__ import annotations

import pytest

from tests.unit.engine.rig import SECOND
from tests.unit.engine.workshop import check_counts, everything, kept, shown, values
from tsvec.engine.upkeep.compacting import (
    CompactionRun,
    CompactionStopped,
    choose_next,
    compaction_status,
    extents_of,
    merge_partitions,
    rules_of,
)
from tsvec.storage.failpoints import FailPoints
from tsvec.storage.files import SyncFailedError
from tsvec.storage.overlay import DeathCause

DAY = 86_400 * SECOND
STEPS = [
    "compact.start",
    "compact.truth_written",
    "compact.columns_written",
    "compact.partition_renamed",
    "checkpoint.start",
    "manifest.before_rename",
]


class Meanwhile(FailPoints):
    """Does something the first time a step is passed."""

    def __init__(self, step, do):
        super().__init__()
        self.step, self.do = step, do

    def hit(self, name):
        if name == self.step and self.do is not None:
            do, self.do = self.do, None
            do()


@pytest.fixture(autouse=True)
def _late_restarts(monkeypatch):
    """Every frame has a place of its own, so that a restart reads as little again as it may."""
    monkeypatch.setattr("tsvec.storage.log.chain._INDEX_STEP_BYTES", 1)


@pytest.fixture
def shop(workshop):
    """Six partitions over the same times, some rows of which replaced others."""
    made = workshop(seal_rows=64)
    for turn in range(6):
        made.put(*((f"e{n % 3}", n, 10 * turn + n) for n in range(turn, turn + 20)))
        made.seal()
    return made


def first_merge(shop, is_stopping=lambda: False):
    run = CompactionRun()
    run.ask()
    merge = choose_next(shop.store, run)
    merge_partitions(shop.store, merge, run, is_stopping)
    return run


def test_a_full_compaction_leaves_few_partitions_and_the_same_answers(shop):
    before, past = everything(shop.store), [values(shop.read(seq=seq)) for seq in range(120)]
    run = shop.compact()
    assert run.merges >= 1
    assert len(shop.store.windows.sealed) <= 2, "no more may cover an instant"
    assert set(shop.partitions()) > {part.name for part in shop.store.windows.sealed}
    shop.expire()
    assert len(shop.partitions()) == len(shop.store.windows.sealed)
    assert everything(shop.store) == before
    assert [values(shop.read(seq=seq)) for seq in range(120)] == past
    assert everything(shop.restart()) == before
    assert shop.compact().merges == 0


def test_deaths_move_into_the_files(shop):
    shop.delete(entity_ids=["e1"])
    shop.compact()
    entries = shop.store.manifest.partitions
    dead = [version for version in kept(shop.store.windows) if version[1]]
    assert sum(entry.dead_rows for entry in entries) == len(dead) > 20
    assert {entry.overlay for entry in entries} == {None}
    assert {part.unfolded.count for part in shop.store.windows.sealed} == {0}
    assert list(shop.store.paths.overlays.iterdir()) == []


@pytest.mark.parametrize("step", STEPS)
def test_deaths_during_a_merge_are_transferred(shop, step):
    def change():
        shop.put(("e1", 1, 999))
        shop.delete(points=[{"entity_id": "e2", "timestamp": 20 * SECOND}])
        shop.put(("z", 1, 1))

    shop.ground.files.failpoints = Meanwhile(step, change)
    first_merge(shop)
    found = {seq: (end, by) for seq, end, _, by in kept(shop.store.windows) if end > 120}
    assert list(found.values()) == [
        (121, DeathCause.REPLACED),
        (122, DeathCause.DELETED),
    ]
    present = values(shop.store.windows)
    assert present["e1", 1.0, None] == 999.0
    assert ("e2", 20.0, None) not in present
    before = everything(shop.store)
    assert everything(shop.restart()) == before
    check_counts(shop.store)


def test_deaths_that_a_seal_during_a_merge_puts_behind_the_restart_are_not_lost(shop):
    """The seal saves them for the partitions that are merged; the new one needs them as well."""

    def change():
        shop.delete(entity_ids=["e2"])
        shop.put(("z", 1, 1))
        shop.put(("z", 2, 1))
        shop.seal()

    shop.ground.files.failpoints = Meanwhile("compact.truth_written", change)
    first_merge(shop)
    assert "e2" not in {row[0] for row in shown(shop.store.windows)}
    before = everything(shop.store)
    assert everything(shop.restart()) == before
    check_counts(shop.store)


def test_a_seal_during_a_merge_is_not_lost(shop):
    def change():
        shop.put(("z", 5, 1))
        shop.seal()

    shop.ground.files.failpoints = Meanwhile("compact.truth_written", change)
    first_merge(shop)
    assert ("z", 5.0, None) in values(shop.store.windows)
    before = everything(shop.store)
    assert everything(shop.restart()) == before


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("code", ["eio", "enospc"])
def test_a_failed_merge_leaves_all_as_it_was(shop, step, code):
    shop.delete(entity_ids=["e0"])
    before, files = everything(shop.store), shop.partitions()
    marks = [part.unfolded.unsaved_from for part in shop.store.windows.sealed]
    shop.ground.files.failpoints = FailPoints(f"{step}={code}@1")
    with pytest.raises(OSError, match="fail point"):
        first_merge(shop)
    assert shop.partitions() == files
    assert everything(shop.store) == before
    assert [part.unfolded.unsaved_from for part in shop.store.windows.sealed] == marks
    assert everything(shop.restart()) == before
    shop.compact()
    assert everything(shop.store)["shown"] == before["shown"]


def test_after_a_failed_sync_the_files_of_both_manifests_are_there(shop):
    before, files = everything(shop.store), shop.partitions()
    shop.ground.files.failpoints = FailPoints("manifest.after_rename=eio@1")
    with pytest.raises(SyncFailedError):
        first_merge(shop)
    assert set(files) < set(shop.partitions())
    assert everything(shop.restart()) == before


def test_a_merge_that_is_stopped_leaves_no_files(shop):
    before, files = everything(shop.store), shop.partitions()
    with pytest.raises(CompactionStopped):
        first_merge(shop, lambda: True)
    assert shop.partitions() == files
    assert everything(shop.store) == before


def test_a_merge_is_stopped_between_two_pieces(workshop):
    shop = workshop(seal_rows=64, compact_rows_max=64)
    for turn in range(5):
        shop.put(*((f"e{n % 3}", n, turn) for n in range(turn, turn + 60)))
        shop.seal()
    files, asked = shop.partitions(), []
    with pytest.raises(CompactionStopped):
        first_merge(shop, lambda: len(asked) > 1 or asked.append(1))
    assert len(asked) == 2
    assert shop.partitions() == files
    before = everything(shop.store)
    assert everything(shop.restart()) == before


def test_what_died_beyond_the_horizon_is_thrown_away(workshop):
    shop = workshop(config={"history_horizon": "1h"})
    shop.put(("a", 1, 1), ("b", 1, 2), ("c", 1, 3))
    shop.seal()
    shop.put(("a", 1, 4))
    shop.delete(entity_ids=["b"])
    shop.seal()
    first = shop.store.windows.seq
    shop.clock.now += 3_601 * SECOND
    shop.put(("c", 1, 5))
    shop.seal()
    run = shop.compact()
    assert run.rows == 3
    assert [version[0] for version in kept(shop.store.windows)] == [3, 4, 6]
    manifest = shop.store.manifest
    assert manifest.purged_seq == first
    assert manifest.purged_at <= shop.clock.now - 3_600 * SECOND
    assert values(shop.read(seq=5)) == {("a", 1.0, None): 4.0, ("c", 1.0, None): 3.0}
    before = everything(shop.store)
    assert everything(shop.restart()) == before
    check_counts(shop.store)


def test_a_partition_of_which_nothing_is_left_is_gone(workshop):
    shop = workshop(config={"history_horizon": "1h"})
    shop.put(*((f"e{n}", n, 1) for n in range(20)))
    shop.seal()
    shop.delete(start_time=0)
    shop.clock.now += 3_601 * SECOND
    shop.checkpoint()
    shop.compact()
    assert shop.store.windows.sealed == ()
    assert shop.store.manifest.partitions == ()
    shop.expire()
    assert shop.partitions() == []
    before = everything(shop.store)
    assert everything(shop.restart()) == before
    assert shop.put(("e1", 1, 1)).ingested == 1
    check_counts(shop.store)


def test_readers_of_the_old_partitions_finish_undisturbed(shop):
    reader = shop.read()
    before, old = shown(reader), set(shop.partitions())
    shop.delete(entity_ids=["e1"])
    shop.compact()
    shop.expire()
    assert shown(reader) == before
    assert old < set(shop.partitions())
    del reader
    shop.expire()
    assert old.isdisjoint(shop.partitions())


def test_the_bytes_written_are_added_up(shop):
    run = shop.compact()
    manifest = shop.store.manifest
    assert manifest.compacted_bytes == run.bytes > 0
    assert manifest.sealed_bytes > manifest.compacted_bytes / 10


def test_partitions_are_cut_by_a_part_of_the_retention(workshop):
    shop = workshop(config={"retention": "16d", "window_size": "1h"}, seal_rows=64)
    assert rules_of(shop.store).span_max == DAY
    shop.configure(window_size="2d")
    assert rules_of(shop.store).span_max == 2 * DAY
    shop.configure(retention=None)
    assert rules_of(shop.store).span_max is None


def test_extents_say_what_could_be_folded_and_thrown_away(workshop):
    shop = workshop(config={"history_horizon": "1h"})
    shop.put(("a", 1, 1), ("b", 1, 2), ("c", 1, 3))
    shop.seal()
    shop.delete(entity_ids=["a"])
    shop.clock.now += 3_601 * SECOND
    shop.delete(entity_ids=["b"])
    [extent] = extents_of(shop.store)
    assert (extent.rows, extent.unfolded, extent.purgeable) == (3, 2, 1)
    assert (extent.time_min, extent.time_max) == (SECOND, SECOND)


def test_a_run_counts_what_it_did_until_the_next_begins(shop):
    run = CompactionRun()
    status = compaction_status(shop.store, run)
    assert (status.state, status.partitions, status.started_at) == ("idle", 6, None)
    assert status.waiting == 6
    number = run.ask()
    assert run.is_full
    assert not run.wait(number, 0)
    run.begin(shop.clock.now)
    assert compaction_status(shop.store, run).state == "running"
    run.rows = 7
    run.begin(shop.clock.now + 5)
    assert run.rows == 7, "one run, many merges"
    run.end(number, "the disk is full")
    status = compaction_status(shop.store, run)
    assert (status.state, status.problem, status.rows) == ("failed", "the disk is full", 7)
    assert status.started_at.timestamp() * 1e6 == shop.clock.now
    assert not run.is_full
    assert run.wait(number, 0)
    run.begin(shop.clock.now)
    assert (run.rows, run.problem) == (0, None)


def test_who_asks_while_a_run_goes_on_waits_for_the_next(shop):
    run = CompactionRun()
    first = run.ask()
    seen = run.asked
    second = run.ask()
    run.end(seen)
    assert run.wait(first, 0)
    assert not run.wait(second, 0)
    assert run.is_full
