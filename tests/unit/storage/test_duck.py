"""DuckDB files, written once and read by any DuckDB."""

from __future__ import annotations

import errno
import os

import duckdb
import numpy as np
import pytest

from tests.unit.storage.samples import points_table
from tsvec.model.errors import CorruptError
from tsvec.storage.duck import DuckFiles
from tsvec.storage.schema import partition_schema, vectors_from_arrow, vectors_to_arrow
from tsvec.storage.state import entities_schema


@pytest.fixture
def root(tmp_path):
    path = tmp_path / "it's a root"
    path.mkdir()
    return path


@pytest.fixture
def duck(root):
    files = DuckFiles(root)
    yield files
    files.close()


def test_points_come_back_in_order_and_bit_for_bit(duck, root):
    table = points_table(3_000, keys=True)
    order = np.random.default_rng(1).permutation(3_000)
    shuffled = table.take(order)
    duck.write_points(root / "points.duckdb", shuffled, 3)
    found = duck.read(root / "points.duckdb", "points").cast(partition_schema(3))
    assert found.equals(shuffled.combine_chunks())
    assert not (root / "points.duckdb.wal").exists()


def test_the_strangest_floats_come_back_bit_for_bit(duck, root):
    values = np.array([-0.0, 0.0, 1e-45, -1e-45, 1.1754942e-38, 3.4028235e38, -3.4028235e38, 0.1])
    table = points_table(len(values), dim=1)
    vectors = values.astype(np.float32).reshape(-1, 1)
    column = table.schema.get_field_index("vector")
    table = table.set_column(column, table.schema.field(column), vectors_to_arrow(vectors))
    duck.write_points(root / "p.duckdb", table, 1)
    found = vectors_from_arrow(duck.read(root / "p.duckdb", "points")["vector"], 1)
    assert found.tobytes() == vectors.tobytes()


def test_a_stock_duckdb_reads_it(duck, root):
    duck.write_points(root / "points.duckdb", points_table(100), 3)
    with duckdb.connect(root / "points.duckdb", read_only=True) as stock:
        (count,) = stock.execute("SELECT count(*) FROM points").fetchone()
        types = stock.execute("SELECT column_name, column_type FROM (DESCRIBE points)").fetchall()
    assert count == 100
    assert dict(types) == {
        "entity_id": "VARCHAR",
        "entity_type": "VARCHAR",
        "timestamp": "TIMESTAMP WITH TIME ZONE",
        "key": "VARCHAR",
        "seq": "UBIGINT",
        "recorded_at": "TIMESTAMP WITH TIME ZONE",
        "vector": "FLOAT[3]",
        "metadata": "VARCHAR",
    }


def test_entities_come_back(duck, root):
    table = entities_schema().empty_table()
    duck.write_entities(root / "state.duckdb", table)
    assert duck.read(root / "state.duckdb", "entities").cast(entities_schema()).equals(table)


def test_what_is_no_duckdb_file_is_damage(duck, root):
    (root / "points.duckdb").write_bytes(b"x" * 100_000)
    with pytest.raises(CorruptError, match=r"points\.duckdb: DuckDB cannot open it"):
        duck.read(root / "points.duckdb", "points")
    duck.write_points(root / "fine.duckdb", points_table(3), 3)
    with pytest.raises(CorruptError, match=r"fine\.duckdb: DuckDB cannot read entities"):
        duck.read(root / "fine.duckdb", "entities")
    assert len(duck.read(root / "fine.duckdb", "points")) == 3


def test_nothing_outside_the_root_can_be_reached(duck, root, tmp_path):
    outside = DuckFiles(tmp_path)
    outside.write_points(tmp_path / "outside.duckdb", points_table(3), 3)
    outside.close()
    with pytest.raises(CorruptError, match="cannot open it"):
        duck.read(tmp_path / "outside.duckdb", "points")
    with pytest.raises(OSError, match="could not write"):
        duck.write_points(tmp_path / "other.duckdb", points_table(3), 3)


def test_a_refused_write_is_an_os_error_and_the_next_works(duck, root):
    with pytest.raises(OSError, match="could not write") as caught:
        duck.write_points(root / "missing" / "points.duckdb", points_table(3), 3)
    assert caught.value.errno == errno.EIO
    duck.write_points(root / "points.duckdb", points_table(3), 3)
    assert len(duck.read(root / "points.duckdb", "points")) == 3


def test_files_are_let_go(duck, root):
    duck.write_points(root / "points.duckdb", points_table(3), 3)
    duck.read(root / "points.duckdb", "points")
    held = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if exists(fd)]
    assert [path for path in held if str(root) in path] == []


def exists(fd: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{fd}")
