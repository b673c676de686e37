"""DuckDB files: the truth of a partition and the checkpoints of the state.

Written by appending once, without indexes or constraints, in the storage version of DuckDB 1.5, so
that any stock DuckDB from 1.5 on reads them.
"""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import duckdb
import pyarrow as pa

from tsvec.model.errors import CorruptError

STORAGE_VERSION = "v1.5.0"
_MEMORY_LIMIT = "1GB"


class DuckFiles:
    """Writes and reads DuckDB files below one directory; external access is off beyond it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None

    def write_points(self, path: Path, table: pa.Table, dim: int) -> None:
        """A new file with the table `points`, rows in the order given."""
        self._write(
            path,
            table,
            "points",
            "entity_id VARCHAR NOT NULL, entity_type VARCHAR NOT NULL, "
            "timestamp TIMESTAMPTZ NOT NULL, key VARCHAR, seq UBIGINT NOT NULL, "
            f"recorded_at TIMESTAMPTZ NOT NULL, vector FLOAT[{dim}] NOT NULL, "
            "metadata VARCHAR NOT NULL",
        )

    def write_entities(self, path: Path, table: pa.Table) -> None:
        """A new file with the table `entities`, rows in the order of their numbers."""
        self._write(
            path,
            table,
            "entities",
            "entity_id VARCHAR NOT NULL, entity_type VARCHAR NOT NULL, "
            "first_seen BIGINT NOT NULL, last_seen BIGINT NOT NULL, points BIGINT NOT NULL",
        )

    def read(self, path: Path, name: str) -> pa.Table:
        """All rows of a table, in the order they were written; CorruptError if DuckDB refuses."""
        with self._lock:
            connection = self._connect()
            try:
                connection.execute(f"ATTACH {_quoted(path)} AS file (READ_ONLY)")
            except duckdb.Error as error:
                raise CorruptError(f"{path}: DuckDB cannot open it: {error}") from error
            try:
                return connection.sql(f"SELECT * FROM file.{name} ORDER BY rowid").to_arrow_table()
            except duckdb.Error as error:
                raise CorruptError(f"{path}: DuckDB cannot read {name}: {error}") from error
            finally:
                connection.execute("DETACH file")

    def close(self) -> None:
        """Let DuckDB go."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _write(self, path: Path, table: pa.Table, name: str, columns: str) -> None:
        with self._lock:
            connection = self._connect()
            try:
                connection.execute(
                    f"ATTACH {_quoted(path)} AS file (STORAGE_VERSION '{STORAGE_VERSION}')"
                )
                connection.execute(f"CREATE TABLE file.{name} ({columns})")
                connection.register("source_rows", table)
                connection.execute(f"INSERT INTO file.{name} SELECT * FROM source_rows")
                connection.unregister("source_rows")
                connection.execute("DETACH file")
            except duckdb.Error as error:
                connection.close()
                self._connection = None
                code = errno.ENOSPC if "No space left" in str(error) else errno.EIO
                raise OSError(code, f"DuckDB could not write {path}: {error}") from error

    def _connect(self) -> duckdb.DuckDBPyConnection:
        if self._connection is None:
            connection = duckdb.connect(
                config={"threads": 1, "memory_limit": _MEMORY_LIMIT, "temp_directory": ""}
            )
            connection.execute(f"SET allowed_directories = [{_quoted(self._root)}]")
            connection.execute("SET enable_external_access = false")
            connection.execute("SET autoinstall_known_extensions = false")
            connection.execute("SET autoload_known_extensions = false")
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("SET preserve_insertion_order = true")
            connection.execute("SET lock_configuration = true")
            self._connection = connection
        return self._connection


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
