"""Scrubbing: damage is found before it is needed, and mended where it can be."""

from __future__ import annotations

import pytest

from tests.unit.engine.rig import SECOND, ManualClock, batch_of, settle, store_of, wait_until
from tests.unit.engine.workshop import shown
from tsvec.engine.upkeep import maintainer
from tsvec.engine.upkeep.scrub import Scrubber
from tsvec.storage.failpoints import FailPoints


@pytest.fixture
def shop(workshop):
    made = workshop()
    for turn in range(3):
        made.put(*((f"e{n}", 10 * turn + n, n) for n in range(10)))
        made.seal()
    return made


def flip(path, place=5_000):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def path_of(shop, number, kind):
    return shop.store.paths.root / getattr(shop.store.manifest.partitions[number], kind).path


class Turns:
    """A scrubber to whom a minute passes with every step."""

    def __init__(self, shop):
        self.scrubber = Scrubber(60)
        self.elapsed = 1_000_000
        self.shop = shop
        self.scrubber.step([shop.store], self.elapsed)

    def step(self, seconds=60):
        self.elapsed += seconds * SECOND
        self.scrubber.step([self.shop.store], self.elapsed)
        return self.scrubber


def test_partitions_are_read_in_turns_one_a_time_and_not_too_often(shop):
    turns = Turns(shop)
    assert turns.scrubber.checked == 0, "nothing at once: the start has other things to do"
    assert turns.step(59).checked == 0
    assert turns.step(1).checked == 1
    assert turns.step(59).checked == 1
    assert turns.step(1).checked == 2
    seen = {turns.step()._last[1] for _ in range(3)}
    assert seen == {part.name for part in shop.store.windows.sealed}
    assert (turns.scrubber.problems, turns.scrubber.repaired) == ({}, 0)


def test_nothing_to_read_is_no_problem(workshop):
    turns = Turns(workshop())
    assert turns.step().checked == 0


@pytest.mark.parametrize("how", ["flipped", "cut", "missing"])
def test_a_damaged_truth_is_named_until_it_is_whole_again(shop, how):
    path = path_of(shop, 1, "points")
    content = path.read_bytes()
    if how == "flipped":
        flip(path)
    elif how == "cut":
        path.write_bytes(content[:-1])
    else:
        path.unlink()
    turns = Turns(shop)
    for _ in range(3):
        turns.step()
    [problem] = turns.scrubber.problems.values()
    assert str(path) in problem.text
    assert turns.scrubber.repaired == 0
    path.write_bytes(content)
    for _ in range(3):
        turns.step()
    assert turns.scrubber.problems == {}


@pytest.mark.parametrize("how", ["flipped", "cut", "missing"])
def test_damaged_columns_are_rebuilt_byte_by_byte(shop, how):
    before = shown(shop.store.windows)
    path = path_of(shop, 2, "columns")
    content = path.read_bytes()
    if how == "flipped":
        flip(path)
    elif how == "cut":
        path.write_bytes(content[:-1])
    else:
        path.unlink()
    turns = Turns(shop)
    for _ in range(3):
        turns.step()
    assert (turns.scrubber.repaired, turns.scrubber.problems) == (1, {})
    assert path.read_bytes() == content
    assert shown(shop.store.windows) == before


def test_columns_that_cannot_be_rebuilt_are_named_and_tried_again(shop):
    path = path_of(shop, 0, "columns")
    content = path.read_bytes()
    flip(path)
    truth = path_of(shop, 0, "points")
    original = shop.store.partitions.rebuild_columns

    def refuse(*_):
        raise OSError(28, "No space left on device")

    shop.store.partitions.rebuild_columns = refuse
    turns = Turns(shop)
    [problem] = turns.step().problems.values()
    assert "No space left" in problem.text
    shop.store.partitions.rebuild_columns = original
    for _ in range(3):
        turns.step()
    assert turns.scrubber.problems == {}
    assert path.read_bytes() == content
    assert truth.exists()


def test_what_no_longer_lives_is_no_problem_any_more(shop):
    flip(path_of(shop, 0, "points"))
    turns = Turns(shop)
    assert turns.step().problems
    shop.delete(end_time=60 * SECOND)
    shop.compact()
    assert turns.step().problems == {}


def test_a_closed_collection_is_left_alone(shop):
    turns = Turns(shop)
    shop.store.is_closed = True
    assert turns.step().checked == 0


def test_damage_makes_the_health_degraded_and_names_the_file(opened, monkeypatch):
    monkeypatch.setattr(maintainer, "_LOOK_SECONDS", 0.01)
    clock = ManualClock()
    database = opened(clock=clock, seal_rows=16, scrub_seconds=60)
    collection = database.create_collection("c", dim=2, metric="l2")
    collection.ingest(batch_of(16))
    settle(database)
    store = store_of(database)
    truth = store.paths.root / store.manifest.partitions[0].points.path
    content = truth.read_bytes()
    flip(truth)
    assert database.get_health().status == "ok"

    def scrub_again():
        clock.now += 61 * SECOND
        return database.get_health().status

    wait_until(lambda: scrub_again() == "degraded")
    assert any(str(truth) in problem for problem in database.get_health().problems)
    assert collection.temporal_knn([0, 0], k=50).returned == 16
    truth.write_bytes(content)
    wait_until(lambda: scrub_again() == "ok")


def test_a_scrub_that_fails_does_not_end_the_thread(opened, monkeypatch):
    monkeypatch.setattr(maintainer, "_LOOK_SECONDS", 0.01)
    clock = ManualClock()
    database = opened(FailPoints(), clock=clock, seal_rows=16, scrub_seconds=60)
    database.create_collection("c", dim=2, metric="l2").ingest(batch_of(16))
    settle(database)
    store = store_of(database)

    def fail(*_):
        raise RuntimeError("unheard of")

    monkeypatch.setattr(store.partitions, "check_truth", fail)

    def scrub_again():
        clock.now += 61 * SECOND
        return database.get_health().problems

    wait_until(lambda: scrub_again() == ["unheard of"])
    assert database._maintainer.thread.is_alive()
