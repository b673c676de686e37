"""The Arrow types of the records of the model, field by field."""

from __future__ import annotations

import types
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import numpy as np
import orjson
import pyarrow as pa
from pydantic import BaseModel

from tsvec.model.vectors import Float32Array
from tsvec.storage.schema import vectors_to_arrow

TEXT: Final = pa.large_string()
TIME: Final = pa.timestamp("us", "UTC")
_PLAIN = {str: TEXT, datetime: TIME, int: pa.int64(), float: pa.float64(), bool: pa.bool_()}


def schema_of(record: type[BaseModel], dim: int | None) -> pa.Schema:
    """The columns of a table of these records, in the order of their fields.

    Texts are large_string, times timestamp[us, UTC], JSON objects large_string holding their text,
    vectors fixed_size_list<float32>(dim), or of type null if `dim` is None.
    """
    fields = []
    for name, info in record.model_fields.items():
        kind, is_nullable = _without_none(info.annotation)
        fields.append(pa.field(name, _arrow_type(kind, dim), nullable=is_nullable))
    return pa.schema(fields)


def column_of(field: pa.Field, values: Sequence[Any]) -> pa.Array:
    """Values of a record's field as a column of its type."""
    if pa.types.is_fixed_size_list(field.type):
        return _vector_column(values, field.type.list_size)
    if field.type == TEXT:
        values = [orjson.dumps(one).decode() if isinstance(one, dict) else one for one in values]
    return pa.array(values, field.type)


def _arrow_type(kind: Any, dim: int | None) -> pa.DataType:
    if kind in _PLAIN:
        return _PLAIN[kind]
    origin = get_origin(kind)
    if origin is Literal or origin is dict:
        return TEXT
    if origin is list:
        return pa.null() if dim is None else pa.list_(pa.float32(), dim)
    raise TypeError(f"{kind} has no place in a table")


def _without_none(annotation: Any) -> tuple[Any, bool]:
    """The kind of a field, and whether it may be None."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) not in {Union, types.UnionType}:
        return annotation, False
    [kind] = [one for one in get_args(annotation) if one is not type(None)]
    return _without_none(kind)[0], True


def _vector_column(values: Iterable[Float32Array | None], dim: int) -> pa.Array:
    given = list(values)
    absent = np.array([one is None for one in given], np.bool_)
    matrix = np.zeros((len(given), dim), np.float32)
    if not absent.all():
        matrix[~absent] = [one for one in given if one is not None]
    if not absent.any():
        return vectors_to_arrow(matrix)
    flat = pa.array(matrix.reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, dim, mask=pa.array(absent))
