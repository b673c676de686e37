"""Stored points as record batches, from column to column: no object is made of a point."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from tsvec.engine.frames.schema import TEXT, schema_of
from tsvec.model.lists.requests import ReadPointsRequest
from tsvec.model.replies import Point
from tsvec.model.vectors import Int64Array
from tsvec.query.lists.pages import Located
from tsvec.query.lists.run import run_of_points
from tsvec.storage.schema import times_to_arrow, vectors_to_arrow
from tsvec.window.part import Part
from tsvec.window.window_set import WindowSet

_BLOCK_ROWS = 8_192
_BLOCK_BYTES = 8 << 20
"""Of vectors in a block; few long ones are as good as many short ones."""

_SPARSE = 4
"""Rows wanted out of this many are taken from a view of all of them."""

_ALWAYS = {"entity_id", "entity_type", "timestamp", "key"}


def points_reader(
    windows: WindowSet, request: ReadPointsRequest, check_open: Callable[[], None]
) -> pa.RecordBatchReader:
    """A reader of the points that a request selects; it holds on to its windows until it ends.

    `check_open` is called before each block and raises once nothing can be read any more.
    """
    wanted = _ALWAYS | set(request.include)
    dim = windows.config.dim
    said = {"collection": windows.config.name, "as_of_seq": windows.seq}
    schema = pa.schema(
        [field for field in schema_of(Point, dim) if field.name in wanted],
        metadata={"tsvec": orjson.dumps(said)},
    )
    rows = max(1, min(_BLOCK_ROWS, _BLOCK_BYTES // (4 * dim)))

    def batches() -> Iterator[pa.RecordBatch]:
        check_open()
        for found in run_of_points(windows, request, rows):
            block = _Block(windows, found)
            columns = [getattr(block, name)() for name in schema.names]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)
            check_open()

    return pa.RecordBatchReader.from_batches(schema, batches())


class _Block:
    """The columns of some rows, each by the name of its field."""

    def __init__(self, windows: WindowSet, found: Located) -> None:
        self._windows = windows
        self._found = found
        self._present, self._place = np.unique(found.number, return_inverse=True)
        self._sources = list(_by_source(found))

    def entity_id(self) -> pa.Array:
        ids = [self._windows.registry.id_of(number) for number in self._present.tolist()]
        return self._of_entities(ids)

    def entity_type(self) -> pa.Array:
        registry, seq = self._windows.registry, self._windows.seq
        return self._of_entities([registry.type_of(n, seq) for n in self._present.tolist()])

    def timestamp(self) -> pa.Array:
        return times_to_arrow(self._found.time)

    def key(self) -> pa.Array:
        keys = self._found.keys()
        return pa.array([key or None for key in keys], TEXT)

    def recorded_at(self) -> pa.Array:
        times = np.empty(len(self._found), np.int64)
        for part, places, rows in self._sources:
            times[places] = part.recorded(rows)
        return times_to_arrow(times)

    def seq(self) -> pa.Array:
        return pa.array(self._found.seq.astype(np.int64))

    def metadata(self) -> pa.Array:
        texts = [_metadata(part, rows) for part, _, rows in self._sources]
        order = np.argsort(np.concatenate([places for _, places, _ in self._sources]))
        joined = texts[0] if len(texts) == 1 else pa.concat_arrays(texts).take(pa.array(order))
        return joined.cast(TEXT)

    def vector(self) -> pa.Array:
        matrix = np.empty((len(self._found), self._windows.config.dim), np.float32)
        for part, places, rows in self._sources:
            matrix[places] = part.vectors(rows)
        return vectors_to_arrow(matrix)

    def _of_entities(self, texts: list[str]) -> pa.Array:
        return pa.array(texts, TEXT).take(pa.array(self._place))


def _by_source(found: Located) -> Iterator[tuple[Part, NDArray[np.int64], Int64Array]]:
    """The part, places and row numbers of the rows of each part."""
    for source in np.unique(found.source).tolist():
        places = np.flatnonzero(found.source == source)
        yield found.parts[source], places, found.row[places]


def _metadata(part: Part, rows: Int64Array) -> pa.Array:
    """The metadata of some rows, in their order, as large_binary."""
    run = part.metadata_run
    low, high = int(rows.min()), int(rows.max()) + 1
    if high - low > _SPARSE * len(rows):
        return run.block.documents(rows + run.begin)
    span = run.block.documents(slice(low + run.begin, high + run.begin))
    return span.take(pa.array(rows - low))
