"""Arrow columns become a batch of points: those of a stream from outside, or of a frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from tsvec.engine.intake.arrow_stream import read_stream
from tsvec.engine.intake.refused_rows import RefusedRows
from tsvec.model.errors import InvalidRequestError, TooLargeError
from tsvec.model.limits import limits
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
FIELDS = ("entity_id", "vector", "timestamp", "entity_type", "metadata", "key")
"""The columns a table may have: the fields of a point."""

_US_PER_UNIT = {"s": 1_000_000, "ms": 1_000, "us": 1}
_NS_PER_US = 1_000
_DOCUMENTS = 1_024
"""Metadata taken out of its column at a time."""

Column = Any
"""A pyarrow array; the package has no type stubs."""


def batch_from_arrow(body: bytes, on_error: OnError, dim: int | None = None) -> PointBatch:
    """The points of an Arrow IPC stream; see `batch_from_table`. A null time: the commit time."""
    return batch_from_table(read_stream(body), on_error, dim)


def batch_from_table(
    table: Any,
    on_error: OnError,
    dim: int | None = None,
    *,
    first_row: int = 0,
    needs_times: bool = False,
) -> PointBatch:
    """The points of a valid table.

    Columns: entity_id (utf8, also as a dictionary); vector (list of float16, float32 or float64,
    of fixed size or not); optionally entity_type and key (as entity_id), timestamp (with a time
    zone; null: the commit time, or with `needs_times` a fault) and metadata (utf8 holding a JSON
    object, or a struct or a map of numbers, booleans and texts; null fields of a struct are left
    out). `dim` is the collection's, if known; else the first vector's. Rows are counted from
    `first_row`. Vectors of float32 are viewed, not copied, where they lie one after the other.
    Raises InvalidRequestError or TooLargeError.
    """
    columns = _columns(table)
    refused = RefusedRows(on_error, first_row)
    rows = len(columns["entity_id"])
    entity_id = _texts(columns, "entity_id", _ENTITY_ID, refused)
    for row in (row for row, value in enumerate(entity_id) if value is None):
        refused.add(row, "entity_id", "a text is required")
    vector = _vectors(columns["vector"], dim, refused)
    batch = PointBatch.of_columns(
        entity_id=[value or "" for value in entity_id],
        vector=vector,
        timestamp=_timestamps(columns.get("timestamp"), rows, refused, needs_times),
        metadata=_metadata(columns.get("metadata"), rows, refused),
        entity_type=_texts(columns, "entity_type", _ENTITY_TYPE, refused),
        key=_texts(columns, "key", _KEY, refused),
    )
    return refused.without(replace(batch, origin=batch.origin + first_row))


def _columns(table: Any) -> dict[str, Column]:
    """The columns by name, those of type null left out."""
    names = table.column_names
    for name in names:
        if name not in FIELDS:
            raise wrong_column(name, f"there is no such column; known are {', '.join(FIELDS)}")
        if names.count(name) > 1:
            raise wrong_column(name, "there are several columns of this name")
    columns = {name: joined(table.column(name)) for name in names}
    present = {name: col for name, col in columns.items() if not pa.types.is_null(col.type)}
    for name in ("entity_id", "vector"):
        if name not in present:
            raise wrong_column(name, "this column is required")
    return present


def joined(column: Any) -> Column:
    """The chunks of a column as one array; a single one is not copied."""
    found: Column = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return found


def wrong_column(column: str, message: str) -> InvalidRequestError:
    """The error that refuses a whole table for one of its columns."""
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
        raise wrong_column(name, f"texts (utf8) are expected, not {kind}")
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


def _timestamps(column: Column | None, rows: int, refused: RefusedRows, needed: bool) -> Int64Array:
    """Microseconds since 1970 UTC, `TIME_MISSING` where there is none."""
    if column is None:
        return np.full(rows, TIME_MISSING, dtype=np.int64)
    kind = column.type
    if not pa.types.is_timestamp(kind) or kind.tz is None:
        raise wrong_column(
            "timestamp",
            f"a timestamp with a time zone is expected, not {kind}; in pandas make one with "
            "to_datetime(utc=True) or dt.tz_localize, in polars with dt.replace_time_zone",
        )
    missing = column.is_null().to_numpy(zero_copy_only=False)
    for row in np.flatnonzero(missing & needed):
        refused.add(int(row), "timestamp", "a time is required; for the commit time give no column")
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
    decode, most = _metadata_decoder(column.type), limits().body_bytes_max
    found, total = [], 0
    for row, given in enumerate(_documents(column)):
        encoded = EMPTY_METADATA
        if given is not None:
            try:
                encoded = metadata_bytes(decode(given))
            except InvalidRequestError as error:
                refused.add(row, "metadata", error.details[0].message)
            except ValueError as error:
                refused.add(row, "metadata", str(error))
        found.append(encoded)
        total += len(encoded)
        if total > most:
            raise TooLargeError(
                f"the metadata of one request exceeds {most} bytes "
                "(body_bytes_max); send it in several"
            )
    return found


def _documents(column: Column) -> Iterator[Any]:
    for begin in range(0, len(column), _DOCUMENTS):
        yield from column.slice(begin, _DOCUMENTS).to_pylist()


def _metadata_decoder(kind: Any) -> Callable[[Any], dict[str, Any]]:
    if _is_text(kind):
        return lambda text: decode_object(text.encode())
    if pa.types.is_struct(kind) and len({field.name for field in kind}) == kind.num_fields:
        for field in kind:
            _check_scalar(field.name, field.type)
        return lambda given: {name: value for name, value in given.items() if value is not None}
    if pa.types.is_map(kind) and _is_text(kind.key_type):
        _check_scalar("its values", kind.item_type)
        return _object_of
    raise wrong_column(
        "metadata",
        "JSON text, or a struct or map of numbers, booleans and texts, each named once, is "
        f"expected, not {kind}",
    )


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is given more than once")
    return found


def _check_scalar(name: str, kind: Any) -> None:
    if not _is_scalar(kind):
        raise wrong_column(
            "metadata", f"numbers, booleans and texts are expected; {name}: {kind} is none of them"
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
    most = limits().dim_max
    sized = ~null & (lengths > 0) & (lengths <= most)
    for row in np.flatnonzero(~sized):
        refused.add(int(row), "vector", f"1 to {most} numbers are required (dim_max)")
    if dim is None:
        dim = int(lengths[np.argmax(sized)]) if sized.any() else 1
    fits = sized & (lengths == dim)
    for row in np.flatnonzero(sized & ~fits):
        refused.add(int(row), "vector", f"{dim} elements are expected, not {lengths[row]}")
    shape = (len(column), dim)
    with np.errstate(over="ignore"):
        if fits.all() and len(values) == len(column) * dim:
            matrix: Float32Array = np.require(values.reshape(shape), np.float32, ["C", "A"])
        else:
            matrix = np.zeros(shape, np.float32)
            for row in np.flatnonzero(fits):
                matrix[row] = values[starts[row] : starts[row] + dim]
    return _finite(matrix, refused)


def _finite(matrix: Float32Array, refused: RefusedRows) -> Float32Array:
    """The matrix itself, or one that is zero in the rows that cannot be stored."""
    finite = np.isfinite(matrix)
    bad = np.flatnonzero(~finite.all(axis=1))
    for row in bad:
        element = int(np.argmin(finite[row]))
        message = "a finite float32 number is expected; NaN, infinity and null cannot be stored"
        refused.add(int(row), f"vector[{element}]", message)
    if len(bad):
        matrix = matrix.copy()
        matrix[bad] = 0
    return matrix


def _layout(column: Column) -> tuple[Int64Array, Int64Array, Any]:
    """Where each list starts, how long it is, and the numbers of all; NaN stands for null."""
    kind = column.type
    fixed = pa.types.is_fixed_size_list(kind)
    if not (fixed or pa.types.is_list(kind) or pa.types.is_large_list(kind)) or not (
        pa.types.is_floating(kind.value_type)
    ):
        raise wrong_column(
            "vector", f"lists of float16, float32 or float64 are expected, not {kind}"
        )
    if fixed:
        size = kind.list_size
        offsets = (column.offset + np.arange(len(column) + 1, dtype=np.int64)) * size
    else:
        offsets = column.offsets.to_numpy(zero_copy_only=False).astype(np.int64)
    first = int(offsets[0])
    values = column.values.slice(first, int(offsets[-1]) - first)
    numbers = values.to_numpy(zero_copy_only=False)
    return offsets[:-1] - first, np.diff(offsets), numbers
