"""The entity registry: every entity's number, type, first and last event time and count.

Numbers are given in order of arrival and never change, so a reader holding an older window set may
use a newer registry. One thread applies commits; the lock keeps a reader's row whole.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tsvec.model.points import GENERIC, PointBatch, RowError
from tsvec.model.times import TIME_MAX_US, TIME_MIN_US
from tsvec.model.vectors import Int64Array
from tsvec.window.part import Numbers

_FIRST_CAPACITY = 64


@dataclass(frozen=True, slots=True)
class EntityFacts:
    """What the registry knows of one entity; times in µs since 1970 UTC."""

    entity_type: str
    first_seen: int
    last_seen: int
    points: int


@dataclass(slots=True)
class EntityDraft:
    """Entities and types that a commit in the making would add to a registry."""

    numbers: dict[str, int] = field(default_factory=dict)
    types: dict[int, str] = field(default_factory=dict)

    def accept(self, other: Self) -> None:
        """Add what another draft, made on top of this one, would add."""
        self.numbers.update(other.numbers)
        self.types.update(other.types)


class EntityRegistry:
    """All entities of one collection."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids: list[str] = []
        self._numbers: dict[str, int] = {}
        self._type_codes: dict[str, int] = {}
        self._type_names: list[str] = []
        self._types = np.zeros(_FIRST_CAPACITY, np.int32)
        self._first = np.full(_FIRST_CAPACITY, TIME_MAX_US, np.int64)
        self._last = np.full(_FIRST_CAPACITY, TIME_MIN_US, np.int64)
        self._points = np.zeros(_FIRST_CAPACITY, np.int64)

    def __len__(self) -> int:
        return len(self._ids)

    def number_of(self, entity_id: str) -> int | None:
        """The number of an entity, None if it was never seen."""
        return self._numbers.get(entity_id)

    def id_of(self, number: int) -> str:
        """The id of a number."""
        return self._ids[number]

    def type_of(self, number: int) -> str:
        """The present type of a number."""
        return self._type_names[int(self._types[number])]

    def facts(self, number: int) -> EntityFacts:
        """What is known of a number."""
        with self._lock:
            return EntityFacts(
                entity_type=self.type_of(number),
                first_seen=int(self._first[number]),
                last_seen=int(self._last[number]),
                points=int(self._points[number]),
            )

    def allowed(
        self, entity_types: Sequence[str] | None, entity_ids: Sequence[str] | None
    ) -> NDArray[np.bool_]:
        """Which numbers pass both selectors; None lets all pass."""
        count = len(self)
        mask = np.ones(count, np.bool_)
        if entity_types is not None:
            codes = [self._type_codes.get(name, -1) for name in entity_types]
            mask &= np.isin(self._types[:count], np.array(codes, np.int32))
        if entity_ids is not None:
            named = np.zeros(count, np.bool_)
            known = (self._numbers.get(name) for name in entity_ids)
            named[[number for number in known if number is not None and number < count]] = True
            mask &= named
        return mask

    def resolve(
        self, batch: PointBatch, draft: EntityDraft
    ) -> tuple[list[int], list[str], EntityDraft, list[RowError]]:
        """Numbers and types of a batch's rows, what they would add, and rows of another type.

        An entity without a type is `GENERIC`; that may be upgraded once, any other type is final.
        """
        added = EntityDraft()
        numbers: list[int] = []
        types: list[str] = []
        errors: list[RowError] = []
        fresh = len(self._ids) + len(draft.numbers)
        for row, (entity_id, wanted) in enumerate(
            zip(batch.entity_id, batch.entity_type, strict=True)
        ):
            number = self._numbers.get(entity_id)
            if number is None:
                number = draft.numbers.get(entity_id)
            if number is None:
                number = added.numbers.setdefault(entity_id, fresh + len(added.numbers))
            present = self._present_type(number, draft, added)
            if wanted is not None and wanted != present:
                if present == GENERIC:
                    added.types[number] = present = wanted
                else:
                    index = int(batch.origin[row])
                    message = f"entity {entity_id!r} is of type {present!r}, not {wanted!r}"
                    errors.append(
                        RowError(index, "conflict", message, f"points[{index}].entity_type")
                    )
            numbers.append(number)
            types.append(present)
        return numbers, types, added, errors

    def apply(self, draft: EntityDraft) -> None:
        """Add the entities and types of a commit that is durable."""
        with self._lock:
            self._reserve(len(self._ids) + len(draft.numbers))
            for entity_id, number in draft.numbers.items():
                self._types[number] = self._code(GENERIC)
                self._ids.append(entity_id)
                self._numbers[entity_id] = number
            for number, name in draft.types.items():
                self._types[number] = self._code(name)

    def observe(self, numbers: Numbers, times: Int64Array) -> None:
        """Count points of these numbers at these event times."""
        with self._lock:
            np.minimum.at(self._first, numbers, times)
            np.maximum.at(self._last, numbers, times)
            np.add.at(self._points, numbers, 1)

    def to_table(self, schema: pa.Schema) -> pa.Table:
        """The whole registry, a row a number."""
        with self._lock:
            count = len(self._ids)
            names = pa.array(self._type_names, pa.large_string())
            codes = pa.array(self._types[:count])
            columns: list[Any] = [
                pa.array(self._ids, pa.large_string()),
                names.take(codes) if count else pa.array([], pa.large_string()),
                # Copies: Arrow would view the arrays, which go on changing.
                *(
                    pa.array(data[:count].copy())
                    for data in (self._first, self._last, self._points)
                ),
            ]
        return pa.Table.from_arrays(columns, schema=schema)

    @classmethod
    def from_table(cls, table: pa.Table) -> Self:
        """The registry that `to_table` wrote."""
        registry = cls()
        registry._reserve(len(table))
        registry._ids = table["entity_id"].to_pylist()
        registry._numbers = {name: number for number, name in enumerate(registry._ids)}
        registry._types[: len(table)] = [
            registry._code(name) for name in table["entity_type"].to_pylist()
        ]
        registry._first[: len(table)] = table["first_seen"].to_numpy()
        registry._last[: len(table)] = table["last_seen"].to_numpy()
        registry._points[: len(table)] = table["points"].to_numpy()
        return registry

    def _present_type(self, number: int, draft: EntityDraft, added: EntityDraft) -> str:
        if added.types and number in added.types:
            return added.types[number]
        if draft.types and number in draft.types:
            return draft.types[number]
        return self.type_of(number) if number < len(self._ids) else GENERIC

    def _code(self, name: str) -> int:
        code = self._type_codes.get(name)
        if code is None:
            self._type_names.append(name)
            code = self._type_codes[name] = len(self._type_names) - 1
        return code

    def _reserve(self, count: int) -> None:
        capacity = len(self._types)
        if count <= capacity:
            return
        more = max(count, capacity * 2) - capacity
        self._types = np.concatenate([self._types, np.zeros(more, np.int32)])
        self._first = np.concatenate([self._first, np.full(more, TIME_MAX_US, np.int64)])
        self._last = np.concatenate([self._last, np.full(more, TIME_MIN_US, np.int64)])
        self._points = np.concatenate([self._points, np.zeros(more, np.int64)])
