"""The rows of a file as the Arrow IPC stream that ingest takes, and those that cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pa_compute

from tsvec.cli.files.columns import NOW, ColumnPlan
from tsvec.cli.files.readers import Chunk, Source
from tsvec.cli.files.values import TimeUnit, time_from_text, unit_of_epoch, vector_from_value
from tsvec.model.errors import InvalidRequestError
from tsvec.model.points import OnError
from tsvec.model.replies import IngestError
from tsvec.model.vectors import Float32Array

_METADATA = "metadata"
_UTC_US = pa.timestamp("us", "UTC")
_US_IN = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}


@dataclass(frozen=True, slots=True)
class Prepared:
    """Rows of a chunk ready to be sent, and those that were not fit to be."""

    stream: bytes
    dim: int
    """Elements of the first vector; 0 without rows."""
    rows: Sequence[int]
    """The place in the file of each row of the stream, counted from 0."""
    refused: list[IngestError]


@dataclass(slots=True)
class _Reading:
    """One chunk being read: its plan and the rows found unreadable, with the reason."""

    chunk: Chunk
    plan: ColumnPlan
    refused: dict[int, str] = field(default_factory=dict)

    def each(self, name: str, values: Sequence[Any], read: Callable[[Any], Any]) -> list[Any]:
        """What `read` makes of each value; None where it raises, and the row is refused."""

        def one(row: int, value: Any) -> Any:
            try:
                return read(value)
            except ValueError as error:
                self.refused.setdefault(row, f"{name}: {error}")
                return None

        return [one(row, value) for row, value in enumerate(values)]

    def array(self, name: str) -> pa.Array:
        """A column as an Arrow array."""
        column = self.chunk.get(name)
        if column is None:
            return pa.nulls(len(next(iter(self.chunk.values()))))
        if isinstance(column, pa.Array):
            return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
        try:
            return pa.array(column)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise InvalidRequestError(f"column {name!r} mixes kinds of values: {error}") from None


def prepare(chunk: Chunk, plan: ColumnPlan, first_row: int, on_error: OnError) -> Prepared:
    """The rows of a chunk as an Arrow IPC stream.

    A row that cannot be read raises InvalidRequestError under `reject_all`, and is left out and
    listed under `skip_row`. What its values mean to the collection is for the engine to judge.
    """
    reading = _Reading(chunk, plan)
    columns = {"entity_id": _text(reading, plan.entity)}
    if plan.time:
        columns["timestamp"] = _times(reading, plan.time)
    columns["vector"] = _vectors(reading)
    if plan.type:
        columns["entity_type"] = _text(reading, plan.type)
    if plan.key:
        columns["key"] = _text(reading, plan.key)
    if plan.metadata:
        columns["metadata"] = _metadata(reading)
    if reading.refused and on_error == "reject_all":
        row, message = min(reading.refused.items())
        raise InvalidRequestError(f"row {first_row + row}: {message}")
    return _packed(pa.table(columns), reading.refused, first_row)


def prepare_all(
    source: Source, plan: ColumnPlan, batch_rows: int, on_error: OnError
) -> Iterator[Prepared]:
    """Every row of a file, `batch_rows` at a time; see `prepare`."""
    first_row = 0
    for chunk in source.chunks(batch_rows, plan.wanted):
        yield prepare(chunk, plan, first_row, on_error)
        first_row += len(next(iter(chunk.values())))


def _packed(table: pa.Table, refused: dict[int, str], first_row: int) -> Prepared:
    rows: Sequence[int] = range(first_row, first_row + len(table))
    if refused:
        kept = [row for row in range(len(table)) if row not in refused]
        table = table.take(kept)
        rows = [first_row + row for row in kept]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return Prepared(
        stream=sink.getvalue().to_pybytes(),
        dim=len(table["vector"][0]) if len(table) else 0,
        rows=rows,
        refused=[
            IngestError(index=first_row + row, code=InvalidRequestError.code, message=message)
            for row, message in sorted(refused.items())
        ],
    )


def _text(reading: _Reading, name: str) -> pa.Array:
    """A column as text; empty text counts as absent."""
    column = reading.array(name).cast(pa.string())
    return pa_compute.if_else(pa_compute.equal(column, ""), None, column)


def _times(reading: _Reading, name: str) -> pa.Array:
    column = reading.array(name)
    kind = column.type
    for row in np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False)).tolist():
        reading.refused.setdefault(row, f"{name}: has no time; `--time {NOW}` takes the commit's")
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        # numpy's times have no zone and are UTC by its own documentation.
        known = pa.types.is_date(kind) or isinstance(reading.chunk[name], np.ndarray)
        if not known and kind.tz is None and not reading.plan.assume_utc:
            raise InvalidRequestError(
                f"the times of column {name!r} have no time zone; --assume-utc reads them as UTC"
            )
        return _finer_refused(name, column)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _times_since_1970(column, reading.plan.time_unit)
    utc = reading.plan.assume_utc

    def parse(text: str | None) -> int | None:
        return None if text is None else time_from_text(text, assume_utc=utc)

    return pa.array(reading.each(name, _text(reading, name).to_pylist(), parse), _UTC_US)


def _finer_refused(name: str, column: pa.Array) -> pa.Array:
    try:
        return column.cast(_UTC_US)
    except pa.ArrowInvalid:
        raise InvalidRequestError(
            f"the times of column {name!r} are finer than a microsecond; "
            "round them first, nothing is rounded unasked"
        ) from None


def _times_since_1970(column: pa.Array, unit: TimeUnit | None) -> pa.Array:
    largest = pa_compute.max(pa_compute.abs(column)).as_py() or 0
    scale = _US_IN[unit or unit_of_epoch(largest)]
    if pa.types.is_integer(column.type) and scale >= 1:
        return pa_compute.multiply(column.cast(pa.int64()), int(scale)).cast(_UTC_US)
    micros = np.round(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False) * scale)
    return pa.array(micros, mask=~np.isfinite(micros)).cast(pa.int64()).cast(_UTC_US)


def _vectors(reading: _Reading) -> pa.Array:
    names = reading.plan.vector
    if len(names) > 1:
        numbers = [_numbers(reading, name) for name in names]
        return _fixed_size(np.stack(numbers, axis=1))
    column = reading.chunk.get(names[0])
    if isinstance(column, np.ndarray) and column.ndim == 2:
        return _fixed_size(column)
    if isinstance(column, pa.Array) and not _is_text(column.type):
        return _of_floats(names[0], column)
    values = column.to_pylist() if isinstance(column, pa.Array) else column
    lists = reading.each(names[0], [] if values is None else values, vector_from_value)
    return pa.array(lists, pa.list_(pa.float32()))


def _numbers(reading: _Reading, name: str) -> Float32Array:
    column = reading.array(name)
    for row in np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False)).tolist():
        reading.refused.setdefault(row, f"{name}: a number is missing")
    try:
        numbers = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise InvalidRequestError(f"column {name!r} holds {column.type}, not numbers") from None
    return np.asarray(numbers, dtype=np.float32)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _of_floats(name: str, column: pa.Array) -> pa.Array:
    """Lists of any numbers as lists of floats; whether their values fit is judged by ingest."""
    try:
        floating = pa.types.is_floating(column.type.value_type)
        return column if floating else column.cast(pa.list_(pa.float32()))
    except (AttributeError, pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise InvalidRequestError(
            f"column {name!r} holds {column.type}, not lists of numbers; name it with --vector, "
            "or name several columns of numbers: --vector a,b,c"
        ) from None


def _fixed_size(matrix: np.ndarray[Any, Any]) -> pa.Array:
    flat = pa.array(np.ascontiguousarray(matrix, dtype=np.float32).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, matrix.shape[1])


def _metadata(reading: _Reading) -> pa.Array:
    columns = {name: reading.chunk[name] for name in reading.plan.metadata if name in reading.chunk}
    lists = {
        name: column if isinstance(column, list) else column.tolist()
        for name, column in columns.items()
    }
    nested = lists.pop(next((n for n in lists if n.lower() == _METADATA), ""), None)
    rows = len(next(iter(reading.chunk.values())))

    def encode(row: int) -> str:
        merged = _object_from(nested[row]) if nested else {}
        merged |= {n: column[row] for n, column in lists.items() if column[row] is not None}
        try:
            return orjson.dumps(merged, default=_number).decode()
        except TypeError as error:
            raise ValueError(f"{error}; --no-metadata or --metadata leave it out") from None

    return pa.array(reading.each(_METADATA, range(rows), encode), pa.string())


def _object_from(value: Any) -> dict[str, Any]:
    """A column called metadata holds objects, as such, as pairs or as JSON text."""
    found = orjson.loads(value) if isinstance(value, str | bytes) and value else value
    if found is None or found == "":
        return {}
    if isinstance(found, list):
        found = dict(found)
    if not isinstance(found, dict):
        raise ValueError("a JSON object is expected")
    return found


def _number(value: Any) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError
