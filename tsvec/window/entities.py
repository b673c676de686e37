"""The entity registry: every entity's number, type, attributes, living points and span of times.

Numbers are given in order of arrival and never change, and what did change is kept with the seq
of the change; so a reader holding an older window set may use a newer registry. One thread applies
commits; the lock keeps what a checkpoint reads whole.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tsvec.model.points import GENERIC, PointBatch, RowError
from tsvec.model.times import TIME_MAX_US, TIME_MIN_US
from tsvec.model.vectors import Int64Array
from tsvec.storage.state import STATE_SCHEMAS
from tsvec.window.attributes import AttributeHistory
from tsvec.window.census.order import IdOrder
from tsvec.window.census.tally import TallyCache
from tsvec.window.part import Numbers

_FIRST_CAPACITY = 64


@dataclass(slots=True)
class EntityDraft:
    """Entities and types that a commit in the making would add to a registry.

    `since` is the last seq of the commit that brings each type, `births` that of the one that
    brings each new number.
    """

    numbers: dict[str, int] = field(default_factory=dict)
    types: dict[int, str] = field(default_factory=dict)
    since: dict[int, int] = field(default_factory=dict)
    births: dict[int, int] = field(default_factory=dict)

    def accept(self, other: Self) -> None:
        """Add what another draft, made on top of this one, would add."""
        self.numbers.update(other.numbers)
        self.types.update(other.types)
        self.since.update(other.since)
        self.births.update(other.births)


class TypeHistory:
    """The types of entities by number, and those they had before, each up to some seq."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.codes = np.zeros(_FIRST_CAPACITY, np.int32)
        self._by_name: dict[str, int] = {}
        self._past: dict[int, tuple[tuple[int, int], ...]] = {}

    def at(self, number: int, seq: int) -> str:
        """The type of a number after change `seq`."""
        code = int(self.codes[number])
        if self._past and number in self._past:
            for until, past in self._past[number]:
                if seq < until:
                    code = past
                    break
        return self.names[code]

    def at_all(self, numbers: Numbers, seq: int) -> list[str]:
        """The same of many."""
        if self._past:
            return [self.at(number, seq) for number in numbers.tolist()]
        names = self.names
        return [names[code] for code in self.codes[numbers].tolist()]

    def put(self, number: int, name: str, since: int) -> None:
        """Give a number another type from change `since` on; 0: it had none before."""
        code, before = self.code_of(name), int(self.codes[number])
        if code != before and since:
            self._past[number] = (*self._past.get(number, ()), (since, before))
        self.codes[number] = code

    def before_reset(self, number: int, after: int = 0) -> str | None:
        """The type that a deletion of the entity after change `after` took away, if it got none
        since.
        """
        past = self._past.get(number)
        is_reset = past and past[-1][0] > after and self.names[self.codes[number]] == GENERIC
        return self.names[past[-1][1]] if past and is_reset else None

    def are(self, names: Sequence[str], count: int, seq: int) -> NDArray[np.bool_]:
        """Which of the first `count` numbers were of one of these types after change `seq`."""
        codes = [self._by_name.get(name, -1) for name in names]
        found: NDArray[np.bool_] = np.isin(self.codes[:count], np.array(codes, np.int32))
        for number in list(self._past):
            if number < count:
                found[number] = self.at(number, seq) in names
        return found

    def purge(self, seq: int) -> None:
        """Forget types that were already others after change `seq`."""
        for number, past in list(self._past.items()):
            left = tuple(entry for entry in past if entry[0] > seq)
            if left:
                self._past[number] = left
            else:
                del self._past[number]

    def code_of(self, name: str) -> int:
        """The code of a type, which is given one if it has none."""
        code = self._by_name.get(name)
        if code is None:
            self.names.append(name)
            code = self._by_name[name] = len(self.names) - 1
        return code

    def past_table(self) -> pa.Table:
        """The types that are no more, as a table of a checkpoint."""
        past = [
            (number, until, self.names[code])
            for number, entries in sorted(self._past.items())
            for until, code in entries
        ]
        schema = STATE_SCHEMAS["past_types"]
        lists = zip(*past, strict=True) if past else ([] for _ in schema)
        arrays = [pa.array(list(one), kind.type) for one, kind in zip(lists, schema, strict=True)]
        return pa.Table.from_arrays(arrays, schema=schema)

    def load_past(self, table: pa.Table) -> None:
        """Take the types that `past_table` wrote."""
        for row in table.to_pylist():
            entry = (row["until_seq"], self.code_of(row["entity_type"]))
            self._past[row["number"]] = (*self._past.get(row["number"], ()), entry)


