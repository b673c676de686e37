"""DuckDB files: the truth of a partition and the checkpoints of the state.

Written by appending once, without indexes or constraints, in the storage version of DuckDB 1.5, so
that any stock DuckDB from 1.5 on reads them.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Container, Mapping
from pathlib import Path

import duckdb
import pyarrow as pa

from tsvec.model.errors import CorruptError
from tsvec.storage.schema import partition_schema

STORAGE_VERSION = "v1.5.0"
_MEMORY_LIMIT = "1GB"
_VECTOR_ROWS = 2_048
"""DuckDB works on this many rows at a time; row groups are multiples of it."""
_GROUP_ROWS_MAX = 60 * _VECTOR_ROWS
_GROUP_BYTES = 64 << 20
"""What the vectors of a row group may take: DuckDB holds one in memory until it is complete."""
_READ_ROWS = 16_384
_TABLES = "SELECT table_name FROM duckdb_tables() WHERE database_name = 'file'"
_TYPES = {
    pa.large_string(): "VARCHAR",
    pa.large_binary(): "BLOB",
    pa.int64(): "BIGINT",
    pa.uint32(): "UINTEGER",
    pa.uint64(): "UBIGINT",
    pa.timestamp("us", "UTC"): "TIMESTAMPTZ",
}


class DuckFiles:
    """Writes and reads DuckDB files below one directory; external access is off beyond it.

    One file at a time: threads that must not wait for each other have an instance each, also over
    the same directory.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None

    def write_points(self, path: Path, table: pa.Table, dim: int) -> None:
        """A new file with the table `points`, of `partition_schema(dim)`, rows in this order.

        ValueError if the table has other columns, OSError if DuckDB cannot write.
        """
        if table.schema != partition_schema(dim):
            raise ValueError(f"the table is not of the schema of a partition of dim {dim}")
        self._write(path, {"points": table}, group_rows_of(dim))

    def write(self, path: Path, tables: Mapping[str, pa.Table]) -> None:
        """A new file with these tables, rows in the order given; OSError if DuckDB cannot.

        The tables may come in any number of chunks, which are read one after the other.
        """
        self._write(path, tables, _GROUP_ROWS_MAX)

    def _write(self, path: Path, tables: Mapping[str, pa.Table], group_rows: int) -> None:
        with self._lock:
            connection = self._connect()
            try:
                connection.execute(
                    f"ATTACH {quoted(path)} AS file "
                    f"(STORAGE_VERSION '{STORAGE_VERSION}', ROW_GROUP_SIZE {group_rows})"
                )
                # One transaction: each would sync the file.
                connection.begin()
                connection.execute(
                    ";".join(
                        f"CREATE TABLE file.{name} ({columns_of(table.schema)})"
                        for name, table in tables.items()
                    )
                )
                for name, table in tables.items():
                    if getattr(table, "num_rows", 1):
                        connection.register("source_rows", table)
                        connection.execute(f"INSERT INTO file.{name} SELECT * FROM source_rows")
                        connection.unregister("source_rows")
                connection.commit()
                connection.execute("DETACH file")
            except duckdb.Error as error:
                connection.close()
                self._connection = None
                code = errno.ENOSPC if "No space left" in str(error) else errno.EIO
                raise OSError(code, f"DuckDB could not write {path}: {error}") from error

    def read(self, path: Path, *names: str, optional: Container[str] = ()) -> dict[str, pa.Table]:
        """All rows of these tables, in the order they were written.

        An `optional` table that the file does not have is left out. CorruptError if DuckDB refuses
        the file or one of the tables.
        """
        with self._lock:
            connection = self._connect()
            try:
                connection.execute(f"ATTACH {quoted(path)} AS file (READ_ONLY)")
            except duckdb.Error as error:
                raise CorruptError(f"{path}: DuckDB cannot open it: {error}") from error
            try:
                there = {name for (name,) in connection.execute(_TABLES).fetchall()}
                return {
                    name: _read(connection, path, name)
                    for name in names
                    if name in there or name not in optional
                }
            finally:
                connection.execute("DETACH file")

    def close(self) -> None:
        """Let DuckDB go."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _connect(self) -> duckdb.DuckDBPyConnection:
        if self._connection is None:
            connection = duckdb.connect(
                config={"threads": 1, "memory_limit": _MEMORY_LIMIT, "temp_directory": ""}
            )
            connection.execute(f"SET allowed_directories = [{quoted(self._root)}]")
            connection.execute("SET enable_external_access = false")
            connection.execute("SET autoinstall_known_extensions = false")
            connection.execute("SET autoload_known_extensions = false")
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("SET preserve_insertion_order = true")
            connection.execute("SET lock_configuration = true")
            self._connection = connection
        return self._connection


def group_rows_of(dim: int) -> int:
    """Rows of a row group of vectors of this many elements."""
    rows = _GROUP_BYTES // (4 * dim) // _VECTOR_ROWS * _VECTOR_ROWS
    return min(max(rows, _VECTOR_ROWS), _GROUP_ROWS_MAX)


def _read(connection: duckdb.DuckDBPyConnection, path: Path, name: str) -> pa.Table:
    """The rows as they lie in the file: sorting them by row number would take them all twice."""
    try:
        return connection.sql(f"FROM file.{name}").to_arrow_reader(_READ_ROWS).read_all()
    except duckdb.Error as error:
        raise CorruptError(f"{path}: DuckDB cannot read {name}: {error}") from error


def columns_of(schema: pa.Schema) -> str:
    """The columns of a table as SQL."""
    return ", ".join(
        f"{field.name} {_type(field.type)}{'' if field.nullable else ' NOT NULL'}"
        for field in schema
    )


def _type(kind: pa.DataType) -> str:
    if pa.types.is_fixed_size_list(kind):
        return f"FLOAT[{kind.list_size}]"
    return _TYPES[kind]


def quoted(path: Path) -> str:
    """A path as an SQL text."""
    return "'" + str(path).replace("'", "''") + "'"
