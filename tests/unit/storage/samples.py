"""Small frames, tables and manifests for the tests of storage."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa

from tsvec.model.collections import CollectionConfig
from tsvec.storage.failpoints import FailPoints
from tsvec.storage.files import Files
from tsvec.storage.log.chain import Log
from tsvec.storage.log.frames import Frame, Kind, Operation
from tsvec.storage.log.segment import HEADER_BYTES
from tsvec.storage.manifest import LogEntry, Manifest
from tsvec.storage.schema import partition_schema, times_to_arrow, vectors_to_arrow
from tsvec.storage.sections.writer import write_columns

HISTORY = 0x0123_4567_89AB_CDEF
SEGMENT_BYTES = 1 << 16
MINUTE_US = 60_000_000


def files_with(rules: str) -> Files:
    """Files whose fail points follow these rules."""
    return Files(FailPoints(rules))


def data_frame(first_seq: int, payload: bytes, *, count: int = 1, history: int = HISTORY) -> Frame:
    recorded_at = 1_700_000_000_000_000 + first_seq
    return Frame(
        Kind.DATA, Operation.INSERT_POINTS, history, first_seq, count, recorded_at, payload
    )


def create_log(directory, files: Files | None = None, *, history: int = HISTORY, **sizes) -> Log:
    bytes_min = sizes.get("bytes_min", SEGMENT_BYTES)
    bytes_max = sizes.get("bytes_max", SEGMENT_BYTES)
    return Log.create(
        files or Files(),
        directory,
        history=history,
        created_at=1,
        segment_bytes=(bytes_min, bytes_max),
    )


def reopen(directory, files: Files | None = None, history: int | None = HISTORY):
    """The log of a directory after recovery, and what it replayed."""
    log = Log.open(files or Files(), directory, SEGMENT_BYTES, history)
    try:
        frames = [fingerprint(frame) for frame in log.replay(log.start)]
    except BaseException:
        log.close()
        raise
    return log, frames


def fingerprint(frame: Frame) -> tuple:
    """All that a frame says, comparable."""
    return (
        frame.kind,
        frame.operation,
        frame.history,
        frame.first_seq,
        frame.count,
        frame.recorded_at,
        frame.sub,
        bytes(frame.payload),
    )


def points_table(
    rows: int, dim: int = 3, *, seed: int = 0, keys: bool = False, dead: bool = False
) -> pa.Table:
    """Rows of `partition_schema`, by (timestamp, seq), of several entities, every third dead."""
    chance = np.random.default_rng(seed)
    vectors = chance.normal(size=(rows, dim)).astype(np.float32)
    times = np.sort(chance.integers(0, 10_000, rows)) * MINUTE_US
    seqs = np.arange(1, rows + 1, dtype=np.uint64)
    names = [f"entity-{number}" for number in chance.integers(0, 9, rows)]
    return pa.Table.from_arrays(
        [
            pa.array(names, pa.large_string()),
            pa.array(["SHIP"] * rows, pa.large_string()),
            times_to_arrow(times),
            pa.array(
                [f"k{row}" if keys and row % 2 else None for row in range(rows)], pa.large_string()
            ),
            pa.array(seqs),
            times_to_arrow(times + 7),
            vectors_to_arrow(vectors),
            pa.array([f'{{"row":{row}}}' for row in range(rows)], pa.large_string()),
            *dead_columns(rows, every=3 if dead else 0),
        ],
        schema=partition_schema(dim),
    )


def dead_columns(rows: int, *, every: int) -> list[pa.Array]:
    """The columns of deaths where one row of `every` is dead, none if that is 0."""
    dead = [every > 0 and row % every == 0 for row in range(rows)]
    causes = [("replaced", "deleted")[row // max(every, 1) % 2] for row in range(rows)]
    seqs = [10_000 + row if is_dead else None for row, is_dead in enumerate(dead)]
    return [
        pa.array(seqs, pa.uint64()),
        pa.array(seqs, pa.int64()).cast(pa.timestamp("us", "UTC")),
        pa.array(
            [cause if is_dead else None for cause, is_dead in zip(causes, dead, strict=True)],
            pa.large_string(),
        ),
    ]


def in_chunks(table: pa.Table, *rows: int) -> pa.Table:
    """The same rows in chunks of these sizes, some perhaps empty, and a last one of the rest."""
    begins = np.cumsum([0, *rows]).tolist()
    pieces = [table.slice(low, size) for low, size in zip(begins, rows, strict=False)]
    return pa.concat_tables([*pieces, table.slice(begins[-1])])


def encoded_columns(table: pa.Table, dim: int, *, cosine: bool, source: str) -> bytes:
    """The bytes of columns.bin for a table."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "columns.bin"
        write_columns(Files(), path, table, dim, cosine=cosine, source=source)
        return path.read_bytes()


def manifest_of(**fields) -> Manifest:
    """A manifest of a new collection, with these fields instead."""
    defaults = {
        "generation": 1,
        "config": CollectionConfig(name="ships", dim=3, metric="l2"),
        "history": f"{HISTORY:016x}",
        "created_at": 1,
        "sealed_seq": 0,
        "recorded_at": 1,
        "log": LogEntry(segment=1, offset=HEADER_BYTES, chain=0, seq=1),
    }
    return Manifest(**(defaults | fields))


def flipped(data: bytes, bit: int) -> bytes:
    """The same bytes with one bit the other way."""
    copy = bytearray(data)
    copy[bit // 8] ^= 1 << bit % 8
    return bytes(copy)


def with_bit_flipped(path, bit: int) -> None:
    """Flip one bit of a file where it lies."""
    with path.open("r+b", buffering=0) as file:
        file.seek(bit // 8)
        (byte,) = file.read(1)
        file.seek(bit // 8)
        file.write(bytes([byte ^ 1 << bit % 8]))
