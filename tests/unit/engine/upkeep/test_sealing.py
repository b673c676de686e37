"""Sealing: the same points under another name, whatever happens while it is done."""

from __future__ import annotations

import pytest

from tests.unit.engine.rig import SECOND
from tests.unit.engine.workshop import check_counts, everything, kept, shown
from tsvec.engine.upkeep.sealing import find_sealable, partition_bytes, seal
from tsvec.storage.failpoints import FailPoints
from tsvec.storage.overlay import DeathCause

STEPS = [
    "seal.start",
    "seal.truth_written",
    "seal.columns_written",
    "seal.partition_renamed",
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
    made = workshop(seal_rows=256)
    made.put(*((f"e{n % 3}", n, n) for n in range(30)))
    made.put(("e0", 0, 99))
    return made


def same(one, other):
    """Equal but for the parts in which the points are."""
    return one["shown"] == other["shown"] and one["kept"] == other["kept"]


def test_a_seal_changes_nothing_that_is_to_be_seen(shop):
    before = everything(shop.store)
    shop.seal()
    assert everything(shop.store) == before
    assert [part.is_hot for part in shop.store.windows.stored()] == [False]
    assert shop.store.manifest.sealed_seq == 31
    assert everything(shop.restart()) == before


@pytest.mark.parametrize("step", STEPS)
def test_deaths_during_a_seal_reach_the_partition(shop, step):
    """Replaced and deleted versions alike, wherever the seal stands."""

    def change():
        shop.put(("e1", 1, 77))
        shop.delete(points=[{"entity_id": "e2", "timestamp": 2 * SECOND}])
        shop.put(("z", 1, 1))

    shop.ground.files.failpoints = Meanwhile(step, change)
    shop.seal()
    part, hot = shop.store.windows.stored()
    assert (part.rows, hot.rows) == (31, 2)
    deaths = {seq: (end, by) for seq, end, _, by in kept(shop.store.windows) if end}
    assert deaths == {
        1: (31, DeathCause.REPLACED),
        2: (32, DeathCause.REPLACED),
        3: (33, DeathCause.DELETED),
    }
    before = everything(shop.store)
    assert everything(shop.restart()) == before
    check_counts(shop.store)


def test_a_row_that_died_before_the_seal_stays_dead_once(shop):
    shop.seal()
    [entry] = shop.store.manifest.partitions
    assert (entry.dead_rows, entry.overlay) == (1, None)
    assert shop.store.windows.sealed[0].unfolded.count == 0


@pytest.mark.parametrize("step", STEPS)
def test_a_failed_seal_leaves_no_file_and_loses_no_death(shop, step):
    before = everything(shop.store)
    shop.ground.files.failpoints = FailPoints(f"{step}=enospc@1")
    if step == "seal.partition_renamed":
        with pytest.raises(OSError, match="fail point"):
            shop.seal()
    else:
        with pytest.raises(OSError, match="No space"):
            shop.seal()
    assert shop.partitions() == []
    assert everything(shop.store) == before
    assert all(part.is_hot for part in shop.store.windows.stored())
    shop.seal()
    assert everything(shop.restart()) == before


def test_points_that_come_during_a_seal_stay_hot(shop):
    shop.ground.files.failpoints = Meanwhile("seal.truth_written", lambda: shop.put(("z", 1, 1)))
    shop.seal()
    assert [(part.rows, part.is_hot) for part in shop.store.windows.stored()] == [
        (31, False),
        (1, True),
    ]
    assert shop.store.manifest.sealed_seq == 31


def test_the_bytes_written_are_added_up(shop):
    shop.seal()
    first = shop.store.manifest
    assert first.sealed_bytes == partition_bytes(first.partitions[0])
    shop.put(("z", 1, 1))
    shop.seal()
    assert shop.store.manifest.sealed_bytes == sum(
        partition_bytes(entry) for entry in shop.store.manifest.partitions
    )
    assert shop.store.manifest.compacted_bytes == 0


def test_what_is_worth_sealing_goes_by_rows_age_and_room(workshop):
    shop = workshop(seal_rows=256, seal_age_seconds=60, seal_age_rows_min=3, hot_rows_max=600)
    assert find_sealable(shop.store, shop.clock.now) == ()
    shop.put(("a", 1, 1), ("a", 2, 1), ("a", 3, 1))
    shop.put(("a", 1, 2))
    assert find_sealable(shop.store, shop.clock.now + 59 * SECOND) == ()
    assert len(find_sealable(shop.store, shop.clock.now + 61 * SECOND)) == 1
    shop.put(*(("b", n, 1) for n in range(255)))
    [block] = find_sealable(shop.store, shop.clock.now)
    assert block.rows == 256


def test_an_empty_log_segment_is_let_go_behind_a_seal(workshop):
    shop = workshop(
        segment_bytes_min=1 << 16, segment_bytes_max=1 << 16, feed_age_seconds=10, feed_bytes_max=0
    )
    for turn in range(4):
        shop.put(*((f"e{n % 4}", 1_000 * turn + n, n) for n in range(800)))
        shop.clock.now += 60 * SECOND
    assert len(list(shop.store.paths.log.iterdir())) > 2
    shop.seal()
    shop.put(("a", 1, 1))
    seal(shop.store, shop.store.windows.hot, shop.clock.now)
    assert len(list(shop.store.paths.log.iterdir())) <= 2
    before = shown(shop.store.windows)
    shop.restart()
    assert shown(shop.store.windows) == before
