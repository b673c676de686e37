"""Rows that a filter lets pass, in parts of every kind, against plain Python."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract.parts import Holding, random_samples
from tests.property.filter_truth import documents, filters, holds
from tsvec.model.filters.parser import parse_filter
from tsvec.window.attributes import AttributesVersion
from tsvec.window.masks.cache import MaskCache
from tsvec.window.masks.row_filter import RowFilter
from tsvec.window.window_set import WindowSet

ROWS = 60


class Lived:
    """Points with metadata, sealed and hot, some of them dead; and attributes over time."""

    def __init__(self, directory):
        self.holding = holding = Holding(directory, block_rows=25)
        rng = np.random.default_rng(3)
        kinds = [{"n": n, "kind": "abc"[n % 3], "tags": ["x", n % 5]} for n in range(10)]
        samples = [
            replace(sample, metadata=orjson.dumps(kinds[rng.integers(10)]))
            for sample in random_samples(ROWS, seed=5)
        ]
        holding.commit(samples[:40])
        self.sealed = (holding.seal(holding.hot.slices()),)
        holding.hot.drop_sealed(holding.seq)
        holding.commit(samples[40:])
        self.masks = MaskCache()
        self.attributes = []
        for number in range(0, len(holding.registry), 2):
            self.set_attributes(number, {"fleet": "red" if number % 4 else "blue"})
        self.set_attributes(0, None)
        living = sorted(holding.living())
        holding.delete(self.stored, [*living[:5], *living[-5:]])

    def set_attributes(self, number, value):
        self.holding.seq += 1
        text = None if value is None else orjson.dumps(value)
        version = AttributesVersion(self.holding.seq, 0, text)
        self.holding.registry.attributes.put(number, version)
        self.attributes.append((self.holding.seq, number, value))

    @property
    def stored(self):
        return [*self.sealed, *self.holding.hot.slices()]

    def windows(self, seq=None):
        holding = self.holding
        at = holding.seq if seq is None else seq
        parts = self.sealed, holding.hot.slices()
        return WindowSet(holding.config, "h", at, 0, *parts, holding.registry, masks=self.masks)

    def attributes_of(self, name, seq):
        number = self.holding.registry.number_of(name)
        mine = [value for at, who, value in self.attributes if who == number and at <= seq]
        return (mine[-1] if mine else None) or {}

    def expected(self, given, seq):
        return {
            one
            for one, sample in self.holding.living(seq).items()
            if holds(
                given, orjson.loads(sample.metadata), self.attributes_of(sample.entity_id, seq)
            )
        }


def passing(windows, given, row_filter=None):
    """The seqs of the rows that pass."""
    row_filter = row_filter or windows.row_filter(parse_filter(given))
    found = []
    for part in windows.parts():
        rows = part.select(-(2**62), 2**62)
        if row_filter is not None:
            rows = row_filter.keep(windows, part, rows)
        found += part.seqs(rows).tolist()
    assert len(set(found)) == len(found)
    return set(found)


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    return Lived(tmp_path_factory.mktemp("lived"))


GIVEN = [
    {},
    {"n": {"$gte": 5}},
    {"kind": {"$in": ["a", "b"]}, "n": {"$ne": 3}},
    {"tags": 2},
    {"$attributes": {"fleet": "red"}},
    {"$attributes": {"fleet": {"$exists": False}}},
    {"$not": {"$attributes": {"fleet": "red"}}},
    {"$or": [{"$attributes": {"fleet": "red"}}, {"kind": "a"}, {"n": 9}]},
    {"kind": "a", "$attributes": {"fleet": "blue"}, "$not": {"$attributes": {"fleet": "red"}}},
    {"$not": {"$or": [{"$not": {"$attributes": {"fleet": "red"}}}, {"kind": "c"}]}},
    {"$and": [{"$or": [{"$attributes": {"fleet": "blue"}}, {"n": 1}]}, {"kind": {"$nin": ["a"]}}]},
]


@pytest.mark.parametrize("given", GIVEN, ids=str)
def test_rows_pass_as_of_every_change(lived, given):
    for seq in range(0, lived.holding.seq + 1, 3):
        assert passing(lived.windows(seq), given) == lived.expected(given, seq)


def test_there_is_nothing_to_filter_without_a_condition(lived):
    assert lived.windows().row_filter(None) is None
    assert lived.windows().row_filter(parse_filter({"$and": [{}]})) is None


def test_a_filter_goes_on_with_another_window_set(lived):
    """As that of a delete does, which is evaluated before the writer uses it."""
    given = GIVEN[7]
    row_filter = lived.windows().row_filter(parse_filter(given))
    for seq in (lived.holding.seq, 45, lived.holding.seq, 70):
        found = passing(lived.windows(seq), given, row_filter)
        assert found == lived.expected(given, seq)


def test_what_must_be_evaluated_is_counted_once(lived):
    given = parse_filter({"n": {"$gt": 2}, "$attributes": {"fleet": {"$gt": "a"}}})
    windows = lived.windows()
    row_filter = windows.row_filter(given)
    selected = [(part, part.select(-(2**62), 2**62)) for part in windows.parts()]
    # A hot block is evaluated from its begin on, though its first rows may be sealed by now.
    stored = sum(part.metadata_run.end for part, _ in selected)
    assert ROWS <= stored < ROWS + 25
    versions = 1 + len(lived.attributes)
    assert row_filter.count_missing(windows, selected) == stored + versions
    for part, rows in selected:
        row_filter.keep(windows, part, rows)
    assert row_filter.count_missing(windows, selected) == 0
    assert windows.row_filter(given).count_missing(windows, selected) == 0
    assert windows.row_filter(given).count_missing(windows, []) == 0


def test_an_empty_selection_costs_nothing(lived):
    windows = lived.windows()
    row_filter = windows.row_filter(parse_filter({"never seen": 1}))
    for part in windows.parts():
        assert row_filter.count_missing(windows, [(part, slice(3, 3))]) in (0, 1)
        assert row_filter.keep(windows, part, slice(3, 3)) == slice(3, 3)


@pytest.fixture(scope="module")
def masks():
    """One DuckDB for all examples; what it remembers goes with their blocks."""
    masks = MaskCache()
    yield masks
    masks.close()


@settings(max_examples=60)
@given(st.lists(documents(), min_size=1, max_size=8), documents(), filters())
def test_any_filter_of_points_and_entities(tmp_path_factory, masks, some, attributes, given):
    holding = Holding(tmp_path_factory.mktemp("any"), block_rows=4)
    samples = [
        replace(sample, entity_id="a" if row % 2 else "b", metadata=orjson.dumps(some[row]))
        for row, sample in enumerate(random_samples(len(some)))
    ]
    seqs = holding.commit(samples)
    holding.registry.attributes.put(
        holding.registry.number_of("b"),
        AttributesVersion(holding.seq, 0, orjson.dumps(attributes)),
    )
    expected = {
        seq
        for seq, sample, document in zip(seqs, samples, some, strict=True)
        if holds(given, document, attributes if sample.entity_id == "b" else {})
    }
    state = (holding.config, "h", holding.seq, 0, (), holding.hot.slices(), holding.registry)
    hot = WindowSet(*state, masks=masks)
    sealed = replace(hot, sealed=(holding.seal(hot.hot),), hot=())
    assert passing(hot, given) == expected
    assert passing(sealed, given) == expected


def test_it_is_made_of_as_few_predicates_as_can_be(lived):
    given = {"a": 1, "b": 2, "$attributes": {"c": 3}, "$and": [{"$attributes": {"d": 4}}]}
    made = RowFilter(parse_filter(given).predicate, lived.windows().masks)
    assert len(made._row_tests) == len(made._entity_tests) == 1


def test_entities_are_told_by_their_attributes_of_the_moment(lived):
    for seq in (1, 45, lived.holding.seq - 3, lived.holding.seq):
        windows = lived.windows(seq)
        held = {number: value for at, number, value in lived.attributes if at <= seq}
        for asked, passes in (
            ({"fleet": "red"}, lambda value: (value or {}).get("fleet") == "red"),
            ({"fleet": None}, lambda value: (value or {}).get("fleet") is None),
        ):
            expected = [passes(held.get(number)) for number in range(len(windows.registry))]
            assert windows.entities_passing(parse_filter(asked)).tolist() == expected
    assert lived.windows().entities_passing(None) is None
    assert lived.windows().entities_passing(parse_filter({})) is None
