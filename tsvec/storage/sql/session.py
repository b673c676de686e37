"""A DuckDB session over sealed points, for SQL that the user writes.

The partitions are attached read-only, what died since and what is known of entities are tables
beside them, and views put it together. Then access to files is switched off and the configuration
locked: what was attached can be read, and nothing else can be reached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from tsvec.model.errors import CorruptError, InvalidRequestError, TsvecError, UnprocessableError
from tsvec.storage.duck import columns_of, quoted
from tsvec.storage.overlay import DeathCause, Deaths
from tsvec.storage.schema import partition_schema

MEMORY_LIMIT = "2GB"
_BATCH_ROWS = 2_048
_NOTHING = "SELECT 'done' AS done WHERE false"
_SETTINGS = (
    "TimeZone = 'UTC'",
    "allow_community_extensions = false",
    "allow_persistent_secrets = false",
    "autoinstall_known_extensions = false",
    "autoload_known_extensions = false",
    "python_enable_replacements = false",
    "enable_external_access = false",
    "disabled_filesystems = 'LocalFileSystem'",
    "lock_configuration = true",
)
"""Nothing of this can be undone by a statement: the last one sees to that.

Without external access DuckDB still lets attached files be opened again, and COPY write over them,
read-only or not. Without a file system it reads through the handles it has, and opens nothing.
"""

DEATHS_SCHEMA = pa.schema(
    [
        pa.field("victim", pa.uint64(), nullable=False),
        pa.field("dead_seq", pa.uint64(), nullable=False),
        pa.field("dead_at", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("dead_by", pa.large_string(), nullable=False),
    ]
)
"""Versions, by their seqs, and the changes that ended them."""

ENTITIES_SCHEMA = pa.schema(
    [
        pa.field("entity_id", pa.large_string(), nullable=False),
        pa.field("entity_type", pa.large_string(), nullable=False),
        pa.field("attributes", pa.large_string(), nullable=False),
    ]
)

_DEATHS = """\
CREATE TABLE kept.deaths AS
SELECT victim, min(dead_seq) AS dead_seq, arg_min(dead_at, dead_seq) AS dead_at,
    arg_min(dead_by, dead_seq) AS dead_by
FROM (FROM log_deaths UNION ALL FROM kept.folded) GROUP BY victim"""
_VERSIONS = """\
CREATE VIEW versions AS
SELECT p.entity_id, coalesce(e.entity_type, p.entity_type) AS entity_type, p.timestamp, p.key,
    p.vector, p.metadata, p.seq, p.recorded_at, coalesce(p.dead_seq, d.dead_seq) AS dead_seq,
    coalesce(p.dead_at, d.dead_at) AS dead_at, coalesce(p.dead_by, d.dead_by) AS dead_by
FROM kept.stored p LEFT JOIN kept.deaths d ON d.victim = p.seq
LEFT JOIN kept.entities e ON e.entity_id = p.entity_id
WHERE p.timestamp >= make_timestamptz({cutoff})"""
_POINTS = """\
CREATE VIEW points AS
SELECT entity_id, entity_type, timestamp, key, vector, metadata, seq, recorded_at
FROM versions WHERE seq <= {seq} AND (dead_seq IS NULL OR dead_seq > {seq})"""
_ENTITIES = """\
CREATE VIEW entities AS
SELECT e.entity_id, e.entity_type, e.attributes, count(*) AS points,
    min(p.timestamp) AS first_seen, max(p.timestamp) AS last_seen
