"""Runs predicates over columns of JSON texts, in a DuckDB that reaches nothing else."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tsvec.model.errors import UnavailableError
from tsvec.model.vectors import Int64Array
from tsvec.storage.predicates.sql import DOCUMENTS, CompiledPredicate

_MEMORY_LIMIT = "1GB"
_CURSORS_MAX = 4
"""Queries that run at once, each in the thread that asks; others wait."""

_VECTOR_ROWS = 2_048
"""DuckDB works on this many rows at a time, or on one batch of them if that is smaller."""

_BATCH_BYTES = 4 << 20
"""Bytes of documents that DuckDB may have to take apart at a time."""

_NESTED_MAX = 32
"""Values at different paths overlap only so often as a document nests."""


class PredicateRunner:
    """Safe to use from several threads. It connects when it is first asked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._idle: deque[duckdb.DuckDBPyConnection] = deque()
        self._free = threading.Semaphore(_CURSORS_MAX)

    def run(self, predicate: CompiledPredicate, documents: pa.Array) -> NDArray[np.bool_]:
        """Whether the predicate holds of each document; these are large_string or large_binary.

        UnavailableError if DuckDB cannot answer.
        """
        if not len(documents):
            return np.empty(0, np.bool_)
        texts = documents.view(pa.large_string())
        batches = pa.chunked_array(list(_batches(texts, predicate.paths)), pa.large_string())
        with self._free:
            cursor = self._take_cursor()
            try:
                cursor.register(DOCUMENTS, pa.table({"document": batches}))
                found = cursor.execute(predicate.sql, predicate.parameters).fetchnumpy()
                cursor.unregister(DOCUMENTS)
            except duckdb.Error as error:
                cursor.close()
                raise UnavailableError(f"the filter could not be evaluated: {error}") from error
            self._idle.append(cursor)
        holds: NDArray[np.bool_] = found["holds"]
        return holds

    def close(self) -> None:
        """Let DuckDB go; it is connected again if it is asked again."""
        with self._lock:
            self._idle.clear()
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _take_cursor(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            if self._idle:
                return self._idle.pop()
            if self._connection is None:
                self._connection = _connect()
            return self._connection.cursor()


def _connect() -> duckdb.DuckDBPyConnection:
    """One thread a query, which is the caller's own: queries of several run beside each other."""
    connection = duckdb.connect(
        ":memory:",
        config={"threads": 1, "memory_limit": _MEMORY_LIMIT, "temp_directory": ""},
    )
    connection.execute("SET enable_external_access = false")
    connection.execute("SET autoinstall_known_extensions = false")
    connection.execute("SET autoload_known_extensions = false")
    connection.execute("SET preserve_insertion_order = true")
    connection.execute("SET lock_configuration = true")
    return connection


def _batches(texts: pa.Array, paths: int) -> Iterator[pa.Array]:
    """The texts in runs, so short that those of one vector of rows are not too much to hold."""
    offsets: Int64Array = np.frombuffer(texts.buffers()[1], np.int64)[texts.offset :]
    offsets = offsets[: len(texts) + 1]
    limit = _BATCH_BYTES // min(max(paths, 1), _NESTED_MAX)
    # As many rows as DuckDB takes at a time: what they weigh is what counts.
    ends = offsets[np.minimum(np.arange(len(texts)) + _VECTOR_ROWS, len(texts))]
    if int((ends - offsets[:-1]).max()) <= limit:
        yield texts
        return
    begin = 0
    while begin < len(texts):
        end = int(np.searchsorted(offsets, offsets[begin] + limit, side="right")) - 1
        end = max(begin + 1, min(end, len(texts)))
        yield texts[begin:end]
        begin = end
