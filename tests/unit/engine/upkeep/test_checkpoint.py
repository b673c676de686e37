"""The manifest is the one commit point: what it promises is on disk, and the log has the rest."""

from __future__ import annotations

import errno

import pytest

from tests.unit.engine.rig import SECOND
from tests.unit.engine.workshop import check_counts, everything, kept, values
from tsvec.engine.upkeep import checkpoint
from tsvec.engine.upkeep.checkpoint import Arrangement, commit_manifest
from tsvec.engine.upkeep.expiry import drop_expired
from tsvec.engine.writing.tasks import ExpireTask
from tsvec.model.errors import GoneError
from tsvec.storage.failpoints import FailPoints
from tsvec.storage.files import SyncFailedError
from tsvec.storage.log.frames import Operation


@pytest.fixture
def shop(workshop):
    """Two partitions of 40 points each, with a state that knows them."""
    made = workshop()
    for first in (0, 40):
        made.put(*((f"e{n % 5}", n, n) for n in range(first, first + 40)))
        made.seal()
    return made


@pytest.fixture
def rare(monkeypatch):
    """Nothing is worth saving along unless it must be."""
    monkeypatch.setattr(checkpoint, "_CHANGES_MIN", -1)


def unsaved(shop):
    return [part.unfolded.unsaved_from for part in shop.store.windows.sealed]


def overlays(shop):
    return sorted(path.name for path in shop.store.paths.overlays.iterdir())


def states(shop):
    return sorted(path.name for path in shop.store.paths.state.iterdir())


def first_seq_read(shop):
    """The first change that a restart reads again."""
    log = shop.store.log
    frames = log.read_from(shop.store.manifest.log.position)
    return min((f.first_seq for f in frames if f.operation is not Operation.NONE), default=None)


def delete(shop, *seconds):
    refs = [{"entity_id": f"e{n % 5}", "timestamp": n * SECOND} for n in seconds]
    return shop.delete(points=refs)


def test_a_checkpoint_saves_deaths_and_state(shop):
    delete(shop, 3, 50, 51)
    shop.put(("e0", 5, 99))
    assert unsaved(shop) == [81, 82]
    shop.checkpoint()
    manifest = shop.store.manifest
    assert unsaved(shop) == [None, None]
    assert [entry.overlay.path for entry in manifest.partitions] == [
        f"overlays/{name}" for name in overlays(shop)
    ]
    assert manifest.state_seq == 84
    before = everything(shop.store)
    assert everything(shop.restart()) == before
    assert unsaved(shop) == [None, None]
    check_counts(shop.store)


def test_files_of_the_checkpoint_before_are_removed(shop):
    for second in (3, 4, 5):
        delete(shop, second)
        shop.checkpoint()
        assert len(overlays(shop)) == len(states(shop)) == 1
    named = {file.path for file in shop.store.manifest.live_files()}
    assert {f"overlays/{overlays(shop)[0]}", f"state/{states(shop)[0]}"} <= named


def test_the_restart_never_reads_past_a_death_that_is_not_saved(shop, rare, monkeypatch):
    """Every frame of the log gets a place of its own, so that the position is as late as can be."""
    monkeypatch.setattr("tsvec.storage.log.chain._INDEX_STEP_BYTES", 1)
    shop.put(("z", 1, 1))
    delete(shop, 3)
    for second in range(1_000, 1_004):
        shop.put(("z", second, 1))
        shop.seal()
        assert unsaved(shop)[0] == 82
        assert shop.store.manifest.log.seq <= 82
        assert first_seq_read(shop) <= 82
        before = everything(shop.store)
        assert everything(shop.restart()) == before


def test_once_it_is_saved_the_log_may_go(shop, monkeypatch):
    monkeypatch.setattr("tsvec.storage.log.chain._INDEX_STEP_BYTES", 1)
    delete(shop, 3)
    shop.put(("z", 1, 1))
    shop.checkpoint()
    # A place before the first frame behind the checkpoint is not in the index until it is there.
    shop.put(("z", 2, 1))
    shop.seal()
    shop.put(("z", 3, 1))
    shop.checkpoint()
    assert shop.store.manifest.log.seq > 81


