"""Columns given by keyword in this process - numpy arrays, lists, single values - as a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from tsvec.engine.intake.points import points_to_batch
from tsvec.engine.intake.refused_rows import check_row_count
from tsvec.model.errors import ErrorDetail, InvalidRequestError
from tsvec.model.limits import limits
from tsvec.model.points import (
    EntityId,
    EntityType,
    OnError,
    PointBatch,
    PointKey,
    metadata_bytes,
)
from tsvec.model.times import TIME_MAX_US, TIME_MIN_US
from tsvec.model.vectors import Float32Array, Int64Array

_TEXTS: dict[str, TypeAdapter[str]] = {
    "entity_id": TypeAdapter(EntityId),
    "entity_type": TypeAdapter(EntityType),
    "key": TypeAdapter(PointKey),
}
_COLUMNS = frozenset({"entity_id", "vector", "timestamp", "entity_type", "metadata", "key"})


def batch_of_columns(
    columns: Mapping[str, Any], on_error: OnError, *, dim: int | None
) -> PointBatch:
    """A batch of the columns `entity_id` and `vector`, and optionally the other fields of a point.

    A float array of shape (rows, dim) with a datetime64 array is taken as it is; anything else goes
    row by row through the checks that name what is wrong.
    """
    if unknown := sorted(set(columns) - _COLUMNS):
        raise _invalid(unknown[0], f"is not a column; known are {', '.join(sorted(_COLUMNS))}")
    given = {name: value for name, value in columns.items() if value is not None}
    if missing := sorted({"entity_id", "vector"} - set(given)):
        raise _invalid(missing[0], "is needed")
    rows = 1 if _is_single(given["entity_id"]) else len(given["entity_id"])
    check_row_count(rows)
    batch = _fast_batch(given, rows)
    if batch is not None:
        return batch
    spread = {name: _spread(name, value, rows) for name, value in given.items()}
    points = [{name: spread[name][row] for name in spread} for row in range(rows)]
    return points_to_batch(points, on_error, dim=dim)


def _spread(name: str, value: Any, rows: int) -> Sequence[Any]:
    """One value a row: a sequence of them, or a single one repeated."""
    if name == "vector" and rows == 1 and not (_is_single(value) or _is_nested(value)):
        value = [value]
    if _is_single(value):
        return [value] * rows
    if len(value) != rows:
        raise _invalid(name, f"has {len(value)} values for {rows} rows")
    return list(value)


def _is_single(value: Any) -> bool:
    return isinstance(value, str | Mapping | np.datetime64) or not hasattr(value, "__len__")


def _is_nested(value: Any) -> bool:
    return len(value) > 0 and hasattr(value[0], "__len__")


def _fast_batch(columns: Mapping[str, Any], rows: int) -> PointBatch | None:
    """The batch without a look at single rows, or None if something asks for one."""
    vectors, times = columns["vector"], columns.get("timestamp")
    if not (
        isinstance(vectors, np.ndarray)
        and isinstance(times, np.ndarray)
        and vectors.dtype.kind == "f"
        and vectors.ndim == 2
        and len(vectors) == rows > 0
        and 0 < vectors.shape[1] <= limits().dim_max
        and times.dtype.kind == "M"
        and times.shape == (rows,)
    ):
        return None
    with np.errstate(over="ignore"):
        matrix: Float32Array = np.ascontiguousarray(vectors, dtype=np.float32)
    micros: Int64Array = times.astype("datetime64[us]").astype(np.int64)
    if not (
        np.isfinite(matrix).all()
        and (micros >= TIME_MIN_US).all()
        and (micros <= TIME_MAX_US).all()
        and (micros.astype("datetime64[us]") == times).all()
    ):
        return None
    try:
        texts = {
            name: _checked_texts(kind, _spread(name, columns[name], rows))
            for name, kind in _TEXTS.items()
            if name in columns
        }
        encoded = None
        if "metadata" in columns:
            encoded = [
                metadata_bytes(one) for one in _spread("metadata", columns["metadata"], rows)
            ]
    except (TypeError, ValueError):
        return None
    return PointBatch.of_columns(vector=matrix, timestamp=micros, metadata=encoded, **texts)


def _checked_texts(kind: TypeAdapter[str], values: Sequence[Any]) -> Sequence[Any]:
    for value in set(values):
        kind.validate_python(value)
    return values


def _invalid(field: str, message: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"column {field!r} {message}", [ErrorDetail(field=field, message=message)]
    )
