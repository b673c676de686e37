"""SQL reads what was attached, puts deaths and entities together, and reaches nothing else."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.unit.storage.samples import points_table
from tsvec.model.errors import CorruptError, InvalidRequestError, UnprocessableError
from tsvec.storage.duck import DuckFiles
from tsvec.storage.overlay import DeathCause, Deaths
from tsvec.storage.sql.session import (
    DEATHS_SCHEMA,
    ENTITIES_SCHEMA,
    Beside,
    SealedFile,
    SqlSession,
)

ROWS = 60
LATER = 20_000
AT = 1_900_000_000_000_000


@pytest.fixture(scope="module")
def table():
    return points_table(ROWS, dead=True)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory, table):
    directory = tmp_path_factory.mktemp("sealed")
    duck = DuckFiles(directory)
    path = directory / "it's.duckdb"
    duck.write_points(path, table, 3)
    duck.close()
    return path


@pytest.fixture
def file(sealed, tmp_path):
    """A copy of the file, which a test may damage."""
    return SealedFile("p-00000001", Path(shutil.copy(sealed, tmp_path)), None)


def beside(*, deaths=(), entities=(), seq=LATER, cutoff=-(2**60)):
    rows = [[row[place] for row in deaths] for place in range(4)]
    known = [[row[place] for row in entities] for place in range(3)]
    return Beside(
        pa.table([pa.array(c, f.type) for c, f in zip(rows, DEATHS_SCHEMA, strict=True)],
                 schema=DEATHS_SCHEMA),
        pa.table([pa.array(c, f.type) for c, f in zip(known, ENTITIES_SCHEMA, strict=True)],
                 schema=ENTITIES_SCHEMA),
        seq,
        cutoff,
    )  # fmt: skip


@pytest.fixture
def session(file):
    made = SqlSession([file], 3, beside())
    yield made
    made.close()


def answer(session, statement):
    rows = session.execute(statement)
    return pa.Table.from_batches(rows, rows.schema)


def test_versions_are_what_the_file_holds(session, table):
    found = answer(session, "FROM versions ORDER BY timestamp, seq")
    for name in ("entity_id", "timestamp", "key", "seq", "metadata", "vector", "dead_seq"):
        assert found[name].to_pylist() == table[name].to_pylist(), name
    kinds = answer(session, "SELECT column_name, column_type FROM (DESCRIBE points)").to_pylist()
    assert {kind["column_name"]: kind["column_type"] for kind in kinds} == {
        "entity_id": "VARCHAR",
        "entity_type": "VARCHAR",
        "timestamp": "TIMESTAMP WITH TIME ZONE",
        "key": "VARCHAR",
        "vector": "FLOAT[3]",
        "metadata": "VARCHAR",
        "seq": "UBIGINT",
        "recorded_at": "TIMESTAMP WITH TIME ZONE",
    }


def test_points_are_those_alive_after_a_change(file, table):
    rows = table.select(["seq", "dead_seq"]).to_pylist()
    for seq in (0, 1, 20, 45, 10_030, LATER):
        session = SqlSession([file], 3, beside(seq=seq))
        alive = {
            row["seq"]
            for row in rows
            if row["seq"] <= seq and (row["dead_seq"] is None or row["dead_seq"] > seq)
        }
        assert set(answer(session, "SELECT seq FROM points")["seq"].to_pylist()) == alive
        session.close()


def test_overlays_and_the_log_add_deaths_and_the_first_counts(file, table):
    dead_seqs = table["dead_seq"].to_pylist()
    living = [row for row in range(ROWS) if dead_seqs[row] is None]
    seqs = table["seq"].to_pylist()
    first, second, third = living[3], living[10], living[11]
    overlay = Deaths(
        np.array([first, second]), np.array([10_200, 10_201], np.uint64), np.array([AT, AT]),
        np.array([DeathCause.REPLACED, DeathCause.DELETED], np.uint8),
    )  # fmt: skip
    log = [(seqs[second], 10_201, AT, "deleted"), (seqs[third], 10_202, AT, "replaced")]
    dead = SealedFile(file.name, file.path, overlay)
    session = SqlSession([dead], 3, beside(deaths=log))
    found = answer(session, "SELECT seq, dead_seq, dead_by FROM versions WHERE dead_seq >= 10_200")
    assert sorted(map(tuple, (row.values() for row in found.to_pylist()))) == sorted(
        [
            (seqs[first], 10_200, "replaced"),
            (seqs[second], 10_201, "deleted"),
            (seqs[third], 10_202, "replaced"),
        ]
    )
    count = answer(session, "SELECT count(*) AS n FROM points")["n"].to_pylist()
    assert count == [len(living) - 3]
    session.close()


def test_types_and_attributes_are_those_that_are_known(file, table):
    name = table["entity_id"].to_pylist()[0]
    session = SqlSession([file], 3, beside(entities=[(name, "SHIP", '{"flag":"NL"}')]))
    kinds = answer(
        session, f"SELECT DISTINCT entity_type AS t FROM points WHERE entity_id='{name}'"
    )
    assert kinds["t"].to_pylist() == ["SHIP"]
    [found] = answer(session, "FROM entities").to_pylist()
    mine = [
        row for row in table.to_pylist() if row["entity_id"] == name and row["dead_seq"] is None
    ]
    assert (found["entity_id"], found["points"]) == (name, len(mine))
    assert found["attributes"] == '{"flag":"NL"}'
    assert found["last_seen"] == max(row["timestamp"] for row in mine)
    session.close()


def test_what_expired_is_in_no_view(file, table):
    times = sorted(row.value for row in table["timestamp"])
    session = SqlSession([file], 3, beside(cutoff=times[20]))
    assert answer(session, "SELECT min(timestamp) AS t FROM versions")["t"][0].value == times[20]
    session.close()


def test_no_partition_is_no_row():
    session = SqlSession([], 3, beside())
    assert answer(session, "SELECT count(*) AS n FROM points")["n"].to_pylist() == [0]
    session.close()


FORBIDDEN = [
    "COPY (SELECT 1) TO '{file}'",
    "COPY (SELECT 1) TO '{file}' (USE_TMP_FILE false)",
    "COPY (SELECT 1) TO '{file}.wal' (USE_TMP_FILE false)",
    "COPY (SELECT 1) TO '{file}' (FORMAT parquet, USE_TMP_FILE false)",
    "WITH a AS (COPY (SELECT 1) TO '{file}' (USE_TMP_FILE false)) FROM a",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{file}' (USE_TMP_FILE false)",
    "PREPARE p AS COPY (SELECT 1) TO '{file}' (USE_TMP_FILE false); EXECUTE p",
    "COPY (SELECT 1) TO '/dev/stdout'",
    "EXPORT DATABASE '{file}'",
    "RESET disabled_filesystems",
    "COPY points TO '{out}'",
    "COPY (SELECT 1) TO '{out}' (FORMAT parquet)",
    "EXPORT DATABASE '{out}'",
    "IMPORT DATABASE '{out}'",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('{file}')",
    "SELECT * FROM read_blob('{file}')",
    "SELECT * FROM read_json('{file}')",
    "SELECT * FROM read_parquet('{file}')",
    "SELECT * FROM glob('/*')",
    "FROM '/etc/passwd'",
    "FROM '{file}'",
    "ATTACH '{out}'",
    "ATTACH '{file}' AS again",
    "INSTALL httpfs",
    "LOAD httpfs",
    "LOAD '{file}'",
    "SET enable_external_access = true",
    "SET lock_configuration = false",
    "SET allowed_directories = ['/']",
    "SET threads = 1",
    "SET memory_limit = '100GB'",
    "SET temp_directory = '{out}'",
    "SET secret_directory = '{out}'",
    "PRAGMA profiling_output = '{out}'",
    "CALL enable_logging(storage = 'file', storage_path = '{out}')",
    "CREATE PERSISTENT SECRET s (TYPE http)",
    'INSERT INTO "p-00000001".points SELECT * FROM "p-00000001".points',
    'DELETE FROM "p-00000001".points',
    "UPDATE \"p-00000001\".points SET key = 'x'",
    'CREATE TABLE "p-00000001".more (a INTEGER)',
    'DROP TABLE "p-00000001".points',
]


def test_nothing_else_can_be_read_written_or_switched_on(session, file, tmp_path):
    names, content = sorted(os.listdir(tmp_path)), file.path.read_bytes()
    quoted = str(file.path).replace("'", "''")
    for statement in FORBIDDEN:
        try:
            answer(session, statement.format(out=tmp_path / "out", file=quoted))
        except InvalidRequestError:
            pass
        else:
            pytest.fail(f"allowed: {statement}")
        assert sorted(os.listdir(tmp_path)) == names, statement
        assert file.path.read_bytes() == content, statement
        assert answer(session, "SELECT count(*) AS n FROM versions")["n"].to_pylist() == [ROWS]
    detached = "DETACH \"p-00000001\"; ATTACH '{}' AS again; CREATE TABLE again.a (b INTEGER)"
    with pytest.raises(InvalidRequestError):
        answer(session, detached.format(quoted))
    assert file.path.read_bytes() == content


WRONG = [
    ("SELEC 1", 'Parser Error: syntax error at or near "SELEC"'),
    ("SELECT nope FROM points", 'Binder Error: Referenced column "nope" not found'),
    ("FROM point", 'Table with name point does not exist! Did you mean "points"?'),
    ("SELECT 'a'::INTEGER", "Conversion Error"),
    ("SELECT error('at row ' || seq) FROM points", "at row"),
    ("", "there is no statement"),
    (" ; -- nothing", "there is no statement"),
]


def test_wrong_sql_is_told_in_a_line(session):
    for statement, message in WRONG:
        with pytest.raises(InvalidRequestError) as caught:
            answer(session, statement)
        assert message in caught.value.message
        assert "LINE 1" not in caught.value.message
        assert "\n" not in caught.value.message


def test_of_several_statements_the_last_one_answers(session):
    found = answer(
        session, "CREATE TABLE mine AS SELECT 1 AS a; INSERT INTO mine VALUES (2); FROM mine"
    )
    assert found["a"].to_pylist() == [1, 2]
    assert len(answer(session, "CREATE TABLE other (a INTEGER)")) == 0
    assert [row["name"] for row in answer(session, "SHOW TABLES").to_pylist()] == [
        "entities", "mine", "other", "points", "versions"
    ]  # fmt: skip


def test_variables_of_the_program_are_no_tables(session):
    asked = "SELECT current_setting('python_enable_replacements') AS is_on"
    assert answer(session, asked)["is_on"].to_pylist() == [False]


def test_memory_is_bounded(file):
    session = SqlSession([file], 3, beside(), memory_limit="20MB")
    with pytest.raises(UnprocessableError, match="more than 20MB of memory"):
        answer(session, "SELECT list(r ORDER BY -r) FROM range(9_000_000) t(r)")
    session.close()


def test_many_rows_come_in_batches(session):
    rows = session.execute("SELECT range AS r FROM range(100000)")
    sizes = [len(batch) for batch in rows]
    assert sum(sizes) == 100_000
    assert max(sizes) <= 2_048


def test_a_file_that_is_gone_or_damaged_is_named(file, tmp_path):
    gone = SealedFile("p-00000002", tmp_path / "gone.duckdb", None)
    with pytest.raises(FileNotFoundError):
        SqlSession([gone], 3, beside())
    broken = tmp_path / "broken.duckdb"
    broken.write_bytes(b"nothing" * 10_000)
    with pytest.raises(CorruptError, match=r"broken\.duckdb"):
        SqlSession([SealedFile("p-00000003", broken, None)], 3, beside())


def test_a_damaged_block_is_not_served(file, table):
    content = bytearray(file.path.read_bytes())
    for name in table["metadata"].to_pylist()[:1]:
        place = content.find(name.encode())
        assert place > 0
        content[place] ^= 1
    file.path.write_bytes(content)
    session = SqlSession([file], 3, beside())
    with pytest.raises(CorruptError, match="DuckDB cannot read the partitions"):
        answer(session, "FROM points")
    session.close()


def test_a_file_may_be_unlinked_once_it_is_attached(session, file):
    Path(file.path).unlink()
    assert answer(session, "SELECT count(*) AS n FROM versions")["n"].to_pylist() == [ROWS]
