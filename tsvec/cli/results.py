"""The rows of a statement: a table for people, JSON, JSON lines or CSV for programs."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import Any, Literal

import orjson
import pyarrow as pa
from rich.text import Text

from tsvec.cli import render
from tsvec.cli.console import tell

Format = Literal["table", "json", "jsonl", "csv"]
_INT_MIN, _INT_MAX = -(2**63), 2**64 - 1
"""What a JSON integer is written of; a larger one becomes text."""
TABLE_ROWS_MAX = 100
"""Rows of a table for people; the other formats have all of them."""


def show_rows(schema: pa.Schema, batches: Iterable[pa.RecordBatch], how: Format) -> None:
    """Write rows to stdout as they come."""
    WRITERS[how](_names(schema), _rows(batches))


def plain(value: Any) -> Any:
    """A value as JSON has it: times in RFC 3339, whole decimals as integers, bytes in hex."""
    match value:
        case datetime():
            if value.tzinfo is None:
                return value.isoformat()
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case Decimal():
            return plain(int(value)) if value == value.to_integral_value() else float(value)
        case bytes():
            return value.hex()
        case Mapping():
            return {str(name): plain(inner) for name, inner in value.items()}
        case list() | tuple():
            return [plain(inner) for inner in value]
        case int() if not _INT_MIN <= value <= _INT_MAX:
            return str(value)
        case None | bool() | int() | float() | str():
            return value
        case _:
            return str(value)


def _names(schema: pa.Schema) -> list[str]:
    """The names of the columns, each once: JSON has no two members of a name."""
    names: list[str] = []
    for name in schema.names:
        number, unique = 1, name
        while unique in names:
            number += 1
            unique = f"{name}_{number}"
        names.append(unique)
    return names


def _rows(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[Any, ...]]:
    for batch in batches:
        columns = [_readable(column).to_pylist() for column in batch.columns]
        yield from zip(*columns, strict=True)


def _readable(column: pa.Array) -> pa.Array:
    """A column whose values Python has a type for."""
    is_nanos = pa.types.is_timestamp(column.type) and column.type.unit == "ns"
    return column.cast(pa.string()) if is_nanos else column


def _write_table(names: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> None:
    shown = list(islice(rows, TABLE_ROWS_MAX))
    made = render.table(names, right=_numeric(names, shown))
    for column in made.columns:
        column.no_wrap = False
    for row in shown:
        made.add_row(*(render.cell(_cell(value)) for value in row))
    tell(made)
    if next(rows, None) is None:
        told = render.plural(len(shown), "row")
    else:
        told = f"the first {TABLE_ROWS_MAX} rows; --csv or --json writes all of them"
    tell(Text(told, style="dim"))


def _numeric(names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> list[str]:
    kinds = int | float | Decimal
    return [
        name
        for place, name in enumerate(names)
        if rows and all(row[place] is None or isinstance(row[place], kinds) for row in rows)
    ]


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case datetime():
            return render.moment(value)
        case float():
            return f"{value:.6g}"
        case list() if value and all(isinstance(one, float) for one in value):
            return render.vector(value)
        case str():
            return render.printable(value)
        case _:
            return render.printable(_text(value))


def _write_json(names: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> None:
    separator = "["
    for row in rows:
        sys.stdout.write(separator + _object(names, row))
        separator = ",\n"
    sys.stdout.write("[]\n" if separator == "[" else "]\n")


def _write_json_lines(names: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> None:
    sys.stdout.writelines(f"{_object(names, row)}\n" for row in rows)


def _write_csv(names: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_text(value) for value in row] for row in rows)


def _text(value: Any) -> str:
    """A value as one text: null is empty, lists and objects are JSON."""
    made = plain(value)
    if made is None:
        return ""
    return made if isinstance(made, str) else _json(made)


def _object(names: Sequence[str], row: tuple[Any, ...]) -> str:
    return _json(dict(zip(names, (plain(value) for value in row), strict=True)))


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


WRITERS: dict[Format, Callable[[Sequence[str], Iterator[tuple[Any, ...]]], None]] = {
    "table": _write_table,
    "json": _write_json,
    "jsonl": _write_json_lines,
    "csv": _write_csv,
}