@pytest.mark.parametrize(
    "step", ["checkpoint.start", "overlay.written", "seal.state_written", "manifest.before_rename"]
)
@pytest.mark.parametrize("code", ["eio", "enospc"])
def test_a_failure_leaves_all_as_it_was(shop, step, code):
    delete(shop, 3, 50)
    before, files = everything(shop.store), (overlays(shop), states(shop), shop.store.manifest)
    marks = unsaved(shop)
    shop.ground.files.failpoints = FailPoints(f"{step}={code}@1")
    with pytest.raises(OSError, match="fail point"):
        shop.checkpoint()
    assert unsaved(shop) == marks
    assert (overlays(shop), states(shop), shop.store.manifest) == files
    assert everything(shop.store) == before
    shop.checkpoint()
    assert unsaved(shop) == [None, None]
    assert everything(shop.restart()) == before


def test_deaths_during_a_checkpoint_that_fails_are_not_forgotten(shop):
    delete(shop, 50)

    class Dying(FailPoints):
        def hit(self, name):
            if name == "checkpoint.start":
                delete(shop, 3)
                raise OSError(errno.EIO, "disk")

    shop.ground.files.failpoints = Dying()
    with pytest.raises(OSError, match="disk"):
        shop.checkpoint()
    shop.ground.files.failpoints = FailPoints()
    assert unsaved(shop) == [82, 81]
    shop.put(("z", 1, 1))
    shop.seal()
    before = everything(shop.store)
    assert everything(shop.restart()) == before


def test_deaths_during_a_checkpoint_are_left_to_the_log(shop, monkeypatch):
    monkeypatch.setattr("tsvec.storage.log.chain._INDEX_STEP_BYTES", 1)
    delete(shop, 50)

    class Dying(FailPoints):
        def hit(self, name):
            if name == "manifest.before_rename":
                delete(shop, 3, 51)

    shop.ground.files.failpoints = Dying()
    shop.checkpoint()
    assert unsaved(shop) == [82, 83]
    assert first_seq_read(shop) <= 82
    before = everything(shop.store)
    assert everything(shop.restart()) == before
    check_counts(shop.store)


def test_a_failed_sync_of_the_manifest_removes_nothing(shop):
    """Nobody knows which manifest is on disk, so the files of both must be there."""
    delete(shop, 3)
    kept_files = {file.path for file in shop.store.manifest.live_files()}
    shop.ground.files.failpoints = FailPoints("manifest.after_rename=eio@1")
    with pytest.raises(SyncFailedError):
        shop.checkpoint()
    before = everything(shop.store)
    assert all((shop.store.paths.root / path).exists() for path in kept_files)
    assert everything(shop.restart()) == before
    assert all(
        (shop.store.paths.root / file.path).exists() for file in shop.store.manifest.live_files()
    )


def test_the_state_is_written_when_it_is_shorter_than_what_happened(workshop, rare):
    shop = workshop()
    shop.put(*((f"e{n}", 1, n) for n in range(10)))
    shop.seal()
    assert shop.store.manifest.state_seq == 10, "ten entities, ten changes"
    written = []
    for second in range(2, 9):
        shop.put(*((f"e{n}", second, n) for n in range(4)))
        shop.seal()
        written.append(shop.store.manifest.state_seq)
    assert written == [10, 10, 22, 22, 22, 34, 34]
    before = everything(shop.store)
    assert everything(shop.restart()) == before


def test_deaths_count_among_what_a_checkpoint_costs(workshop, rare):
    shop = workshop()
    shop.put(*((f"e{n % 2}", n, n) for n in range(50)))
    shop.seal()
    shop.delete(end_time=40 * SECOND)
    shop.checkpoint()
    assert shop.store.manifest.state_seq == 50, "two entities and 40 deaths, but 40 changes"
    shop.put(("e0", 99, 1), ("e1", 99, 1))
    shop.checkpoint()
    assert shop.store.manifest.state_seq == 92


def test_nothing_new_is_no_reason_to_write_the_state(shop):
    before = states(shop)
    generation = shop.store.manifest.generation
    shop.checkpoint()
    assert states(shop) == before
    assert shop.store.manifest.generation == generation + 1


