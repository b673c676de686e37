"""The hot set: points in memory, in order of arrival, until they are sealed.

Rows are written once, behind all published slices, and never move; so a slice is immutable though
its block still grows. Of what is published only deaths are marked in place, see `deaths`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tsvec.model.times import TIME_MAX_US, TIME_MIN_US
from tsvec.model.vectors import Float32Array, Int64Array
from tsvec.storage.columns import unit_vectors, vector_norms
from tsvec.storage.overlay import Deaths
from tsvec.window.deaths import DeathMap
from tsvec.window.entities import EntityRegistry
from tsvec.window.masks.documents import DocumentRun, MaskShelf
from tsvec.window.part import Numbers, Rows, Seqs

_BLOCK_BYTES = 32 << 20
_BLOCK_ROWS_MIN = 256


@dataclass(frozen=True, slots=True)
class HotRows:
    """Committed points on their way into the hot set, a row each."""

    number: Numbers
    timestamp: Int64Array
    seq: NDArray[np.uint64]
    recorded_at: int
    vector: Float32Array
    metadata: Sequence[bytes]
    key: Sequence[str | None]

    def __len__(self) -> int:
        return len(self.timestamp)


class HotBlock:
    """Space for a fixed number of rows, filled from the front."""

    def __init__(self, capacity: int, dim: int, *, cosine: bool) -> None:
        self.capacity = capacity
        self.rows = 0
        self.cosine = cosine
        self.number = np.empty(capacity, np.uint32)
        self.timestamp = np.empty(capacity, np.int64)
        self.seq = np.empty(capacity, np.uint64)
        self.recorded_at = np.empty(capacity, np.int64)
        self.vector = np.empty((capacity, dim), np.float32)
        self.unit: Float32Array | None = None
        self.metadata: list[bytes] = []
        self.key: list[str | None] = []
        self.deaths = DeathMap()
        self.index = _PlaceIndex(self)
        self.shelf = MaskShelf()
        self.time_min = TIME_MAX_US
        self.time_max = TIME_MIN_US
        self.norm_max = 0.0
        self.ascending = True

    def append(self, rows: HotRows, low: int, high: int) -> None:
        """Copy rows [low, high) behind the last one; they must fit."""
        begin, end = self.rows, self.rows + high - low
        times = rows.timestamp[low:high]
        vectors = rows.vector[low:high]
        self.number[begin:end] = rows.number[low:high]
        self.timestamp[begin:end] = times
        self.seq[begin:end] = rows.seq[low:high]
        self.recorded_at[begin:end] = rows.recorded_at
        self.vector[begin:end] = vectors
        self.metadata.extend(rows.metadata[low:high])
        self.key.extend(rows.key[low:high])
        if self.ascending:
            self.ascending = bool(times[0] >= self.time_max and (np.diff(times) >= 0).all())
        self.time_min = min(self.time_min, int(times.min()))
        self.time_max = max(self.time_max, int(times.max()))
        norms = vector_norms(vectors)
        self.norm_max = max(self.norm_max, float(norms.max()))
        if self.cosine:
            self._append_unit(vectors, norms, begin, end)
        self.rows = end

    def documents(self, rows: Rows) -> pa.Array:
        """The metadata of some rows, as large_binary."""
        if isinstance(rows, slice):
            return pa.array(self.metadata[rows], pa.large_binary())
        return pa.array([self.metadata[row] for row in rows.tolist()], pa.large_binary())

    def _append_unit(
        self, vectors: Float32Array, norms: NDArray[np.float64], begin: int, end: int
    ) -> None:
        unit = unit_vectors(vectors, norms)
        if self.unit is None and unit is not None:
            self.unit = np.empty_like(self.vector)
            self.unit[:begin] = self.vector[:begin]
        if self.unit is not None:
            self.unit[begin:end] = vectors if unit is None else unit


class _PlaceIndex:
    """Where a block has the versions of each (entity number, event time).

    Made when it is first asked for, then kept up: points that come in order never need it.
    """

    def __init__(self, block: HotBlock) -> None:
        self._block = block
        self._lock = threading.Lock()
        self._rows = 0
        self._newest: dict[tuple[int, int], int] = {}
        self._earlier: dict[int, int] = {}

    def find(self, numbers: Numbers, times: Int64Array, end: int) -> tuple[Int64Array, Int64Array]:
        """Rows below `end` of some (entity number, event time): places in the question, rows."""
        places, rows = [], []
        with self._lock:
            self._extend(end)
            for place, pair in enumerate(zip(numbers.tolist(), times.tolist(), strict=True)):
                row = self._newest.get(pair)
                while row is not None:
                    if row < end:
                        places.append(place)
                        rows.append(row)
                    row = self._earlier.get(row)
        return np.array(places, np.int64), np.array(rows, np.int64)

    def _extend(self, end: int) -> None:
        begin, block = self._rows, self._block
        if begin >= end:
            return
        numbers, times = block.number[begin:end].tolist(), block.timestamp[begin:end].tolist()
        for row, pair in enumerate(zip(numbers, times, strict=True), begin):
            before = self._newest.get(pair)
            if before is not None:
                self._earlier[row] = before
            self._newest[pair] = row
        self._rows = end


class HotSlice:
    """Rows [begin, end) of a block, as they were when it was published."""

    is_hot = True

    def __init__(self, block: HotBlock, begin: int, end: int, registry: EntityRegistry) -> None:
        self.rows = end - begin
        self.time_min = block.time_min
        self.time_max = block.time_max
        self.norm_max = block.norm_max
        self.seq_min = int(block.seq[begin])
        self.seq_max = int(block.seq[end - 1])
        self.recorded_min = int(block.recorded_at[begin])
        self.recorded_max = int(block.recorded_at[end - 1])
        self.is_full = end == block.capacity
        self.name = f"hot-{self.seq_min}"
        self._block = block
        self._begin = begin
        self._ascending = block.ascending
        self._registry = registry
        self._scan = block.vector if block.unit is None else block.unit
        self._end = end
        self.metadata_run = DocumentRun(block, begin, end)

    def select(self, start: int, end: int) -> Rows:
        """Rows with start <= event time < end."""
        times = self.times(slice(0, self.rows))
        if self._ascending:
            low, high = np.searchsorted(times, (start, end)).tolist()
            return slice(low, max(low, high))
        if start <= self.time_min and self.time_max < end:
            return slice(0, self.rows)
        return np.flatnonzero((times >= start) & (times < end))

    def rows_of(self, entity_id: str, start: int, end: int) -> Int64Array:
        """Rows of one entity in a time range, ordered by (event time, seq)."""
        number = self._registry.number_of(entity_id)
        if number is None:
            return np.empty(0, np.int64)
        times = self.times(slice(0, self.rows))
        mine = self.entities(slice(0, self.rows)) == number
        rows = np.flatnonzero(mine & (times >= start) & (times < end))
        return rows[np.argsort(times[rows], kind="stable")]

    def scan_vectors(self, rows: Rows) -> Float32Array:
        """Vectors to compare by; see `Part`."""
        return self._scan[self._begin : self._end][rows]

    def vectors(self, rows: Rows) -> Float32Array:
        """Vectors as they were given."""
        return self._block.vector[self._begin : self._end][rows]

    def times(self, rows: Rows) -> Int64Array:
        """Event times."""
        return self._block.timestamp[self._begin : self._end][rows]

    def seqs(self, rows: Rows) -> NDArray[np.uint64]:
        """Seqs."""
        return self._block.seq[self._begin : self._end][rows]

    def recorded(self, rows: Rows) -> Int64Array:
        """Recorded times."""
        return self._block.recorded_at[self._begin : self._end][rows]

    def entities(self, rows: Rows) -> Numbers:
        """Entity numbers."""
        return self._block.number[self._begin : self._end][rows]

    def entity_id(self, row: int) -> str:
        """The entity of one row."""
        return self._registry.id_of(int(self.entities(slice(row, row + 1))[0]))

    def metadata(self, rows: Int64Array) -> list[bytes]:
        """Metadata of rows."""
        texts, begin = self._block.metadata, self._begin
        return [texts[begin + row] for row in rows.tolist()]

    def keys(self, rows: Int64Array) -> list[str | None]:
        """Keys of rows."""
        keys, begin = self._block.key, self._begin
        return [keys[begin + row] for row in rows.tolist()]

    def text_columns(self) -> tuple[pa.Array, pa.Array]:
        """Keys and metadata of all rows."""
        mine = slice(self._begin, self._end)
        keys = pa.array(self._block.key[mine], pa.large_string())
        return keys, pa.array(self._block.metadata[mine], pa.large_binary())

    @property
    def has_deaths(self) -> bool:
        """Whether any version of the block died."""
        return self._block.deaths.count > 0

    @property
    def death_marks(self) -> int:
        """Grows whenever something in the block dies."""
        return self._block.deaths.count

    def dead_seqs(self, rows: Rows) -> Seqs | None:
        """The seq each row died by; see `StoredPart`."""
        return self._block.deaths.dead_seqs(_shifted(rows, self._begin))

    def deaths(self) -> Deaths:
        """Every death among these rows."""
        every = self._block.deaths.entries()
        mine = (every.row >= self._begin) & (every.row < self._end)
        rows = every.row[mine] - self._begin
        return Deaths(rows, every.seq[mine], every.at[mine], every.by[mine])

    def bury(self, deaths: Deaths) -> None:
        """Let living rows die."""
        rows = deaths.row + self._begin
        self._block.deaths.mark(Deaths(rows, deaths.seq, deaths.at, deaths.by))

    def find_versions(self, numbers: Numbers, times: Int64Array) -> tuple[Int64Array, Int64Array]:
        """Every version of some (entity number, event time); see `StoredPart`."""
        places, rows = self._block.index.find(numbers, times, self._end)
        mine = rows >= self._begin
        return places[mine], rows[mine] - self._begin


class HotSet:
    """All unsealed points of one collection. The writer appends, `drop_sealed` follows a seal."""

    def __init__(
        self, dim: int, registry: EntityRegistry, *, cosine: bool, block_rows: int
    ) -> None:
        self._dim = dim
        self._cosine = cosine
        self._registry = registry
        self._block_rows = min(block_rows, max(_BLOCK_ROWS_MIN, _BLOCK_BYTES // (4 * dim)))
        self._blocks: list[HotBlock] = []
        self._begin = 0
        self.rows = 0
        self.bytes = 0

    @property
    def block_rows(self) -> int:
        """Rows a block holds: what makes a collection worth sealing."""
        return self._block_rows

    def append(self, rows: HotRows) -> None:
        """Add committed rows; they are seen in the next `slices`."""
        done = 0
        while done < len(rows):
            if not self._blocks or self._blocks[-1].rows == self._blocks[-1].capacity:
                self._blocks.append(HotBlock(self._block_rows, self._dim, cosine=self._cosine))
            block = self._blocks[-1]
            take = min(block.capacity - block.rows, len(rows) - done)
            block.append(rows, done, done + take)
            done += take
        self.rows += len(rows)
        self.bytes += rows.vector.nbytes + sum(map(len, rows.metadata))

    def slices(self) -> tuple[HotSlice, ...]:
        """The unsealed rows, oldest first."""
        found = []
        begin = self._begin
        for block in self._blocks:
            if block.rows > begin:
                found.append(HotSlice(block, begin, block.rows, self._registry))
            begin = 0
        return tuple(found)

    def drop_sealed(self, sealed_seq: int) -> None:
        """Forget the rows up to this seq."""
        while self._blocks:
            block = self._blocks[0]
            end = int(np.searchsorted(block.seq[: block.rows], sealed_seq, side="right"))
            self.rows -= end - self._begin
            self.bytes -= block.vector[self._begin : end].nbytes
            self.bytes -= sum(map(len, block.metadata[self._begin : end]))
            self._begin = end
            if end < block.capacity:
                return
            self._blocks.pop(0)
            self._begin = 0


def _shifted(rows: Rows, by: int) -> Rows:
    return slice(rows.start + by, rows.stop + by) if isinstance(rows, slice) else rows + by
