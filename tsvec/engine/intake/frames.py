"""Frames: tables of this process, by the Arrow PyCapsule protocol, or structured arrays of numpy.

Whoever made a frame - pyarrow, pandas, polars, DuckDB - is not imported here and need not be
installed. What reads its columns is the decoder of Arrow bodies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa

from tsvec.engine.intake.arrow import FIELDS, batch_from_table, joined, wrong_column
from tsvec.engine.intake.refused_rows import check_row_count
from tsvec.engine.intake.structured import is_structured, table_of_array
from tsvec.model.errors import InvalidRequestError, TooLargeError, did_you_mean
from tsvec.model.limits import limits
from tsvec.model.points import OnError, PointBatch
from tsvec.model.validation import invalid_field

_KEYWORDS = ("columns", "vector", "metadata")

_ROW_LABELS = re.compile(r"__index_level_\d+__")
"""What pandas calls an index without a name when it hands out a frame."""


def is_frame(given: object) -> bool:
    """Whether something is a table that can be read here."""
    return hasattr(given, "__arrow_c_stream__") or _is_array(given) or is_structured(given)


def _is_array(given: object) -> bool:
    return hasattr(given, "__arrow_c_array__")


@dataclass(frozen=True, slots=True)
class FramePlan:
    """What the columns of a frame are used for, where their names do not say it.

    `names` gives columns the names of fields, None for those to leave out; `vector` are several
    columns of numbers, an element each; `metadata` are columns to keep by their own names.
    """

    names: Mapping[str, str | None]
    vector: tuple[str, ...] = ()
    metadata: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        columns: Mapping[str, str | None] | None = None,
        vector: str | Sequence[str] | None = None,
        metadata: str | Sequence[str] | None = None,
    ) -> Self:
        """The plan that the keywords of `ingest` ask for; one name renames that column."""
        names = _checked_names(columns)
        groups = {}
        for field, given in (("vector", vector), ("metadata", metadata)):
            if isinstance(given, str):
                names[given] = field
                given = None  # noqa: PLW2901
            groups[field] = _checked_group(field, given)
        return cls(names, **groups)

    @classmethod
    def given(cls, fields: Mapping[str, Any]) -> Self:
        """The plan in keywords beside a frame; InvalidRequestError for any other keyword."""
        for name in fields:
            if name not in _KEYWORDS:
                raise invalid_field(
                    name,
                    f"does not go with a frame; only {', '.join(_KEYWORDS)} do"
                    f"{did_you_mean(name, _KEYWORDS)}",
                )
        return cls.of(**fields)

    def apply(self, table: Any) -> Any:
        """The table of the fields of points."""
        present = table.column_names
        self._check_present(present)
        grouped = {*self.vector, *self.metadata}
        found: dict[str, Any] = {}
        for place, name in enumerate(present):
            if name in grouped:
                continue
            field = self.names.get(name, name)
            column = table.column(place)
            if field is None or (name not in self.names and _is_row_labels(name, column.type)):
                continue
            if field not in FIELDS:
                raise wrong_column(name, _unknown(name))
            self._put(found, field, name, column)
        if self.vector:
            columns = [_numbers(name, table.column(name)) for name in self.vector]
            self._put(found, "vector", ", ".join(self.vector), _vectors(columns))
        if self.metadata:
            arrays = [_plain(table.column(name), coded=False) for name in self.metadata]
            struct = pa.StructArray.from_arrays(arrays, list(self.metadata))
            self._put(found, "metadata", ", ".join(self.metadata), struct)
        for field in ("entity_id", "vector"):
            if field not in found:
                raise wrong_column(field, _missing(field, present))
        return pa.table({field: _readable(field, column) for field, column in found.items()})

    def _put(self, found: dict[str, Any], field: str, name: str, column: Any) -> None:
        if field in found:
            raise wrong_column(
                name, f"another column is the {field} already; leave one of them out"
            )
        found[field] = column

    def _check_present(self, present: Sequence[str]) -> None:
        for name in (*self.names, *self.vector, *self.metadata):
            if name not in present:
                hint = did_you_mean(name, present) or f"; there are {', '.join(present)}"
                raise wrong_column(name, f"the frame has no such column{hint}")
            if present.count(name) > 1:
                raise wrong_column(name, "there are several columns of this name")


def batch_of_frame(
    frame: Any, plan: FramePlan, on_error: OnError, *, dim: int | None
) -> PointBatch:
    """The points of a frame that is one commit; `dim` is the collection's, if known.

    InvalidRequestError naming column, or field and row; TooLargeError beyond `batch_rows_max`.
    """
    if isinstance(frame, pa.RecordBatchReader):
        raise InvalidRequestError(
            "a reader can be read once only, whatever becomes of its points; "
            "give it to ingest_frames, or read it first with read_all()"
        )
    batches, rows, most = [], 0, limits().batch_rows_max
    schema, stream = read_batches(frame)
    for batch in stream:
        rows += batch.num_rows
        if rows > most:
            raise TooLargeError(
                f"a frame of more than {most} rows (batch_rows_max) is too large "
                "for one commit; ingest_frames stores it in several"
            )
        batches.append(batch)
    check_row_count(rows)
    return batch_of_table(pa.Table.from_batches(batches, schema), plan, on_error, dim=dim)


def batch_of_table(
    table: Any, plan: FramePlan, on_error: OnError, *, dim: int | None, first_row: int = 0
) -> PointBatch:
    """The points of a piece of a frame, whose rows are counted from `first_row`."""
    columns = plan.apply(table)
    return batch_from_table(columns, on_error, dim, first_row=first_row, needs_times=True)


def read_batches(frame: Any) -> tuple[pa.Schema, Iterator[Any]]:
    """The schema of a frame and its record batches, validated one by one as they come."""
    try:
        reader = _reader(frame)
        schema = reader.schema
        _ = schema.names  # Decoded late: names must be text.
    except (pa.ArrowException, UnicodeError) as error:
        raise _unreadable(error) from None
    return schema, _validated(reader)


def _reader(frame: Any) -> Any:
    if is_structured(frame):
        return table_of_array(frame).to_reader()
    if isinstance(frame, pa.RecordBatchReader):
        return frame
    if hasattr(frame, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(frame)
    return pa.table(frame).to_reader()


def _validated(reader: Any) -> Iterator[Any]:
    try:
        for batch in reader:
            batch.validate(full=True)
            yield batch
    except pa.ArrowException as error:
        raise _unreadable(error) from None


def _unreadable(error: Exception) -> InvalidRequestError:
    return InvalidRequestError(f"the frame cannot be read as a table: {error}")


def _checked_names(columns: Mapping[str, str | None] | None) -> dict[str, str | None]:
    if not isinstance(columns, Mapping | None):
        raise invalid_field("columns", 'is a mapping such as {"vehicle": "entity_id"}')
    names = dict(columns or {})
    for name, field in names.items():
        if field is not None and field not in FIELDS:
            near = " (the name in the frame comes first)" if name in FIELDS else ""
            raise invalid_field(
                "columns", f"maps {name!r} to {field!r}, which is none of {', '.join(FIELDS)}{near}"
            )
    return names


def _checked_group(field: str, given: Any) -> tuple[str, ...]:
    if given is None:
        return ()
    names = tuple(given) if isinstance(given, Sequence) else ()
    if not names or not all(isinstance(name, str) for name in names):
        raise invalid_field(field, "beside a frame is the name of a column, or a list of names")
    if len(set(names)) < len(names):
        raise invalid_field(field, "names a column twice")
    return names


def _unknown(name: str) -> str:
    if _ROW_LABELS.fullmatch(name):
        return (
            "this index has no name; give it one with rename_axis, such as 'timestamp', or drop it "
            "with reset_index(drop=True)"
        )
    return (
        "this is no field of a point; say what it is: "
        f"columns={{{name!r}: 'entity_id'}} (or another of {', '.join(FIELDS)}), "
        f"metadata=[{name!r}] to keep it, or columns={{{name!r}: None}} to leave it out"
    )


def _missing(field: str, present: Sequence[str]) -> str:
    several = ", or vector=[...] where each element has its own" if field == "vector" else ""
    return (
        f"this column is required; say which of {', '.join(present)} it is: "
        f"columns={{...: {field!r}}}{several}"
    )


def _is_row_labels(name: str, kind: Any) -> bool:
    """Whether a column numbers the rows of a pandas frame, as is left of an index by a filter.

    An index without a name that holds anything else, such as times, may well be meant.
    """
    return bool(_ROW_LABELS.fullmatch(name)) and pa.types.is_integer(kind)


def _readable(field: str, column: Any) -> Any:
    """A column in one of the types that the decoder reads."""
    if field == "timestamp" and pa.types.is_null(column.type):
        return column.cast(pa.timestamp("us", "UTC"))
    return _plain(column, coded=field != "metadata")


def _plain(column: Any, *, coded: bool) -> Any:
    """The same values in one chunk, without extension types, views and, unless `coded`, codes.

    Views and codes may stand for far more than they take, so bodies from outside can't have them.
    """
    if isinstance(column, pa.ChunkedArray):
        column = joined(column)
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        return _plain(column.storage, coded=coded)
    if pa.types.is_string_view(kind):
        return column.cast(pa.large_string())
    if pa.types.is_dictionary(kind):
        values = _plain(column.dictionary, coded=False)
        column = pa.DictionaryArray.from_arrays(column.indices, values)
        return column if coded else column.dictionary_decode()
    if pa.types.is_struct(kind) and not coded:
        fields = [_plain(field, coded=False) for field in column.flatten()]
        if fields:
            names = [field.name for field in kind]
            return pa.StructArray.from_arrays(fields, names, mask=column.is_null())
    return column


def _numbers(name: str, column: Any) -> Any:
    """A column of numbers as float32; NaN stands for null."""
    column = _plain(column, coded=False)
    kind = column.type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)):
        raise wrong_column(name, f"an element of a vector is a number, not {kind}")
    with np.errstate(over="ignore"):
        return column.to_numpy(zero_copy_only=False).astype(np.float32)


def _vectors(columns: Sequence[Any]) -> Any:
    matrix = np.stack(columns, axis=1)
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), len(columns))
