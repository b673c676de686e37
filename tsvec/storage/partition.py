"""Partitions: the files of one sorted run of sealed points."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from tsvec.model.collections import CollectionConfig
from tsvec.model.errors import CorruptError
from tsvec.storage.checksums import sha256_of
from tsvec.storage.columns import ColumnsFile
from tsvec.storage.duck import DuckFiles
from tsvec.storage.files import Files
from tsvec.storage.layout import STAGED_SUFFIX, CollectionPaths
from tsvec.storage.manifest import FileEntry, PartitionEntry
from tsvec.storage.schema import partition_schema
from tsvec.storage.sections.writer import write_columns

_POINTS = "points.duckdb"
_COLUMNS = "columns.bin"


class PartitionStore:
    """Writes, opens, checks and rebuilds the partitions of one collection."""

    def __init__(self, files: Files, duck: DuckFiles, paths: CollectionPaths) -> None:
        self._files = files
        self._duck = duck
        self._paths = paths

    def write(
        self,
        name: str,
        table: pa.Table,
        config: CollectionConfig,
        *,
        step: Literal["seal", "compact"] = "seal",
    ) -> PartitionEntry:
        """A new partition of rows sorted by (timestamp, seq); live once a manifest names it.

        The table is of `partition_schema(config.dim)`, in any number of chunks, and not empty.
        `name` must be that of no live partition; `step` names the fail points on the way. Raises
        ValueError if the table is of another shape; an OSError leaves nothing behind.
        """
        staged = self._paths.partitions / (name + STAGED_SUFFIX)
        hit = self._files.failpoints.hit
        self._files.remove(staged)
        try:
            self._files.make_directory(staged)
            self._duck.write_points(staged / _POINTS, table, config.dim)
            self._files.sync_file(staged / _POINTS)
            points = _entry(staged / _POINTS, f"partitions/{name}/{_POINTS}")
            hit(f"{step}.truth_written")
            norm_max = self._write_columns(staged / _COLUMNS, table, config, points.sha256)
            columns = _entry(staged / _COLUMNS, f"partitions/{name}/{_COLUMNS}")
            hit(f"{step}.columns_written")
            self._files.sync_directory(staged)
            final = self._paths.partitions / name
            self._files.remove(final)
            self._files.rename(staged, final)
            hit(f"{step}.partition_renamed")
        except (OSError, ValueError):
            self._files.remove(staged)
            raise
        time_min, time_max = _bounds(table["timestamp"])
        seq_min, seq_max = _bounds(table["seq"])
        recorded_min, recorded_max = _bounds(table["recorded_at"])
        return PartitionEntry(
            name=name,
            rows=len(table),
            time_min=time_min,
            time_max=time_max,
            seq_min=seq_min,
            seq_max=seq_max,
            recorded_min=recorded_min,
            recorded_max=recorded_max,
            norm_max=norm_max,
            points=points,
            columns=columns,
            dead_rows=len(table) - table["dead_seq"].null_count,
        )

    def open(self, entry: PartitionEntry) -> ColumnsFile:
        """The mapped columns; CorruptError if they are not those the manifest means."""
        path = self._paths.root / entry.columns.path
        if not path.exists():
            raise CorruptError(f"{path} is missing")
        if path.stat().st_size != entry.columns.size:
            raise CorruptError(f"{path} has not the size the manifest gives")
        columns = ColumnsFile.open(path)
        if columns.source != entry.points.sha256 or columns.rows != entry.rows:
            raise CorruptError(f"{path} belongs to another partition")
        return columns

    def check_truth(self, entry: PartitionEntry) -> None:
        """Raise CorruptError unless the DuckDB file is there with the size the manifest gives."""
        path = self._paths.root / entry.points.path
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            raise CorruptError(f"{path} is missing; restore the directory from a backup") from None
        if size != entry.points.size:
            raise CorruptError(
                f"{path} has {size} bytes instead of {entry.points.size}; "
                "restore the directory from a backup"
            )

    def read_truth(self, entry: PartitionEntry, dim: int) -> pa.Table:
        """The rows of the DuckDB file, after its sha256 was checked."""
        path = self._paths.root / entry.points.path
        self.check_truth(entry)
        if sha256_of(path) != entry.points.sha256:
            raise CorruptError(f"{path} is damaged: its sha256 does not match the manifest")
        table = self._duck.read(path, "points")["points"].cast(partition_schema(dim))
        if len(table) != entry.rows:
            raise CorruptError(f"{path} holds {len(table)} rows instead of {entry.rows}")
        return table

    def rebuild_columns(self, entry: PartitionEntry, config: CollectionConfig) -> ColumnsFile:
        """Write columns.bin again from the DuckDB file, byte for byte what it was."""
        table = self.read_truth(entry, config.dim)
        path = self._paths.root / entry.columns.path
        scratch = path.with_suffix(STAGED_SUFFIX)
        try:
            self._write_columns(scratch, table, config, entry.points.sha256)
            self._files.rename(scratch, path)
        except OSError:
            self._files.remove(scratch)
            raise
        return self.open(entry)

    def _write_columns(
        self, path: Path, table: pa.Table, config: CollectionConfig, source: str
    ) -> float:
        is_cosine = config.metric == "cosine"
        return write_columns(self._files, path, table, config.dim, cosine=is_cosine, source=source)


def _bounds(column: pa.ChunkedArray) -> tuple[int, int]:
    """The least and the greatest of a column of seqs or times, times in µs since 1970 UTC."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    found = pc.min_max(column).as_py()
    return found["min"], found["max"]


def _entry(path: Path, name: str) -> FileEntry:
    return FileEntry(path=name, size=path.stat().st_size, sha256=sha256_of(path))
