"""Files of rows: Parquet, Arrow IPC, CSV, JSON lines and NPZ, read in chunks of bounded size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from tsvec.model.errors import InvalidRequestError

Chunk = dict[str, Any]
"""Columns by name, all of one length: Arrow arrays, numpy arrays (vectors 2-d) or lists."""

Wanted = Mapping[str, bool]
"""Columns to read, and whether each is text whatever it looks like."""

Chunks = Callable[[int, Wanted], Iterator[Chunk]]
"""(rows of a chunk at most, at least these columns) -> the chunks."""

_CSV_BLOCK_BYTES = 8 << 20
_SNIFFED_LINES = 1_000


@dataclass(frozen=True, slots=True)
class Source:
    """A file of rows; `rows` is an estimate for CSV and JSON lines (line breaks are counted)."""

    names: list[str]
    rows: int
    chunks: Chunks


def open_source(path: Path) -> Source:
    """The file as a source of rows. Its kind is told by its first bytes, then by its name."""
    with path.open("rb") as file:
        start = file.read(8)
    with _told_by_name(path):
        source = _reader(start, path.suffix.lower())(path)
    repeated = [name for name, count in Counter(source.names).items() if count > 1]
    if repeated:
        raise InvalidRequestError(f"{path}: two columns are called {repeated[0]!r}; rename one")

    def chunks(size: int, wanted: Wanted) -> Iterator[Chunk]:
        with _told_by_name(path):
            yield from source.chunks(size, wanted)

    return replace(source, chunks=chunks)


@contextmanager
def _told_by_name(path: Path) -> Iterator[None]:
    """Errors of the libraries that read files, as one that names the file."""
    try:
        yield
    except (pa.ArrowException, ValueError, EOFError, BadZipFile) as error:
        raise InvalidRequestError(f"{path} cannot be read: {error}") from None


def _reader(start: bytes, suffix: str) -> Callable[[Path], Source]:
    by_start = {
        b"PAR1": _parquet,
        b"ARROW1": _arrow_file,
        b"\xff\xff\xff\xff": _arrow_stream,
        b"PK\x03\x04": _npz,
    }
    for magic, reader in by_start.items():
        if start.startswith(magic):
            return reader
    if suffix in {".jsonl", ".ndjson", ".json"} or start.lstrip().startswith(b"{"):
        return _json_lines
    if suffix in {".csv", ".tsv", ".txt"}:
        return _csv
    raise ValueError("it is none of Parquet, Arrow IPC, NPZ, JSON lines (.jsonl) and CSV (.csv)")


def _parquet(path: Path) -> Source:
    def chunks(size: int, wanted: Wanted) -> Iterator[Chunk]:
        with pa_parquet.ParquetFile(path) as file:
            yield from _chunks_of(file.iter_batches(batch_size=size, columns=[*wanted]), size)

    with pa_parquet.ParquetFile(path) as file:
        return Source(file.schema_arrow.names, file.metadata.num_rows, chunks)


def _arrow_file(path: Path) -> Source:
    def chunks(size: int, _: Wanted) -> Iterator[Chunk]:
        with pa.memory_map(str(path)) as mapped, pa.ipc.open_file(mapped) as file:
            batches = (file.get_batch(i) for i in range(file.num_record_batches))
            yield from _chunks_of(batches, size)

    with pa.memory_map(str(path)) as mapped, pa.ipc.open_file(mapped) as file:
        return Source(file.schema.names, file.count_rows(), chunks)


def _arrow_stream(path: Path) -> Source:
    def chunks(size: int, _: Wanted) -> Iterator[Chunk]:
        with pa.memory_map(str(path)) as mapped, pa.ipc.open_stream(mapped) as stream:
            yield from _chunks_of(stream, size)

    with pa.memory_map(str(path)) as mapped, pa.ipc.open_stream(mapped) as stream:
        return Source(stream.schema.names, sum(batch.num_rows for batch in stream), chunks)


def _csv(path: Path) -> Source:
    parsing = pa_csv.ParseOptions(delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
    reading = pa_csv.ReadOptions(block_size=_CSV_BLOCK_BYTES)

    def chunks(size: int, wanted: Wanted) -> Iterator[Chunk]:
        text = {name: pa.string() for name, is_text in wanted.items() if is_text}
        converting = pa_csv.ConvertOptions(column_types=text, include_columns=[*wanted])
        with pa_csv.open_csv(path, reading, parsing, converting) as file:
            try:
                yield from _chunks_of(file, size)
            except pa.ArrowInvalid as error:
                raise ValueError(
                    f"{error}; the kind of a column is told by its first rows, "
                    "and --metadata can leave out one that mixes kinds"
                ) from None

    with pa_csv.open_csv(path, reading, parsing) as file:
        return Source(file.schema.names, max(0, _count_lines(path) - 1), chunks)


def _json_lines(path: Path) -> Source:
    def objects() -> Iterator[Chunk]:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield _json_object(line, number)

    def chunks(size: int, _: Wanted) -> Iterator[Chunk]:
        rows: list[Chunk] = []
        for row in objects():
            rows.append(row)
            if len(rows) == size:
                yield _columns_of(rows)
                rows = []
        if rows:
            yield _columns_of(rows)

    names = dict.fromkeys(name for row in islice(objects(), _SNIFFED_LINES) for name in row)
    return Source(list(names), _count_lines(path), chunks)


def _json_object(line: bytes, number: int) -> Chunk:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise InvalidRequestError(f"line {number} is not JSON: {error}") from None
    if not isinstance(row, dict):
        raise InvalidRequestError(f"line {number}: one JSON object a line is expected")
    return row


def _npz(path: Path) -> Source:
    with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    rows = max((len(array) for array in arrays.values() if array.ndim == 2), default=0)
    if not rows:
        raise ValueError("an NPZ file needs a 2-d array of vectors, one row a point")
    columns = {name: array for name, array in arrays.items() if array.shape[:1] == (rows,)}
    for name, array in columns.items():
        names = arrays.get(f"{name}_names")
        if names is not None and array.dtype.kind in "iu":
            columns[name] = names[array]

    def chunks(size: int, _: Wanted) -> Iterator[Chunk]:
        for start in range(0, rows, size):
            yield {name: array[start : start + size] for name, array in columns.items()}

    return Source(list(columns), rows, chunks)


def _chunks_of(batches: Iterable[pa.RecordBatch], size: int) -> Iterator[Chunk]:
    """The same rows in chunks of `size`, whatever their batches; only the last may be shorter."""
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        waiting.append(batch)
        rows += batch.num_rows
        while rows >= size:
            table = pa.Table.from_batches(waiting)
            yield _columns_of_table(table.slice(0, size))
            waiting = table.slice(size).to_batches()
            rows -= size
    if rows:
        yield _columns_of_table(pa.Table.from_batches(waiting))


def _columns_of_table(table: pa.Table) -> Chunk:
    return {name: table.column(name).combine_chunks() for name in table.column_names}


def _columns_of(rows: list[Chunk]) -> Chunk:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _count_lines(path: Path) -> int:
    with path.open("rb") as file:
        count, last = 0, b"\n"
        while block := file.read(1 << 20):
            count += block.count(b"\n")
            last = block
        return count + (not last.endswith(b"\n"))