def test_deaths_of_old_partitions_are_not_saved_with_the_state_of_none(shop, rare):
    delete(shop, 3)
    shop.put(("z", 1, 1))
    shop.seal()
    entries = shop.store.manifest.partitions
    assert [entry.overlay is None for entry in entries] == [True, True, True]
    assert unsaved(shop) == [81, None, None]


def test_what_a_tick_dropped_leaves_the_manifest_with_the_next_commit_of_any_kind(workshop, rare):
    """A seal may come between the tick and the drop: state and partitions must stay in step."""
    shop = workshop(config={"retention": "1h", "window_size": "1m"})
    now = shop.clock.now // SECOND
    shop.put(*((f"e{n}", now - 3_000, n) for n in range(9)))
    shop.seal()
    shop.put(("z", now, 1))
    shop.clock.now += 1_000 * SECOND

    def submit(task):
        shop.group(task)
        shop.seal()

    assert shop.store.manifest.state_seq == 9

    drop_expired(shop.store, submit)
    assert [part.rows for part in shop.store.windows.sealed] == [1]
    assert [entry.rows for entry in shop.store.manifest.partitions] == [1]
    before = everything(shop.store)
    assert everything(shop.restart()) == before
    check_counts(shop.store)
    assert values(shop.read()) == {("z", float(now), None): 1.0}


def test_a_crash_between_a_tick_and_the_drop_with_a_seal_in_between_counts_right(workshop):
    shop = workshop(config={"retention": "1h", "window_size": "1m"})
    now = shop.clock.now // SECOND
    shop.put(*((f"e{n}", now - 3_000, n) for n in range(9)))
    shop.seal()
    shop.put(("z", now, 1))
    shop.clock.now += 1_000 * SECOND

    shop.group(ExpireTask(shop.store, shop.store.cutoff(shop.store.windows.config)))
    shop.seal()
    before = everything(shop.store)
    assert everything(shop.restart()) == before
    check_counts(shop.store)
    assert shop.expire() == 0
    check_counts(shop.store)


def test_what_the_horizon_has_passed_is_forgotten_with_a_checkpoint(workshop):
    shop = workshop(config={"history_horizon": "10s"})
    shop.put(("a", 1, 1))
    for turn in range(5):
        shop.set("a", {"n": turn})
        shop.clock.now += 5 * SECOND
    shop.configure(window_size="2h")
    shop.checkpoint()
    manifest = shop.store.manifest
    assert (manifest.purged_seq, shop.store.oldest_as_of()) == (5, 5)
    history = shop.store.registry.attributes.to_table().to_pylist()
    assert [row["seq"] for row in history] == [5, 6]
    assert manifest.config_changes == ((7, shop.store.windows.recorded_at),)
    before = everything(shop.store)
    assert everything(shop.restart()) == before
    shop.clock.now += 100 * SECOND
    shop.put(("a", 2, 1))
    shop.checkpoint()
    assert shop.store.manifest.config_changes == ((7, before["recorded_at"]),)
    shop.clock.now += 100 * SECOND
    shop.put(("a", 3, 1))
    shop.checkpoint()
    assert shop.store.manifest.config_changes == ()


def test_what_is_forgotten_cannot_be_read_even_if_the_checkpoint_fails(workshop):
    """Attributes that an entity lost are the last trace of the change that it was deleted by."""
    shop = workshop("checkpoint.start=enospc@1", config={"history_horizon": "10s"})
    shop.put(("a", 1, 1))
    shop.set("a", {"n": 1})
    shop.delete_entity("a")
    shop.clock.now += 60 * SECOND
    shop.put(("b", 2, 1))
    oldest = shop.store.oldest_as_of()
    with pytest.raises(OSError, match="No space"):
        shop.checkpoint()
    assert shop.store.oldest_as_of() == oldest
    with pytest.raises(GoneError):
        shop.read(seq=oldest - 1)
    shop.checkpoint()
    assert shop.store.oldest_as_of() == shop.store.manifest.purged_seq == oldest


def test_an_arrangement_of_nothing_changes_nothing_that_is_shown(shop):
    delete(shop, 7)
    before = shop.store.windows
    with shop.store.arranging:
        commit_manifest(shop.store, Arrangement())
    assert shop.store.windows is before
    assert len(kept(before)) == 80