FROM kept.entities e JOIN points p ON p.entity_id = e.entity_id
GROUP BY e.entity_id, e.entity_type, e.attributes"""


@dataclass(frozen=True, slots=True)
class SealedFile:
    """The `points.duckdb` of a partition, and which of its rows died after it was written."""

    name: str
    path: Path
    deaths: Deaths | None


@dataclass(frozen=True, slots=True)
class Beside:
    """What is known of points and entities beside their partitions.

    `deaths` is of DEATHS_SCHEMA, `entities` of ENTITIES_SCHEMA. The views show what was born by
    change `seq` and had not died by it, from the event time `cutoff` (µs since 1970 UTC) on.
    """

    deaths: pa.Table
    entities: pa.Table
    seq: int
    cutoff: int


class SqlSession:
    """Statements over the views `points`, `versions` and `entities`. For one thread."""

    def __init__(
        self,
        files: Sequence[SealedFile],
        dim: int,
        beside: Beside,
        *,
        memory_limit: str = MEMORY_LIMIT,
    ) -> None:
        """Attach the files; FileNotFoundError if one is gone, CorruptError if DuckDB refuses it."""
        self._memory_limit = memory_limit
        self._connection = duckdb.connect(
            config={"memory_limit": memory_limit, "temp_directory": ""}
        )
        try:
            self._attach(files)
            self._build(files, dim, beside)
            for setting in _SETTINGS:
                self._connection.execute(f"SET {setting}")
        except BaseException:
            self._connection.close()
            raise

    def execute(self, statement: str) -> Rows:
        """Run a statement, or several, and give the rows of the last one.

        InvalidRequestError with what DuckDB says of wrong SQL, CorruptError if a file turns out to
        be damaged.
        """
        try:
            if not self._connection.extract_statements(statement):
                raise InvalidRequestError("there is no statement")
            # None after a statement that has no rows, such as CREATE, whatever its stub says.
            found: duckdb.DuckDBPyRelation | None = self._connection.sql(statement)
            if found is None:
                found = self._connection.sql(_NOTHING)
            return Rows(found.to_arrow_reader(_BATCH_ROWS), self._told)
        except duckdb.Error as error:
            raise self._told(error) from None

    def close(self) -> None:
        """Let the files go."""
        self._connection.close()

    def _told(self, error: Exception) -> TsvecError:
        """The error for what DuckDB says, without the statement that it repeats."""
        text = str(error)
        if isinstance(error, duckdb.FatalException | duckdb.IOException) or "checksum" in text:
            return CorruptError(f"DuckDB cannot read the partitions: {_short(text)}")
        if isinstance(error, duckdb.OutOfMemoryException) or "Out of Memory" in text:
            limit = self._memory_limit
            return UnprocessableError(f"the statement needs more than {limit} of memory")
        return InvalidRequestError(_short(text))

    def _attach(self, files: Sequence[SealedFile]) -> None:
        for file in files:
            if not file.path.exists():
                raise FileNotFoundError(file.path)
            try:
                self._connection.execute(f'ATTACH {quoted(file.path)} AS "{file.name}" (READ_ONLY)')
            except duckdb.Error as error:
                if not file.path.exists():
                    raise FileNotFoundError(file.path) from None
                raise CorruptError(f"{file.path}: DuckDB cannot open it: {error}") from error

    def _build(self, files: Sequence[SealedFile], dim: int, beside: Beside) -> None:
        connection = self._connection
        connection.execute("CREATE SCHEMA kept")
        connection.execute(f"CREATE TABLE kept.none ({columns_of(partition_schema(dim))})")
        sealed = ["kept.none", *(f'"{file.name}".points' for file in files)]
        union = " UNION ALL ".join(f"FROM {table}" for table in sealed)
        connection.execute(f"CREATE VIEW kept.stored AS {union}")
        connection.execute(f"CREATE TABLE kept.folded ({columns_of(DEATHS_SCHEMA)})")
        for file in files:
            if file.deaths is not None:
                self._fold(file.name, file.deaths)
        for name, table in (("log_deaths", beside.deaths), ("known_entities", beside.entities)):
            connection.register(name, table)
        connection.execute(_DEATHS)
        connection.execute("CREATE TABLE kept.entities AS FROM known_entities")
        for name in ("log_deaths", "known_entities"):
            connection.unregister(name)
        connection.execute(_VERSIONS.format(cutoff=beside.cutoff))
        connection.execute(_POINTS.format(seq=beside.seq))
        connection.execute(_ENTITIES)

    def _fold(self, name: str, deaths: Deaths) -> None:
        """Name the dead of a partition by their seqs, as the log does."""
        causes = [DeathCause(cause).name.lower() for cause in deaths.by.tolist()]
        table = pa.table(
            {
                "row": deaths.row,
                "dead_seq": deaths.seq,
                "dead_at": pa.array(deaths.at).cast(pa.timestamp("us", "UTC")),
                "dead_by": causes,
            }
        )
        self._connection.register("overlay", table)
        self._connection.execute(
            "INSERT INTO kept.folded SELECT p.seq, o.dead_seq, o.dead_at, o.dead_by "
            f'FROM "{name}".points p JOIN overlay o ON o.row = p.rowid'
        )
        self._connection.unregister("overlay")


class Rows:
    """The rows of a statement, as Arrow record batches; read them once."""

    def __init__(
        self, reader: pa.RecordBatchReader, told: Callable[[Exception], TsvecError]
    ) -> None:
        self._reader = reader
        self._told = told
        self.schema: pa.Schema = reader.schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._reader
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            raise self._told(error) from None


def _short(text: str) -> str:
    """What comes before the blank line or the place in the statement, on one line."""
    lines = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("LINE "):
            break
        lines.append(line.strip())
    return " ".join(lines)
