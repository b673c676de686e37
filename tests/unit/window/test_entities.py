"""The registry of entities: numbers for ever, types once, counts that add up."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from tsvec.model.points import PointBatch
from tsvec.model.times import TIME_MAX_US, TIME_MIN_US
from tsvec.storage.state import STATE_SCHEMAS
from tsvec.window.attributes import AttributesVersion
from tsvec.window.entities import EntityDraft, EntityRegistry

NOW = 2**63
SCHEMAS = {name: schema for name, schema in STATE_SCHEMAS.items() if name != "replies"}


def batch(*rows):
    """Points given as (entity_id, entity_type)."""
    return PointBatch.of_columns(
        entity_id=[name for name, _ in rows],
        vector=np.ones((len(rows), 1), np.float32),
        timestamp=np.zeros(len(rows), np.int64),
        entity_type=[entity_type for _, entity_type in rows],
    )


def commit(registry, *rows, times=None, seq=0):
    """Take points as the commit that ends with this seq; 0: its types hold for all seqs."""
    numbers, _, draft, errors = registry.resolve(batch(*rows), EntityDraft())
    assert errors == []
    draft.since.update(dict.fromkeys(draft.types, seq))
    draft.births.update(dict.fromkeys(draft.numbers.values(), seq))
    registry.apply(draft)
    when = np.zeros(len(rows), np.int64) if times is None else np.array(times, np.int64)
    registry.observe(np.array(numbers, np.uint32), when)
    return numbers


@pytest.fixture
def registry():
    return EntityRegistry()


def test_numbers_follow_arrival_and_stay(registry):
    assert commit(registry, ("b", None), ("a", None), ("b", None)) == [0, 1, 0]
    assert commit(registry, ("c", None), ("a", None)) == [2, 1]
    assert [registry.id_of(number) for number in range(3)] == ["b", "a", "c"]
    assert [registry.number_of(name) for name in ("b", "a", "c", "d")] == [0, 1, 2, None]
    assert len(registry) == 3


def facts(registry, number):
    """Type, span and count of living points."""
    points = registry.to_tables()["entities"]["points"].to_pylist()
    return (registry.type_of(number, NOW), *registry.span_of(number), points[number])


def test_facts_are_the_span_and_count_of_what_was_observed(registry):
    commit(registry, ("a", "ship"), ("b", None), ("a", None), times=[50, 7, -3])
    commit(registry, ("a", None), times=[20])
    assert facts(registry, 0) == ("ship", -3, 50, 3)
    assert facts(registry, 1) == ("GENERIC", 7, 7, 1)
    assert registry.high == 50


def test_entities_live_while_they_have_a_living_point(registry):
    assert registry.count_living() == 0
    commit(registry, ("a", None), ("b", None), ("a", None), times=[1, 2, 3])
    assert registry.count_living() == 2
    registry.count_dead(np.array([0, 1], np.uint32))
    assert registry.count_living() == 1
    registry.count_dead(np.array([0, 0], np.uint32)[:1])
    assert registry.count_living() == 0
    commit(registry, ("b", None), times=[9])
    assert registry.count_living() == 1
    assert facts(registry, 1) == ("GENERIC", 2, 9, 1)
    assert facts(registry, 0)[3] == 0


def test_counts_follow_every_birth_and_death(registry):
    rng = np.random.default_rng(8)
    names = [f"e{n}" for n in range(200)]
    truth = dict.fromkeys(range(200), 0)
    commit(registry, *((name, None) for name in names))
    for number in range(200):
        truth[number] += 1
    for _ in range(30):
        born = rng.integers(0, 200, 50)
        registry.observe(born.astype(np.uint32), rng.integers(-99, 99, 50))
        for number in born.tolist():
            truth[number] += 1
        dead = [n for n in truth for _ in range(truth[n]) if rng.random() < 0.5]
        registry.count_dead(np.array(dead, np.uint32))
        for number in dead:
            truth[number] -= 1
        assert registry.count_living() == sum(count > 0 for count in truth.values())
    registry.observe(np.empty(0, np.uint32), np.empty(0, np.int64))
    assert registry.to_tables()["entities"]["points"].to_pylist() == list(truth.values())


def test_the_latest_times_of_entities(registry):
    commit(registry, ("a", None), ("b", None), ("a", None), times=[5, -9, 3])
    numbers = np.array([1, 0, 2, 2**32 - 1, 0], np.uint32)
    assert registry.highs(numbers).tolist() == [-9, 5, TIME_MIN_US, TIME_MIN_US, 5]
    registry.count_dead(np.array([0], np.uint32))
    assert registry.highs(numbers[:2]).tolist() == [-9, 5]
    assert EntityRegistry().highs(numbers).tolist() == [TIME_MIN_US] * 5


def test_resolving_changes_nothing(registry):
    numbers, types, draft, _ = registry.resolve(batch(("a", "x"), ("b", None)), EntityDraft())
    assert (numbers, types) == ([0, 1], ["x", "GENERIC"])
    assert (draft.numbers, draft.types) == ({"a": 0, "b": 1}, {0: "x"})
    assert len(registry) == 0
    assert registry.number_of("a") is None


def test_generic_may_become_something_once(registry):
    commit(registry, ("a", None))
    assert registry.type_of(0, NOW) == "GENERIC"
    commit(registry, ("a", "GENERIC"), ("a", "ship"), ("a", None), ("a", "ship"))
    assert registry.type_of(0, NOW) == "ship"
    rows = batch(("a", "ship"), ("a", "plane"), ("a", None), ("a", "GENERIC"))
    numbers, types, draft, errors = registry.resolve(rows, EntityDraft())
    assert (numbers, types) == ([0] * 4, ["ship"] * 4)
    assert [(error.index, error.code, error.field) for error in errors] == [
        (1, "conflict", "points[1].entity_type"),
        (3, "conflict", "points[3].entity_type"),
    ]
    assert "'a' is of type 'ship', not 'plane'" in errors[0].message
    assert (draft.numbers, draft.types) == ({}, {})


def test_a_conflict_within_one_batch_names_the_later_row(registry):
    rows = batch(("a", "x"), ("b", None), ("a", "y")).take(np.array([0, 2]))
    *_, errors = registry.resolve(rows, EntityDraft())
    assert [error.index for error in errors] == [2]


def test_drafts_build_on_one_another(registry):
    commit(registry, ("a", None))
    draft = EntityDraft()
    for rows in ([("b", "x"), ("a", "y")], [("c", None), ("b", None)], [("c", "z")]):
        numbers, types, added, errors = registry.resolve(batch(*rows), draft)
        assert errors == []
        draft.accept(added)
    assert (numbers, types) == ([2], ["z"])
    assert draft.numbers == {"b": 1, "c": 2}
    *_, errors = registry.resolve(batch(("a", "other"), ("b", "other")), draft)
    assert len(errors) == 2
    registry.apply(draft)
    assert [registry.type_of(number, NOW) for number in range(3)] == ["y", "x", "z"]


def test_selectors_let_the_right_entities_pass(registry):
    commit(registry, ("a", "x"), ("b", "y"), ("c", None), ("d", "x"))

    def passed(types, ids):
        return np.flatnonzero(registry.allowed(types, ids, NOW)).tolist()

    assert passed(None, None) == [0, 1, 2, 3]
    assert passed(["x"], None) == [0, 3]
    assert passed(["GENERIC", "y", "nothing"], None) == [1, 2]
    assert passed([], None) == passed(None, []) == passed(["nothing"], None) == []
    assert passed(None, ["d", "a", "d", "nobody"]) == [0, 3]
    assert passed(["x"], ["a", "b"]) == [0]


def test_it_grows_without_forgetting(registry):
    names = [f"e{number}" for number in range(1_000)]
    for begin in range(0, 1_000, 7):
        rows = names[begin : begin + 7]
        times = range(begin, begin + len(rows))
        commit(registry, *((name, f"t{len(name)}") for name in rows), times=list(times))
    for number, name in enumerate(names):
        assert registry.type_of(number, NOW) == f"t{len(name)}"
        assert registry.span_of(number) == (number, number)
    assert registry.count_living() == 1_000


def history(registry):
    """An entity that was upgraded, reset and upgraded again, and one of a type from the first."""
    commit(registry, ("a", None), ("b", "plane"), seq=2)
    commit(registry, ("a", "ship"), ("a", None), seq=5)
    registry.reset_type(0, 9)
    commit(registry, ("a", "boat"), seq=12)


TYPES_OF_A = dict.fromkeys(range(15), "GENERIC")
TYPES_OF_A |= dict.fromkeys(range(5, 9), "ship") | dict.fromkeys(range(12, 15), "boat")


def test_the_type_is_that_after_each_change(registry):
    history(registry)
    assert {seq: registry.type_of(0, seq) for seq in range(15)} == TYPES_OF_A
    assert {registry.type_of(1, seq) for seq in range(15)} == {"plane"}
    for seq, name in TYPES_OF_A.items():
        for chosen in (["ship"], ["GENERIC"], ["boat", "plane"], ["GENERIC", "boat"], []):
            passed = registry.allowed(chosen, None, seq).tolist()
            assert passed == [name in chosen, "plane" in chosen]
            assert registry.allowed(chosen, ["a"], seq).tolist() == [name in chosen, False]


def test_a_type_that_comes_with_its_entity_holds_from_the_first(registry):
    """Also if it comes with a later row of the same commit."""
    commit(registry, ("a", None), ("a", "ship"), seq=2)
    assert [registry.type_of(0, seq) for seq in (0, 1, 2)] == ["ship"] * 3
    assert len(registry.to_tables()["past_types"]) == 0


def test_what_was_otherwise_before_is_forgotten(registry):
    history(registry)
    for purged in range(15):
        registry.purge(purged)
        shown = {seq: registry.type_of(0, seq) for seq in range(purged, 15)}
        assert shown == {seq: TYPES_OF_A[seq] for seq in range(purged, 15)}
    assert len(registry.to_tables()["past_types"]) == 0


def test_a_deleted_entity_has_no_type_and_may_get_another(registry):
    commit(registry, ("a", "ship"), ("b", None), seq=2)
    assert registry.types.before_reset(0) is None
    registry.reset_type(0, 4)
    registry.reset_type(1, 5)
    assert (registry.type_of(0, 3), registry.type_of(0, 4)) == ("ship", "GENERIC")
    assert registry.types.before_reset(0) == "ship"
    assert registry.types.before_reset(1) is None
    commit(registry, ("a", None), seq=6)
    assert registry.types.before_reset(0) == "ship"
    commit(registry, ("a", "boat"), seq=7)
    assert registry.types.before_reset(0) is None
    assert [registry.type_of(0, seq) for seq in (3, 6, 7)] == ["ship", "GENERIC", "boat"]
    registry.reset_type(0, 8)
    registry.purge(8)
    assert registry.types.before_reset(0) is None


def test_the_type_that_a_draft_would_give(registry):
    commit(registry, ("a", "ship"), ("b", None))
    _, _, draft, _ = registry.resolve(batch(("b", "boat"), ("c", None)), EntityDraft())
    assert [registry.type_in(n, draft) for n in range(3)] == ["ship", "boat", "GENERIC"]


def test_attributes_are_purged_with_the_rest(registry):
    commit(registry, ("a", None), seq=1)
    for seq in (2, 3, 4):
        registry.attributes.put(0, AttributesVersion(seq, seq, b"%d" % seq))
    registry.purge(3)
    assert registry.attributes.at(0, 2) is None
    assert registry.attributes.at(0, 3).value == b"3"


def test_tables_are_the_whole_registry(registry):
    history(registry)
    commit(registry, ("b", None), ("é", None), ("y", "x"), times=[3, -5, TIME_MAX_US], seq=20)
    registry.count_dead(np.array([1, 2], np.uint32))
    registry.attributes.put(2, AttributesVersion(21, 210, b'{"n":1}'))
    registry.attributes.put(2, AttributesVersion(22, 220, None))
    tables = registry.to_tables()
    assert {name: table.schema for name, table in tables.items()} == SCHEMAS
    again = EntityRegistry.from_tables(tables)
    assert again.to_tables() == tables
    for number, name in enumerate(("a", "b", "é", "y")):
        assert facts(again, number) == facts(registry, number)
        assert (again.number_of(name), again.id_of(number)) == (number, name)
        for seq in range(25):
            assert again.type_of(number, seq) == registry.type_of(number, seq)
            assert again.attributes.at(number, seq) == registry.attributes.at(number, seq)
    assert again.high == registry.high == TIME_MAX_US
    assert again.count_living() == registry.count_living() == 3
    assert again.types.before_reset(0) == registry.types.before_reset(0)
    assert commit(again, ("new", None), ("a", None)) == [4, 0]


def test_tables_of_nothing(registry):
    tables = registry.to_tables()
    assert {name: table.schema for name, table in tables.items()} == SCHEMAS
    assert [len(table) for table in tables.values()] == [0, 0, 0]
    again = EntityRegistry.from_tables(tables)
    assert (len(again), again.high) == (0, registry.high)
    assert commit(again, ("a", None), times=[3]) == [0]


def test_tables_do_not_change_with_the_registry(registry):
    commit(registry, ("a", None), times=[5], seq=1)
    tables = registry.to_tables()
    before = {name: table.to_pydict() for name, table in tables.items()}
    commit(registry, ("a", "ship"), ("a", None), times=[1, 9], seq=3)
    registry.attributes.put(0, AttributesVersion(4, 4, b"{}"))
    registry.count_dead(np.array([0], np.uint32))
    assert {name: table.to_pydict() for name, table in tables.items()} == before


def test_a_reader_sees_whole_rows_while_the_registry_grows(registry):
    commit(registry, ("a", "x"))
    done = threading.Event()
    problems = []

    def read():
        while not done.wait(0.001):  # a spinning reader would starve the writer
            table = registry.to_tables()["entities"]
            [points, high] = [table[name][0].as_py() for name in ("points", "high")]
            if high != points - 1 or registry.span_of(0)[1] < high:
                problems.append(points)
            mask = registry.allowed(["x"], None, NOW)
            if not mask[0] or len(mask) > len(registry):
                problems.append(mask)

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(1, 600):
        commit(registry, ("a", None), (f"n{turn}", "y"), times=[turn, 0])
    done.set()
    reader.join()
    assert problems == []