class EntityRegistry:
    """All entities of one collection; `points` counts the living points of them all."""

    def __init__(self) -> None:
        self.attributes = AttributeHistory()
        self.types = TypeHistory()
        self._lock = threading.Lock()
        self._ids: list[str] = []
        self._numbers: dict[str, int] = {}
        self.order = IdOrder(self._ids)
        self.tallies = TallyCache()
        self._low = np.full(_FIRST_CAPACITY, TIME_MAX_US, np.int64)
        self._high = np.full(_FIRST_CAPACITY, TIME_MIN_US, np.int64)
        self._points = np.zeros(_FIRST_CAPACITY, np.int64)
        self.points = 0
        self.high = TIME_MIN_US

    def __len__(self) -> int:
        return len(self._ids)

    def number_of(self, entity_id: str) -> int | None:
        """The number of an entity, None if it was never seen."""
        return self._numbers.get(entity_id)

    def id_of(self, number: int) -> str:
        """The id of a number."""
        return self._ids[number]

    def type_of(self, number: int, seq: int) -> str:
        """The type of a number after change `seq`."""
        return self.types.at(number, seq)

    def span_of(self, number: int) -> tuple[int, int]:
        """Event times (µs) that no point of a number lies before or after."""
        return int(self._low[number]), int(self._high[number])

    def highs(self, numbers: Numbers) -> Int64Array:
        """The latest event time (µs) of each number; the earliest of all times for a new one."""
        found = np.full(len(numbers), TIME_MIN_US, np.int64)
        known = numbers < len(self._ids)
        found[known] = self._high[numbers[known]]
        return found

    def count_living(self) -> int:
        """How many entities have a living point."""
        return int(np.count_nonzero(self._points[: len(self._ids)] > 0))

    def allowed(
        self, entity_types: Sequence[str] | None, entity_ids: Sequence[str] | None, seq: int
    ) -> NDArray[np.bool_]:
        """Which numbers pass both selectors after change `seq`; None lets all pass."""
        count = len(self)
        mask = np.ones(count, np.bool_)
        if entity_types is not None:
            mask &= self.types.are(entity_types, count, seq)
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
                self.types.put(number, GENERIC, 0)
                self._ids.append(entity_id)
                self._numbers[entity_id] = number
            for number, name in draft.types.items():
                since = draft.since.get(number, 0)
                self.types.put(number, name, since if since > draft.births.get(number, 0) else 0)

    def reset_type(self, number: int, seq: int) -> None:
        """Let a deleted entity be of no particular type, from change `seq` on."""
        with self._lock:
            self.types.put(number, GENERIC, seq)

    def observe(self, numbers: Numbers, times: Int64Array) -> None:
        """Count points of these numbers at these event times."""
        if not len(times):
            return
        with self._lock:
            np.minimum.at(self._low, numbers, times)
            np.maximum.at(self._high, numbers, times)
            np.add.at(self._points, numbers, 1)
            self.points += len(numbers)
            self.high = max(self.high, int(times.max()))

    def count_dead(self, numbers: Numbers, points: Int64Array | int = 1) -> None:
        """Count a point of each of these numbers as gone, or so many of each."""
        with self._lock:
            np.subtract.at(self._points, numbers, points)
            self.points -= int(np.broadcast_to(points, np.shape(numbers)).sum())

    def purge(self, seq: int) -> None:
        """Forget what was already otherwise after change `seq`."""
        with self._lock:
            self.attributes.purge(seq)
            self.types.purge(seq)

    def to_tables(self) -> dict[str, pa.Table]:
        """The whole registry, as the tables of a checkpoint."""
        with self._lock:
            count = len(self._ids)
            names = pa.array(self.types.names, pa.large_string())
            codes = pa.array(self.types.codes[:count])
            columns: list[Any] = [
                pa.array(self._ids, pa.large_string()),
                names.take(codes) if count else pa.array([], pa.large_string()),
                # Copies: Arrow would view the arrays, which go on changing.
                *(pa.array(data[:count].copy()) for data in (self._points, self._low, self._high)),
            ]
            past = self.types.past_table()
            attributes = self.attributes.to_table()
        return {
            "entities": pa.Table.from_arrays(columns, schema=STATE_SCHEMAS["entities"]),
            "past_types": past,
            "attributes": attributes,
        }

    @classmethod
    def from_tables(cls, tables: Mapping[str, pa.Table]) -> Self:
        """The registry that `to_tables` wrote."""
        registry, table = cls(), tables["entities"]
        count = len(table)
        registry._reserve(count)
        registry._ids.extend(table["entity_id"].to_pylist())
        registry._numbers = {name: number for number, name in enumerate(registry._ids)}
        kinds = table["entity_type"].to_pylist()
        registry.types.codes[:count] = [registry.types.code_of(name) for name in kinds]
        registry._points[:count] = table["points"].to_numpy()
        registry.points = int(registry._points.sum())
        registry._low[:count] = table["low"].to_numpy()
        registry._high[:count] = table["high"].to_numpy()
        registry.high = int(registry._high.max())
        registry.types.load_past(tables["past_types"])
        registry.attributes.load(tables["attributes"])
        return registry

    def type_in(self, number: int, draft: EntityDraft) -> str:
        """The type of a number once a draft is applied."""
        if draft.types and number in draft.types:
            return draft.types[number]
        return self.types.names[self.types.codes[number]] if number < len(self._ids) else GENERIC

    def _present_type(self, number: int, draft: EntityDraft, added: EntityDraft) -> str:
        if added.types and number in added.types:
            return added.types[number]
        if draft.types and number in draft.types:
            return draft.types[number]
        return self.types.names[self.types.codes[number]] if number < len(self._ids) else GENERIC

    def _reserve(self, count: int) -> None:
        capacity = len(self._points)
        if count <= capacity:
            return
        more = max(count, capacity * 2) - capacity
        self.types.codes = np.concatenate([self.types.codes, np.zeros(more, np.int32)])
        self._low = np.concatenate([self._low, np.full(more, TIME_MAX_US, np.int64)])
        self._high = np.concatenate([self._high, np.full(more, TIME_MIN_US, np.int64)])
        self._points = np.concatenate([self._points, np.zeros(more, np.int64)])
