"""The log applied again makes what its commits made, however often and from wherever."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from tests.unit.engine.histories import Life
from tests.unit.engine.rig import SECOND
from tests.unit.engine.workshop import check_counts, everything, kept, shown, values
from tsvec.engine.replay import replay_frame
from tsvec.engine.upkeep.expiry import drop_expired
from tsvec.model.errors import CorruptError
from tsvec.storage.log.frames import Frame, Kind, Operation


@pytest.mark.parametrize("seed", range(6))
def test_a_restart_at_any_point_of_any_life_brings_everything_back(workshop, seed):
    life = Life(workshop(), seed)
    for _ in range(6):
        life.live(8)
        before = everything(life.shop.store)
        assert everything(life.shop.restart()) == before
        life.check()


def every_operation(shop):
    shop.put(("a", 1, 1, None, "ship"), ("a", 2, 2), ("b", 1, 3, "k"))
    shop.put(("a", 1, 4))
    shop.set("a", {"x": 1})
    shop.configure(window_size="2h")
    shop.delete(points=[{"entity_id": "b", "timestamp": SECOND, "key": "k"}])
    shop.delete_entity("a")
    shop.restore(entity_ids=["a"])


def test_every_operation_is_replayed(workshop):
    shop = workshop()
    every_operation(shop)
    before = everything(shop.store)
    after = everything(shop.restart())
    assert after == before
    assert after["past_types"]
    assert len(after["attributes"]) == 3
    assert after["configured"]


@pytest.mark.parametrize("sealed", [False, True], ids=["hot", "sealed"])
def test_deaths_are_replayed_twice_without_harm(workshop, sealed):
    """A checkpoint may lie in front of the place in the log that a restart reads from."""
    shop = workshop()
    shop.put(("a", 1, 1), ("b", 1, 2), ("c", 1, 3))
    if sealed:
        shop.seal()
    shop.put(("a", 1, 4))
    shop.delete(entity_ids=["b"])
    shop.checkpoint()
    before = everything(shop.store)
    log = shop.store.log
    frames = list(log.read_from(log.start))
    assert len(frames) == 3
    for frame in frames[1:]:
        if frame.operation is Operation.DELETE_POINTS or sealed:
            replay_frame(shop.store, with_no_rows(shop.store, frame))
    assert kept(shop.store.windows) == before["kept"]
    assert everything(shop.restart()) == before


def with_no_rows(store, frame):
    """The frame; its points count as sealed, so that only what it ends is looked at."""
    store.manifest = store.manifest.model_copy(
        update={"sealed_seq": store.windows.seq, "state_seq": store.windows.seq}
    )
    return frame


def test_a_replayed_group_is_not_counted_again(workshop):
    shop = workshop()
    shop.put(("a", 1, 1), ("a", 2, 1))
    shop.seal()
    shop.put(("a", 1, 2))
    shop.checkpoint()
    shop.restart()
    check_counts(shop.store)
    assert shop.store.registry.count_living() == 1


def test_what_is_sealed_is_not_made_hot_again(workshop):
    shop = workshop()
    shop.put(("a", 1, 1), ("b", 1, 2))
    shop.seal()
    shop.put(("c", 1, 3))
    shop.restart()
    assert [part.rows for part in shop.store.windows.stored()] == [2, 1]
    assert [row[0] for row in shown(shop.store.windows)] == ["a", "b", "c"]


def test_a_type_given_after_the_checkpoint_is_replayed_with_its_past(workshop):
    shop = workshop()
    shop.put(("a", 1, 1), ("b", 1, 1, None, "ship"))
    shop.checkpoint()
    shop.put(("a", 2, 1, None, "plane"))
    before = everything(shop.store)
    after = everything(shop.restart())
    assert after == before
    number = shop.store.registry.number_of("a")
    types = [shop.store.registry.type_of(number, seq) for seq in (2, 3)]
    assert types == ["GENERIC", "plane"]


def expiring(workshop, **options):
    """A shop of which the partition with `a` has expired, and the one with `b` has not."""
    shop = workshop(config={"retention": "1h", "window_size": "1m"}, **options)
    now = shop.clock.now // SECOND
    shop.put(("a", now - 3_000, 1), ("a", now - 2_999, 2))
    shop.put(("a", now - 2_999, 3))
    shop.seal()
    shop.put(("b", now, 4))
    shop.seal()
    shop.clock.now += 1_000 * SECOND
    return shop


def test_a_tick_whose_manifest_never_came_is_made_good(workshop):
    shop = expiring(workshop)
    with pytest.raises(StopHereError):
        drop_expired(shop.store, stop_after(shop))
    before = everything(shop.store)
    names = [part.name for part in shop.store.windows.sealed]
    after = everything(shop.restart())
    assert after == before
    check_counts(shop.store)
    assert [part.name for part in shop.store.windows.sealed] == names
    assert shop.expire() == 1
    assert shop.partitions() == names
    check_counts(shop.store)


class StopHereError(Exception):
    """The process would have died here."""


def stop_after(shop):
    def submit(task):
        shop.group(task)
        raise StopHereError

    return submit


def test_a_tick_says_what_expired(workshop):
    shop = expiring(workshop)
    seq = shop.store.windows.seq
    assert shop.expire() == 1
    *_, frame = shop.store.log.read_from(shop.store.log.start)
    assert (frame.kind, frame.operation) == (Kind.TICK, Operation.EXPIRE)
    assert (frame.first_seq, frame.count, frame.sub) == (seq, 0, 1)
    assert b'"points":2' in bytes(frame.payload)
    assert shop.store.windows.seq == seq


def test_a_tick_does_not_drop_a_younger_partition_of_the_same_name(workshop):
    shop = expiring(workshop)
    old, young = shop.store.windows.sealed
    tick = Frame(
        Kind.TICK,
        Operation.EXPIRE,
        7,
        old.seq_max,
        0,
        shop.clock.now,
        b'{"cutoff":%d,"partitions":["%s","%s"],"points":2}'
        % (shop.clock.now * 2, old.name.encode(), young.name.encode()),
        1,
    )
    replay_frame(shop.store, tick)
    assert [part.name for part in shop.store.windows.sealed] == [young.name]
    late = Frame(
        Kind.TICK,
        Operation.EXPIRE,
        7,
        young.seq_max,
        0,
        shop.clock.now,
        b'{"cutoff":%d,"partitions":["%s"],"points":1}' % (young.time_max, young.name.encode()),
        2,
    )
    replay_frame(shop.store, late)
    assert [part.name for part in shop.store.windows.sealed] == [young.name]


def test_changes_of_a_stranger_are_damage(workshop):
    shop = workshop()
    shop.put(("a", 1, 1))
    payload = b'{"entity_id":"ghost","attributes":{}}'
    frame = Frame(Kind.DATA, Operation.SET_ATTRIBUTES, 7, 2, 1, shop.clock.now, payload)
    with pytest.raises(CorruptError, match=r"log changes entity 'ghost', which nothing made"):
        replay_frame(shop.store, frame)


def test_what_later_versions_derive_is_passed_over(workshop):
    shop = workshop()
    shop.put(("a", 1, 1))
    before = everything(shop.store)
    replay_frame(shop.store, Frame(Kind.DERIVED, Operation.NONE, 7, 1, 0, 5, b""))
    assert everything(shop.store) == before


def test_configurations_are_replayed_in_their_order(workshop):
    shop = workshop()
    sizes = ["2h", "3h", "4h"]
    for second, size in enumerate(sizes):
        shop.configure(window_size=size)
        shop.put(("a", second, 1))
        shop.seal()
    assert [seq for seq, _ in shop.store.configured] == [1, 3, 5]
    before = everything(shop.store)
    for _ in range(2):
        assert everything(shop.restart()) == before
    assert shop.store.windows.config.window_size == "4h"


@pytest.mark.parametrize("seed", range(3))
def test_the_log_alone_rebuilds_every_life_that_was_never_sealed(workshop, seed, tmp_path):
    """Without its state and partitions a collection is what its whole log says."""
    shop = workshop()
    life = Life(shop, seed)
    life.look_after = lambda: None
    life.live(40)
    before = everything(shop.store)
    manifest = (shop.path / "c" / "manifest.json").read_bytes()
    shop.checkpoint()
    shop.store.close()
    (shop.path / "c" / "manifest.json").write_bytes(manifest)
    shutil.rmtree(shop.path / "c" / "state")
    (shop.path / "c" / "state").mkdir()
    assert everything(shop.restart()) == before


def test_a_replayed_set_of_vectors_is_bit_for_bit_the_same(workshop):
    shop = workshop()
    batch_values = [np.float32(1e-45), np.float32(3.4e38), np.float32(-0.0)]
    shop.put(*(("a", n, float(value)) for n, value in enumerate(batch_values)))
    part = shop.store.windows.hot[0]
    before = part.vectors(slice(0, 3)).tobytes()
    shop.restart()
    assert shop.store.windows.hot[0].vectors(slice(0, 3)).tobytes() == before
    assert values(shop.store.windows).keys() == {("a", float(n), None) for n in range(3)}
