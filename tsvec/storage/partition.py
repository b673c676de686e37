"""Partitions: the files of one sorted run of sealed points."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from tsvec.model.collections import CollectionConfig
from tsvec.model.errors import CorruptError
from tsvec.storage.checksums import sha256_of
from tsvec.storage.columns import ColumnsFile, encode_columns
from tsvec.storage.duck import DuckFiles
from tsvec.storage.files import Files
from tsvec.storage.layout import CollectionPaths
from tsvec.storage.manifest import FileEntry, PartitionEntry
from tsvec.storage.schema import partition_schema

_POINTS = "points.duckdb"
_COLUMNS = "columns.bin"
_STAGED = ".tmp"


class PartitionStore:
    """Writes, opens, checks and rebuilds the partitions of one collection."""

    def __init__(self, files: Files, duck: DuckFiles, paths: CollectionPaths) -> None:
        self._files = files
        self._duck = duck
        self._paths = paths

    def write(self, name: str, table: pa.Table, config: CollectionConfig) -> PartitionEntry:
        """A new partition of rows sorted by (timestamp, seq); live once a manifest names it.

        `name` must be that of no live partition.
        """
        seqs = pc.min_max(table["seq"]).as_py()
        staged = self._paths.partitions / (name + _STAGED)
        self._files.remove(staged)
        try:
            self._files.make_directory(staged)
            self._duck.write_points(staged / _POINTS, table, config.dim)
            self._files.sync_file(staged / _POINTS)
            points = _entry(staged / _POINTS, f"partitions/{name}/{_POINTS}")
            self._files.failpoints.hit("seal.truth_written")
            content = encode_columns(
                table, config.dim, cosine=config.metric == "cosine", source=points.sha256
            )
            self._files.write_file(staged / _COLUMNS, content)
            columns = _entry(staged / _COLUMNS, f"partitions/{name}/{_COLUMNS}")
            self._files.failpoints.hit("seal.columns_written")
            self._files.sync_directory(staged)
            final = self._paths.partitions / name
            self._files.remove(final)
            self._files.rename(staged, final)
            self._files.failpoints.hit("seal.partition_renamed")
        except OSError:
            self._files.remove(staged)
            raise
        times = table["timestamp"].cast(pa.int64())
        return PartitionEntry(
            name=name,
            rows=len(table),
            time_min=times[0].as_py(),
            time_max=times[-1].as_py(),
            seq_min=seqs["min"],
            seq_max=seqs["max"],
            points=points,
            columns=columns,
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
        table = self._duck.read(path, "points").cast(partition_schema(dim))
        if len(table) != entry.rows:
            raise CorruptError(f"{path} holds {len(table)} rows instead of {entry.rows}")
        return table

    def rebuild_columns(self, entry: PartitionEntry, config: CollectionConfig) -> ColumnsFile:
        """Write columns.bin again from the DuckDB file, byte for byte what it was."""
        table = self.read_truth(entry, config.dim)
        content = encode_columns(
            table, config.dim, cosine=config.metric == "cosine", source=entry.points.sha256
        )
        path = self._paths.root / entry.columns.path
        scratch = path.with_suffix(".tmp")
        self._files.write_file(scratch, content)
        self._files.rename(scratch, path)
        return self.open(entry)


def _entry(path: Path, name: str) -> FileEntry:
    return FileEntry(path=name, size=path.stat().st_size, sha256=sha256_of(path))
