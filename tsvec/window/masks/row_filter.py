"""Which rows a filter lets pass, of whatever part of a window set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tsvec.model.bounds.deadline import Deadline
from tsvec.model.filters.predicates import (
    Every,
    Not,
    OfEntity,
    Predicate,
    Some,
    every,
    is_of_entity,
    some,
)
from tsvec.storage.predicates.sql import CompiledPredicate
from tsvec.window.entities import EntityRegistry
from tsvec.window.masks.cache import Held, MaskCache
from tsvec.window.masks.documents import DocumentRun
from tsvec.window.part import Columns, Rows, count_rows, keep_rows

Mask: TypeAlias = NDArray[np.bool_]


class View(Protocol):
    """What a filter has to know of a window set."""

    @property
    def seq(self) -> int:
        """The change after which attributes are read."""

    @property
    def registry(self) -> EntityRegistry:
        """The entities."""

    @property
    def deadline(self) -> Deadline:
        """By when it must be answered."""


class RowFilter:
    """A predicate, taken apart into what is asked of metadata and what is asked of attributes.

    It holds the masks it uses, so that what it evaluated once it does not evaluate again.
    """

    def __init__(self, predicate: Predicate, cache: MaskCache) -> None:
        self._cache = cache
        self._held = Held()
        self._test = self._plan(predicate)
        leaves = self._test.leaves()
        self._row_tests = [leaf.predicate for leaf in leaves if isinstance(leaf, _RowTest)]
        self._entity_tests = [leaf.predicate for leaf in leaves if isinstance(leaf, _EntityTest)]

    def keep(self, view: View, part: Columns, rows: Rows) -> Rows:
        """The rows of a selection that pass. CorruptError if the metadata is damaged."""
        if not count_rows(rows):
            return rows
        return keep_rows(rows, self._test.of(view, part, rows))

    def count_missing(self, view: View, selected: Iterable[tuple[Columns, Rows]]) -> int:
        """How many documents have to be evaluated before rows of these parts can be kept."""
        found = 0
        if self._entity_tests:
            run = view.registry.attributes.journal.run_until(view.seq)
            found += self._count_missing(self._entity_tests, run, slice(0, run.end))
        for part, rows in selected:
            if count_rows(rows):
                found += self._count_missing(self._row_tests, part.metadata_run, rows)
        return found

    def _count_missing(
        self, tests: Sequence[CompiledPredicate], run: DocumentRun, rows: Rows
    ) -> int:
        return sum(self._cache.count_missing(one, run, rows, self._held) for one in tests)

    def _plan(self, predicate: Predicate) -> _Test:
        if not is_of_entity(predicate):
            return _RowTest(self._cache.compiled(predicate), self._cache, self._held)
        match predicate:
            case OfEntity(part):
                return _EntityTest(self._cache.compiled(part), self._cache, self._held)
            case Not(part):
                return _Opposite(self._plan(part))
            case Every(parts):
                return _Join(self._plan_parts(parts, every), np.logical_and)
            case Some(parts):
                return _Join(self._plan_parts(parts, some), np.logical_or)
        raise AssertionError(f"{predicate} is not of an entity")

    def _plan_parts(
        self, parts: tuple[Predicate, ...], join: Callable[[list[Predicate]], Predicate]
    ) -> list[_Test]:
        """What is asked of one kind of document is asked at once."""
        of_points = [part for part in parts if not is_of_entity(part)]
        of_entities = [part.part for part in parts if isinstance(part, OfEntity)]
        mixed = [part for part in parts if is_of_entity(part) and not isinstance(part, OfEntity)]
        joined = [join(of_points)] if of_points else []
        joined += [OfEntity(join(of_entities))] if of_entities else []
        return [self._plan(part) for part in [*joined, *mixed]]


def entities_passing(view: View, predicate: Predicate, cache: MaskCache) -> Mask:
    """Of the attributes of which entities, by number, a predicate holds."""
    return _EntityTest(cache.compiled(predicate), cache, Held()).of_entities(view)


class _Test(Protocol):
    def of(self, view: View, part: Columns, rows: Rows) -> Mask:
        """Which of some rows pass."""

    def leaves(self) -> list[_Test]:
        """The tests it is made of that look at documents."""


class _RowTest:
    """Of the metadata of rows."""

    def __init__(self, predicate: CompiledPredicate, cache: MaskCache, held: Held) -> None:
        self.predicate = predicate
        self._cache = cache
        self._held = held

    def of(self, view: View, part: Columns, rows: Rows) -> Mask:
        run = part.metadata_run
        return self._cache.test(self.predicate, run, rows, self._held, view.deadline)

    def leaves(self) -> list[_Test]:
        return [self]


class _EntityTest:
    """Of the attributes of the entities that rows belong to."""

    def __init__(self, predicate: CompiledPredicate, cache: MaskCache, held: Held) -> None:
        self.predicate = predicate
        self._cache = cache
        self._held = held
        self._entities: tuple[int, Mask] | None = None

    def of(self, view: View, part: Columns, rows: Rows) -> Mask:
        found: Mask = self.of_entities(view)[part.entities(rows)]
        return found

    def leaves(self) -> list[_Test]:
        return [self]

    def of_entities(self, view: View) -> Mask:
        """Of which entities it holds, by number; remembered for the next part."""
        known = self._entities
        if known is None or known[0] != view.seq:
            journal, count = view.registry.attributes.journal, len(view.registry)
            run = journal.run_until(view.seq)
            every = slice(0, run.end)
            holds = self._cache.test(self.predicate, run, every, self._held, view.deadline)
            self._entities = known = view.seq, holds[journal.in_force(run, count)]
        return known[1]


class _Opposite:
    """Of what another test does not hold."""

    def __init__(self, test: _Test) -> None:
        self._test = test

    def of(self, view: View, part: Columns, rows: Rows) -> Mask:
        return ~self._test.of(view, part, rows)

    def leaves(self) -> list[_Test]:
        return self._test.leaves()


class _Join:
    """All of some tests, or one of them."""

    def __init__(self, tests: list[_Test], join: np.ufunc) -> None:
        self._tests = tests
        self._join = join

    def of(self, view: View, part: Columns, rows: Rows) -> Mask:
        found: Any = self._join.reduce([test.of(view, part, rows) for test in self._tests])
        mask: Mask = found
        return mask

    def leaves(self) -> list[_Test]:
        return [leaf for test in self._tests for leaf in test.leaves()]
