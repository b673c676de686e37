"""An Arrow IPC stream becomes a batch of points, column by column."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from tsvec.engine.intake.arrow_stream import read_stream
from tsvec.engine.intake.refused_rows import RefusedRows
from tsvec.model.errors import InvalidRequestError, TooLargeError
from tsvec.model.limits import LIMITS
from tsvec.model.points import (
    EMPTY_METADATA,
    EntityId,
    EntityType,
    OnError,
    PointBatch,
    PointKey,
    metadata_bytes,
)
from tsvec.model.strict_json import decode_object
from tsvec.model.times import TIME_MAX_US, TIME_MIN_US, TIME_MISSING
from tsvec.model.validation import detail_at, details_of, refusal
from tsvec.model.vectors import Float32Array, Int64Array

_ENTITY_ID: TypeAdapter[str] = TypeAdapter(EntityId)
_ENTITY_TYPE: TypeAdapter[str] = TypeAdapter(EntityType)
_KEY: TypeAdapter[str] = TypeAdapter(PointKey)
_COLUMNS = ("entity_id", "vector", "timestamp", "entity_type", "metadata", "key")
_US_PER_UNIT = {"s": 1_000_000, "ms": 1_000, "us": 1}
_NS_PER_US = 1_000

Column = Any
"""A pyarrow array; the package has no type stubs."""
Value = TypeVar("Value")


def batch_from_arrow(body: bytes, on_error: OnError, dim: int | None = None) -> PointBatch:
    """The points of an Arrow IPC stream.

    Columns: entity_id (utf8, also as a dictionary); vector (list of float16, float32 or float64,
    of fixed size or not); optionally entity_type and key (as entity_id), timestamp (with a time
    zone; null: the commit time) and metadata (utf8 holding a JSON object, or a struct of numbers,
    booleans and texts, whose null fields are left out). `dim` is the collection's, if known; else
    the first vector's. Raises InvalidRequestError or TooLargeError.
    """
    columns = _columns(read_stream(body))
    refused = RefusedRows(on_error)
    rows = len(columns["entity_id"])
    entity_id = _texts(columns, "entity_id", _ENTITY_ID, refused)
    for row in (row for row, value in enumerate(entity_id) if value is None):
        refused.add(row, "entity_id", "a text is required")
    vector = _vectors(columns["vector"], dim, refused)
    batch = PointBatch.of_columns(
        entity_id=[value or "" for value in entity_id],
        vector=vector,
        timestamp=_timestamps(columns.get("timestamp"), rows, refused),
        metadata=_metadata(columns.get("metadata"), rows, refused),
        entity_type=_texts(columns, "entity_type", _ENTITY_TYPE, refused),
        key=_texts(columns, "key", _KEY, refused),
    )
    return refused.without(batch)


def _columns(table: Any) -> dict[str, Column]:
    """The columns by name, those of type null left out."""
    names = table.column_names
    for name in names:
        if name not in _COLUMNS:
            raise _wrong(name, f"there is no such column; known are {', '.join(_COLUMNS)}")
        if names.count(name) > 1:
            raise _wrong(name, "there are several columns of this name")
    columns = {name: table.column(name).combine_chunks() for name in names}
    present = {name: col for name, col in columns.items() if not pa.types.is_null(col.type)}
    for name in ("entity_id", "vector"):
        if name not in present:
            raise _wrong(name, "this column is required")
    return present


def _wrong(column: str, message: str) -> InvalidRequestError:
    return refusal([detail_at((column,), message)])


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _texts(
    columns: dict[str, Column], name: str, words: TypeAdapter[str], refused: RefusedRows
) -> list[str | None]:
    """A column of texts, each distinct one checked once; absent ones are None."""
    column = columns.get(name)
    if column is None:
        return [None] * len(columns["entity_id"])
    kind = column.type
    if _is_text(kind):
        column = column.dictionary_encode()
    elif not (pa.types.is_dictionary(kind) and _is_text(kind.value_type)):
        raise _wrong(name, f"texts (utf8) are expected, not {kind}")
    values: list[str | None] = column.dictionary.to_pylist()
    faults: dict[int | None, str] = {}
    for number, value in enumerate(values):
        if value is not None:
            try:
                words.validate_python(value)
            except ValidationError as error:
                faults[number] = details_of(error)[0].message
    codes: list[int | None] = column.indices.to_pylist()
    if faults:
        for row, code in enumerate(codes):
            if code in faults:
                refused.add(row, name, faults[code])
    return [None if code is None else values[code] for code in codes]


def _timestamps(column: Column | None, rows: int, refused: RefusedRows) -> Int64Array:
    """Microseconds since 1970 UTC, `TIME_MISSING` where there is none."""
    if column is None:
        return np.full(rows, TIME_MISSING, dtype=np.int64)
    kind = column.type
    if not pa.types.is_timestamp(kind) or kind.tz is None:
        raise _wrong("timestamp", f"a timestamp with a time zone is expected, not {kind}")
    missing = column.is_null().to_numpy(zero_copy_only=False)
    units = column.view(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    if kind.unit == "ns":
        for row in np.flatnonzero(units % _NS_PER_US):
            refused.add(int(row), "timestamp", "event times have microseconds; finer is refused")
        micros = units // _NS_PER_US
    else:
        factor = _US_PER_UNIT[kind.unit]
        outside = (units < -(-TIME_MIN_US // factor)) | (units > TIME_MAX_US // factor)
        for row in np.flatnonzero(outside):
            refused.add(int(row), "timestamp", "event times lie in the years 0001 to 9999")
        micros = np.where(outside, 0, units) * factor
    return np.where(missing, TIME_MISSING, micros)


def _metadata(column: Column | None, rows: int, refused: RefusedRows) -> list[bytes]:
    """Compact JSON of each row's metadata."""
    if column is None:
        return [EMPTY_METADATA] * rows
    decode = _metadata_decoder(column.type)
    found, total = [], 0
    for row, scalar in enumerate(column):
        encoded = EMPTY_METADATA
        if scalar.is_valid:
            try:
                encoded = metadata_bytes(decode(scalar.as_py()))
            except InvalidRequestError as error:
                refused.add(row, "metadata", error.details[0].message)
            except ValueError as error:
                refused.add(row, "metadata", str(error))
        found.append(encoded)
        total += len(encoded)
        if total > LIMITS.body_bytes_max:
            raise TooLargeError(
                f"the metadata of one request exceeds {LIMITS.body_bytes_max} bytes "
                "(body_bytes_max); send it in several"
            )
    return found


