"""A sealed partition as a part of the window set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tsvec.model.vectors import Float32Array, Int64Array
from tsvec.storage.columns import ColumnsFile, Section
from tsvec.storage.manifest import PartitionEntry
from tsvec.storage.open_columns import LazyColumns
from tsvec.storage.overlay import Deaths
from tsvec.window.deaths import DeathMap
from tsvec.window.entities import EntityRegistry
from tsvec.window.masks.documents import DocumentRun, MaskShelf
from tsvec.window.part import ALIVE, Numbers, Rows, Seqs

_UNKNOWN = 2**32 - 1
"""Stands for the number of an entity that the registry has not met yet."""

_ALL = -1
"""Numbers of all entities are known, however many there are."""


class _MappedColumns:
    """The columns of one partition, all rows, dead ones included."""

    is_hot = False

    def __init__(
        self, entry: PartitionEntry, columns: LazyColumns, registry: EntityRegistry
    ) -> None:
        self.entry = entry
        self.name = entry.name
        self.rows = entry.rows
        self.capacity = entry.rows
        self.shelf = MaskShelf()
        self.time_min = entry.time_min
        self.time_max = entry.time_max
        self.seq_min = entry.seq_min
        self.seq_max = entry.seq_max
        self.recorded_min = entry.recorded_min
        self.recorded_max = entry.recorded_max
        self.norm_max = entry.norm_max
        self._lazy = columns
        self._registry = registry
        self._numbers: Numbers | None = None

    def check(self) -> None:
        """Raise CorruptError unless the columns can be opened."""
        self._lazy.get()

    def text_columns(self) -> tuple[pa.Array, pa.Array]:
        """Keys and metadata of all rows."""
        columns = self._columns
        metadata = self.documents(slice(0, self.rows))
        if not columns.has(Section.KEYS):
            return pa.nulls(self.rows, pa.large_string()), metadata
        every = slice(0, self.rows)
        keys = _text_array(columns, Section.KEY_OFFSETS, Section.KEYS, every)
        absent = pc.equal(pc.binary_length(keys), 0)
        keys = pc.if_else(absent, pa.scalar(None, pa.large_binary()), keys)
        return keys.cast(pa.large_string()), metadata

    @property
    def metadata_run(self) -> DocumentRun:
        """The metadata of all rows, for filters."""
        return DocumentRun(self, 0, self.rows)

    def documents(self, rows: Rows) -> pa.Array:
        """The metadata of some rows, as large_binary; of a slice it views the map."""
        if isinstance(rows, slice):
            return _text_array(self._columns, Section.METADATA_OFFSETS, Section.METADATA, rows)
        return pa.array(self.metadata(rows), pa.large_binary())

    def scan_vectors(self, rows: Rows) -> Float32Array:
        """Vectors to compare by; see `Columns`."""
        unit = self._columns.has(Section.UNIT)
        return self._get(Section.UNIT if unit else Section.VECTOR, rows)

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
        found: Numbers = self._registry_numbers()[self._get(Section.ENTITY, rows)]
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

    @property
    def _columns(self) -> ColumnsFile:
        return self._lazy.get()

    def _get(self, section: Section, rows: Rows) -> NDArray[Any]:
        if isinstance(rows, slice):
            return self._columns.slice(section, rows.start, rows.stop)
        return self._columns.take(section, rows)

    def _entity_names(self) -> int:
        return self._columns.count(Section.ENTITY_STARTS) - 1

    def _registry_numbers(self) -> Numbers:
        """The registry's numbers by the partition's own."""
        if self._numbers is None:
            numbers = self._map_numbers()
            if _UNKNOWN in numbers:
                raise AssertionError(f"{self.name} holds entities unknown to the registry")
            self._numbers = numbers
        return self._numbers

    def _map_numbers(self) -> Numbers:
        """The same, `_UNKNOWN` for entities that the registry has not met yet."""
        count = self._entity_names()
        offsets = self._columns.slice(Section.DICTIONARY_OFFSETS, 0, count + 1).astype(np.int64)
        text = self._columns.slice(Section.DICTIONARY, 0, int(offsets[-1]))
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(text)]
        names = pa.Array.from_buffers(pa.large_string(), count, buffers).to_pylist()
        numbers = map(self._registry.number_of, names)
        return np.array([_UNKNOWN if one is None else one for one in numbers], np.uint32)


class SealedPart(_MappedColumns):
    """The rows of one partition, ordered by (event time, seq), and which of them died since."""

    def __init__(
        self, entry: PartitionEntry, columns: LazyColumns, registry: EntityRegistry
    ) -> None:
        super().__init__(entry, columns, registry)
        self.unfolded = DeathMap()
        self._locals: tuple[Numbers, Int64Array] | None = None
        self._locals_of = _ALL
        self._windows: tuple[int, Int64Array] | None = None

    def select(self, start: int, end: int) -> Rows:
        """Rows with start <= event time < end."""
        if start <= self.time_min and self.time_max < end:
            return slice(0, self.rows)
        if end <= self.time_min or self.time_max < start:
            return slice(0, 0)
        times = self._columns.slice(Section.TIMESTAMP, 0, self.rows)
        low, high = int(times.searchsorted(start)), int(times.searchsorted(end))
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

    @property
    def has_deaths(self) -> bool:
        """Whether any version was replaced or deleted."""
        return self.unfolded.count > 0 or self.entry.dead_rows > 0

    @property
    def death_marks(self) -> int:
        """Grows whenever something here dies."""
        return self.unfolded.count

    def dead_seqs(self, rows: Rows) -> Seqs | None:
        """The seq each row died by; see `StoredPart`."""
        found = self.unfolded.dead_seqs(rows)
        if self.entry.dead_rows:
            folded: Seqs = self._get(Section.DEAD_SEQ, rows)
            folded = np.where(folded == 0, ALIVE, folded)
            found = folded if found is None else np.minimum(found, folded)
        return found

    def deaths(self) -> Deaths:
        """Every death, by row: those in the files, and those since."""
        since = self.unfolded.entries()
        if not self.entry.dead_rows:
            return since
        seqs = self._get(Section.DEAD_SEQ, slice(0, self.rows))
        rows = np.flatnonzero(seqs)
        at, by = self._get(Section.DEAD_AT, rows), self._get(Section.DEAD_BY, rows)
        every = np.concatenate([rows, since.row])
        order = np.argsort(every, kind="stable")
        return Deaths(
            every[order],
            np.concatenate([seqs[rows], since.seq])[order],
            np.concatenate([at, since.at])[order],
            np.concatenate([by, since.by])[order],
        )

    def bury(self, deaths: Deaths) -> None:
        """Let living rows die."""
        self.unfolded.mark(deaths)

    def count_living(self) -> tuple[Numbers, Int64Array]:
        """The entities of the partition, and how many living rows each has."""
        everything = slice(0, self.rows)
        local = self._get(Section.ENTITY, everything)
        dead = self.dead_seqs(everything)
        if dead is not None:
            local = local[dead == ALIVE]
        numbers = self._registry_numbers()
        return numbers, np.bincount(local, minlength=len(numbers))

    def find_versions(self, numbers: Numbers, times: Int64Array) -> tuple[Int64Array, Int64Array]:
        """Every version of some (entity number, event time); see `StoredPart`.

        Rows are in order of time, so most questions end with two binary searches; for those whose
        instant is here, the rows of the entity are searched, all questions a step at a time.
        """
        asked = np.flatnonzero((times >= self.time_min) & (times <= self.time_max))
        if len(asked):
            stored = self._columns.slice(Section.TIMESTAMP, 0, self.rows)
            low = np.searchsorted(stored, times[asked], side="left")
            here = stored[np.minimum(low, self.rows - 1)] == times[asked]
            asked = asked[here]
        if not len(asked):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        local = self._local_numbers(numbers[asked])
        asked, local = asked[local >= 0], local[local >= 0]
        wanted = times[asked]
        low = self._columns.take(Section.ENTITY_STARTS, local).astype(np.int64)
        end = self._columns.take(Section.ENTITY_STARTS, local + 1).astype(np.int64)
        high = end.copy()
        while (open_ := low < high).any():
            middle = (low + high) // 2
            places = np.where(open_, middle, 0)
            before = self._times_of_postings(places) < wanted
            low = np.where(open_ & before, middle + 1, low)
            high = np.where(open_ & ~before, middle, high)
        found = [(asked[:0], asked[:0])]
        while len(low):
            left = low < end
            asked, wanted, low, end = asked[left], wanted[left], low[left], end[left]
            rows = self._columns.take(Section.ENTITY_ROWS, low).astype(np.int64)
            same = self._columns.take(Section.TIMESTAMP, rows) == wanted
            asked, wanted, low, end = asked[same], wanted[same], low[same] + 1, end[same]
            found.append((asked, rows[same]))
        every_place, every_row = zip(*found, strict=True)
        return np.concatenate(every_place), np.concatenate(every_row)

    def windows_of(self, width: int) -> Int64Array:
        """The numbers of the windows of this width (µs) that hold rows, remembered."""
        known = self._windows
        if known is None or known[0] != width:
            times = self._columns.slice(Section.TIMESTAMP, 0, self.rows)
            self._windows = known = width, np.unique(times // width)
        return known[1]

    def _times_of_postings(self, places: Int64Array) -> Int64Array:
        rows = self._columns.take(Section.ENTITY_ROWS, places)
        found: Int64Array = self._columns.take(Section.TIMESTAMP, rows.astype(np.int64))
        return found

    def _local_numbers(self, numbers: Numbers) -> Int64Array:
        """The partition's own numbers of some entities, -1 where it holds none of one.

        While the log is replayed, the partition may hold entities that come later in the log.
        """
        entities = len(self._registry)
        if self._locals is None or self._locals_of not in {_ALL, entities}:
            known = self._map_numbers()
            order = np.argsort(known, kind="stable").astype(np.int64)
            self._locals = known[order], order
            self._locals_of = entities if _UNKNOWN in known else _ALL
        known, order = self._locals
        place = np.minimum(np.searchsorted(known, numbers), len(known) - 1)
        return np.where(known[place] == numbers, order[place], -1)

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


def _text_array(columns: ColumnsFile, offsets: Section, data: Section, rows: slice) -> pa.Array:
    """Some rows of a text column as an Arrow array that views the map."""
    begins = columns.slice(offsets, rows.start, rows.stop + 1).view(np.int64)
    low, high = int(begins[0]), int(begins[-1])
    text = columns.slice(data, low, high)
    if low:
        begins = begins - low
    buffers = [None, pa.py_buffer(begins), pa.py_buffer(text)]
    return pa.Array.from_buffers(pa.large_binary(), rows.stop - rows.start, buffers)
