"""The registry of entities: numbers for ever, types once, counts that add up."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from tsvec.model.points import PointBatch
from tsvec.storage.state import entities_schema
from tsvec.window.entities import EntityDraft, EntityFacts, EntityRegistry


def batch(*rows):
    """Points given as (entity_id, entity_type)."""
    return PointBatch.of_columns(
        entity_id=[name for name, _ in rows],
        vector=np.ones((len(rows), 1), np.float32),
        timestamp=np.zeros(len(rows), np.int64),
        entity_type=[entity_type for _, entity_type in rows],
    )


def commit(registry, *rows, times=None):
    numbers, _, draft, errors = registry.resolve(batch(*rows), EntityDraft())
    assert errors == []
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


def test_facts_are_the_span_and_count_of_what_was_observed(registry):
    commit(registry, ("a", "ship"), ("b", None), ("a", None), times=[50, 7, -3])
    commit(registry, ("a", None), times=[20])
    assert registry.facts(0) == EntityFacts("ship", -3, 50, 3)
    assert registry.facts(1) == EntityFacts("GENERIC", 7, 7, 1)


def test_resolving_changes_nothing(registry):
    numbers, types, draft, _ = registry.resolve(batch(("a", "x"), ("b", None)), EntityDraft())
    assert (numbers, types) == ([0, 1], ["x", "GENERIC"])
    assert (draft.numbers, draft.types) == ({"a": 0, "b": 1}, {0: "x"})
    assert len(registry) == 0
    assert registry.number_of("a") is None


def test_generic_may_become_something_once(registry):
    commit(registry, ("a", None))
    assert registry.type_of(0) == "GENERIC"
    commit(registry, ("a", "GENERIC"), ("a", "ship"), ("a", None), ("a", "ship"))
    assert registry.type_of(0) == "ship"
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
    assert [registry.type_of(number) for number in range(3)] == ["y", "x", "z"]


def test_selectors_let_the_right_entities_pass(registry):
    commit(registry, ("a", "x"), ("b", "y"), ("c", None), ("d", "x"))

    def passed(types, ids):
        return np.flatnonzero(registry.allowed(types, ids)).tolist()

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
        assert registry.facts(number) == EntityFacts(f"t{len(name)}", number, number, 1)


def test_a_table_is_the_whole_registry(registry):
    commit(registry, ("b", "x"), ("é", None), ("a", "y"), ("b", None), times=[3, -5, 9, 1])
    table = registry.to_table(entities_schema())
    again = EntityRegistry.from_table(table)
    assert again.to_table(entities_schema()) == table
    assert [again.facts(n) for n in range(3)] == [registry.facts(n) for n in range(3)]
    assert [again.number_of(name) for name in ("b", "é", "a")] == [0, 1, 2]
    assert commit(again, ("new", None), ("a", None)) == [3, 2]
    empty = EntityRegistry().to_table(entities_schema())
    assert len(EntityRegistry.from_table(empty)) == len(empty) == 0


def test_a_table_does_not_change_with_the_registry(registry):
    commit(registry, ("a", None), times=[5])
    table = registry.to_table(entities_schema())
    before = table.to_pydict()
    commit(registry, ("a", "ship"), ("a", None), times=[1, 9])
    assert table.to_pydict() == before


def test_a_reader_sees_whole_rows_while_the_registry_grows(registry):
    commit(registry, ("a", "x"))
    done = threading.Event()
    problems = []

    def read():
        while not done.wait(0.001):  # a spinning reader would starve the writer
            facts = registry.facts(0)
            if facts.last_seen != facts.points - 1:
                problems.append(facts)
            mask = registry.allowed(["x"], None)
            if not mask[0] or len(mask) > len(registry):
                problems.append(mask)

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(1, 600):
        commit(registry, ("a", None), (f"n{turn}", "y"), times=[turn, 0])
    done.set()
    reader.join()
    assert problems == []