def _metadata_decoder(kind: Any) -> Callable[[Any], dict[str, Any]]:
    if _is_text(kind):
        return lambda text: decode_object(text.encode())
    if pa.types.is_struct(kind) and all(_is_scalar(field.type) for field in kind):
        return lambda given: {name: value for name, value in given.items() if value is not None}
    raise _wrong(
        "metadata", f"JSON text or a struct of numbers, booleans and texts is expected, not {kind}"
    )


def _is_scalar(kind: Any) -> bool:
    types = pa.types
    return bool(
        types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind)
    ) or _is_text(kind)


def _vectors(column: Column, dim: int | None, refused: RefusedRows) -> Float32Array:
    """The matrix of all vectors; rows that were refused are zero in it."""
    starts, lengths, values = _layout(column)
    null = column.is_null().to_numpy(zero_copy_only=False)
    sized = ~null & (lengths > 0) & (lengths <= LIMITS.dim_max)
    for row in np.flatnonzero(~sized):
        refused.add(int(row), "vector", f"1 to {LIMITS.dim_max} numbers are required")
    if dim is None:
        dim = int(lengths[np.argmax(sized)]) if sized.any() else 1
    fits = sized & (lengths == dim)
    for row in np.flatnonzero(sized & ~fits):
        refused.add(int(row), "vector", f"{dim} elements are expected, not {lengths[row]}")
    matrix = np.zeros((len(column), dim), dtype=np.float32)
    with np.errstate(over="ignore"):
        if fits.all() and len(values) == matrix.size:
            matrix[:] = values.reshape(matrix.shape)
        else:
            for row in np.flatnonzero(fits):
                matrix[row] = values[starts[row] : starts[row] + dim]
    finite = np.isfinite(matrix)
    for row in np.flatnonzero(~finite.all(axis=1)):
        element = int(np.argmin(finite[row]))
        message = "a finite float32 number is expected; NaN, infinity and null cannot be stored"
        refused.add(int(row), f"vector[{element}]", message)
        matrix[row] = 0
    return matrix


def _layout(column: Column) -> tuple[Int64Array, Int64Array, Any]:
    """Where each list starts, how long it is, and the numbers of all; NaN stands for null."""
    kind = column.type
    fixed = pa.types.is_fixed_size_list(kind)
    if not (fixed or pa.types.is_list(kind) or pa.types.is_large_list(kind)) or not (
        pa.types.is_floating(kind.value_type)
    ):
        raise _wrong("vector", f"lists of float16, float32 or float64 are expected, not {kind}")
    if fixed:
        size = kind.list_size
        offsets = (column.offset + np.arange(len(column) + 1, dtype=np.int64)) * size
    else:
        offsets = column.offsets.to_numpy(zero_copy_only=False).astype(np.int64)
    first = int(offsets[0])
    values = column.values.slice(first, int(offsets[-1]) - first)
    numbers = values.to_numpy(zero_copy_only=False)
    return offsets[:-1] - first, np.diff(offsets), numbers
