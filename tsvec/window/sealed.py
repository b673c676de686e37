"""A sealed partition as a part of the window set."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsvec.model.vectors import Float32Array, Int64Array
from tsvec.storage.columns import ColumnsFile, Section
from tsvec.storage.manifest import PartitionEntry
from tsvec.window.entities import EntityRegistry
from tsvec.window.part import Numbers, Rows


class SealedPart:
    """The rows of one partition, ordered by (event time, seq), read from its mapped columns."""

    is_hot = False

    def __init__(
        self, entry: PartitionEntry, columns: ColumnsFile, registry: EntityRegistry
    ) -> None:
        self.entry = entry
        self.name = entry.name
        self.rows = entry.rows
        self.time_min = entry.time_min
        self.time_max = entry.time_max
        self.norm_max = columns.norm_max
        self._columns = columns
        self._registry = registry
        self._scan = Section.UNIT if columns.has(Section.UNIT) else Section.VECTOR
        self._numbers: Numbers | None = None

    def select(self, start: int, end: int) -> Rows:
        """Rows with start <= event time < end."""
        if start <= self.time_min and self.time_max < end:
            return slice(0, self.rows)
        if end <= self.time_min or self.time_max < start:
            return slice(0, 0)
        times = self._columns.slice(Section.TIMESTAMP, 0, self.rows)
        low, high = np.searchsorted(times, (start, end)).tolist()
        return slice(low, max(low, high))

    def rows_of(self, entity_id: str, start: int, end: int) -> Int64Array:
        """Rows of one entity in a time range, ordered by (event time, seq)."""
        local = self._local_number(entity_id.encode())
        if local is None:
            return np.empty(0, np.int64)
        begin, stop = self._columns.slice(Section.ENTITY_STARTS, local, local + 2).tolist()
        rows = self._columns.slice(Section.ENTITY_ROWS, begin, stop)
        times = self._columns.take(Section.TIMESTAMP, rows.astype(np.int64))
        low, high = np.searchsorted(times, (start, end)).tolist()
        return rows[low:high].astype(np.int64)

    def scan_vectors(self, rows: Rows) -> Float32Array:
        """Vectors to compare by; see `Part`."""
        return self._get(self._scan, rows)

    def vectors(self, rows: Rows) -> Float32Array:
        """Vectors as they were given."""
        return self._get(Section.VECTOR, rows)

    def times(self, rows: Rows) -> Int64Array:
        """Event times."""
        return self._get(Section.TIMESTAMP, rows)

    def seqs(self, rows: Rows) -> NDArray[np.uint64]:
        """Seqs."""
        return self._get(Section.SEQ, rows)

    def recorded(self, rows: Rows) -> Int64Array:
        """Recorded times."""
        return self._get(Section.RECORDED_AT, rows)

    def entities(self, rows: Rows) -> Numbers:
        """Entity numbers of the collection's registry."""
        if self._numbers is None:
            self._numbers = self._map_numbers()
        found: Numbers = self._numbers[self._get(Section.ENTITY, rows)]
        return found

    def entity_id(self, row: int) -> str:
        """The entity of one row."""
        return self._registry.id_of(int(self.entities(slice(row, row + 1))[0]))

    def metadata(self, rows: Int64Array) -> list[bytes]:
        """Metadata of rows."""
        return self._columns.texts(Section.METADATA_OFFSETS, Section.METADATA, rows)

    def keys(self, rows: Int64Array) -> list[str | None]:
        """Keys of rows."""
        if not self._columns.has(Section.KEYS):
            return [None] * len(rows)
        found = self._columns.texts(Section.KEY_OFFSETS, Section.KEYS, rows)
        return [text.decode() or None for text in found]

    def _get(self, section: Section, rows: Rows) -> NDArray[Any]:
        if isinstance(rows, slice):
            return self._columns.slice(section, rows.start, rows.stop)
        return self._columns.take(section, rows)

    def _entity_names(self) -> int:
        return self._columns.count(Section.ENTITY_STARTS) - 1

    def _local_number(self, name: bytes) -> int | None:
        """Binary search in the partition's dictionary, which is ordered by UTF-8 bytes."""
        low, high = 0, self._entity_names()
        while low < high:
            middle = (low + high) // 2
            found = self._dictionary(middle)
            if found == name:
                return middle
            low, high = (middle + 1, high) if found < name else (low, middle)
        return None

    def _dictionary(self, local: int) -> bytes:
        begin, end = self._columns.slice(Section.DICTIONARY_OFFSETS, local, local + 2).tolist()
        return self._columns.slice(Section.DICTIONARY, begin, end).tobytes()

    def _map_numbers(self) -> Numbers:
        count = self._entity_names()
        offsets = self._columns.slice(Section.DICTIONARY_OFFSETS, 0, count + 1).tolist()
        text = self._columns.slice(Section.DICTIONARY, 0, offsets[-1]).tobytes()
        numbers = np.empty(count, np.uint32)
        for local in range(count):
            name = text[offsets[local] : offsets[local + 1]].decode()
            number = self._registry.number_of(name)
            if number is None:
                raise AssertionError(f"{self.name} holds {name!r}, unknown to the registry")
            numbers[local] = number
        return numbers
