"""Structured arrays of numpy as tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from tsvec.engine.intake.arrow import wrong_column

_COARSE = {"Y", "M", "W", "D", "h", "m"}
"""Units of datetime64 that Arrow has not; a whole number of seconds is in each."""


def is_structured(given: object) -> bool:
    """Whether something is an array of records."""
    return isinstance(given, np.ndarray) and given.dtype.names is not None


def table_of_array(array: Any) -> Any:
    """The table of an array of records, a column a field.

    `datetime64` is UTC, as everywhere in numpy; a field that is itself an array of numbers is a
    vector. InvalidRequestError names a field that has no place in a table.
    """
    records = np.atleast_1d(array)
    if records.ndim > 1:
        raise wrong_column("points", f"an array of records has one dimension, not {records.ndim}")
    return pa.table({name: _column(name, records[name]) for name in records.dtype.names or ()})


def _column(name: str, values: Any) -> Any:
    try:
        if values.ndim == 2 and values.shape[1]:
            flat = pa.array(np.ascontiguousarray(values).reshape(-1))
            return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
        if values.ndim == 1 and values.dtype.kind == "M":
            return _times(name, values)
        if values.ndim == 1:
            return pa.array(np.ascontiguousarray(values))
    except pa.ArrowException as error:
        raise wrong_column(name, str(error)) from None
    raise wrong_column(name, f"a value or a vector a row is expected, not {values.shape[1:]}")


def _times(name: str, values: Any) -> Any:
    unit, _ = np.datetime_data(values.dtype)
    if unit in _COARSE:
        unit = "s"
    times = np.ascontiguousarray(values, f"datetime64[{unit}]")
    if not ((times.astype(values.dtype) == values) | np.isnat(values)).all():
        raise wrong_column(name, "event times lie in the years 0001 to 9999")
    return pa.array(times).cast(pa.timestamp(unit, "UTC"))
