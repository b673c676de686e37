"""DuckDB files, written once and read by any DuckDB."""

from __future__ import annotations

import errno
import os
import threading

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from tests.unit.storage.samples import in_chunks, points_table
from tsvec.model.errors import CorruptError
from tsvec.storage.duck import DuckFiles, group_rows_of
from tsvec.storage.schema import partition_schema, vectors_from_arrow, vectors_to_arrow


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


def read_points(duck, path):
    return duck.read(path, "points")["points"]


@pytest.mark.parametrize(("rows", "dim"), [(3_000, 3), (20_000, 1_024)])
def test_points_come_back_in_order_and_bit_for_bit(duck, root, rows, dim):
    """Also when they take several row groups."""
    table = points_table(rows, dim, keys=True, dead=True)
    shuffled = table.take(np.random.default_rng(1).permutation(rows))
    duck.write_points(root / "points.duckdb", shuffled, dim)
    found = read_points(duck, root / "points.duckdb").cast(partition_schema(dim))
    assert found.equals(shuffled.combine_chunks())
    assert not (root / "points.duckdb.wal").exists()


def test_a_table_may_come_in_chunks_and_is_not_joined(duck, root):
    table = points_table(5_000, 256, dead=True)
    chunked = in_chunks(table, 1, 0, 2_500, 7)
    arrow = pa.default_memory_pool()
    counted = pa.proxy_memory_pool(arrow)
    pa.set_memory_pool(counted)
    try:
        duck.write_points(root / "points.duckdb", chunked, 256)
    finally:
        pa.set_memory_pool(arrow)
    assert counted.max_memory() < table["vector"].nbytes / 4
    assert read_points(duck, root / "points.duckdb").cast(partition_schema(256)).equals(table)


def test_row_groups_are_small_enough_to_be_held_in_memory(duck, root):
    assert group_rows_of(1) == group_rows_of(128) == 122_880
    assert group_rows_of(1_024) == 16_384
    assert group_rows_of(4_096) == 4_096
    assert group_rows_of(100_000) == 2_048
    duck.write_points(root / "points.duckdb", points_table(10_000, 2_048), 2_048)
    with duckdb.connect(root / "points.duckdb", read_only=True) as stock:
        query = "SELECT count(DISTINCT row_group_id) FROM pragma_storage_info('points')"
        assert stock.execute(query).fetchone() == (2,)


def test_two_instances_do_not_wait_for_each_other(duck, root):
    """One is held up in the middle of a write, the other writes and reads meanwhile."""
    other = DuckFiles(root)
    inside, go_on = threading.Event(), threading.Event()

    def batches():
        table = points_table(10)
        yield from table.to_batches()
        inside.set()
        assert go_on.wait(30)

    def slow() -> None:
        reader = pa.RecordBatchReader.from_batches(partition_schema(3), batches())
        other.write(root / "slow.duckdb", {"points": reader})

    thread = threading.Thread(target=slow)
    thread.start()
    try:
        assert inside.wait(30)
        duck.write_points(root / "fast.duckdb", points_table(20), 3)
        assert len(read_points(duck, root / "fast.duckdb")) == 20
        assert thread.is_alive()
    finally:
        go_on.set()
        thread.join()
    assert len(read_points(duck, root / "slow.duckdb")) == 10
    assert len(read_points(other, root / "fast.duckdb")) == 20
    other.close()


def test_a_table_of_another_shape_is_refused(duck, root):
    for table, dim in ((points_table(3), 4), (points_table(3).drop_columns(["dead_by"]), 3)):
        with pytest.raises(ValueError, match="not of the schema of a partition of dim"):
            duck.write_points(root / "points.duckdb", table, dim)
    assert list(root.iterdir()) == []


def test_several_tables_in_one_file(duck, root):
    numbers = pa.table(
        {"a": pa.array([3, 1, 2], pa.uint32()), "b": pa.array([-1, None, 2**62], pa.int64())}
    )
    texts = pa.table({"t": pa.array(["é", None, ""], pa.large_string())})
    duck.write(root / "both.duckdb", {"numbers": numbers, "texts": texts})
    found = duck.read(root / "both.duckdb", "texts", "numbers")
    assert found["numbers"].equals(numbers)
    assert found["texts"].cast(texts.schema).equals(texts)


def test_the_strangest_floats_come_back_bit_for_bit(duck, root):
    values = np.array([-0.0, 0.0, 1e-45, -1e-45, 1.1754942e-38, 3.4028235e38, -3.4028235e38, 0.1])
    table = points_table(len(values), dim=1)
    vectors = values.astype(np.float32).reshape(-1, 1)
    column = table.schema.get_field_index("vector")
    table = table.set_column(column, table.schema.field(column), vectors_to_arrow(vectors))
    duck.write_points(root / "p.duckdb", table, 1)
    found = vectors_from_arrow(read_points(duck, root / "p.duckdb")["vector"], 1)
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
        "dead_seq": "UBIGINT",
        "dead_at": "TIMESTAMP WITH TIME ZONE",
        "dead_by": "VARCHAR",
    }


def test_what_is_no_duckdb_file_is_damage(duck, root):
    (root / "points.duckdb").write_bytes(b"x" * 100_000)
    with pytest.raises(CorruptError, match=r"points\.duckdb: DuckDB cannot open it"):
        duck.read(root / "points.duckdb", "points")
    duck.write_points(root / "fine.duckdb", points_table(3), 3)
    with pytest.raises(CorruptError, match=r"fine\.duckdb: DuckDB cannot read entities"):
        duck.read(root / "fine.duckdb", "entities")
    assert len(read_points(duck, root / "fine.duckdb")) == 3


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
    assert len(read_points(duck, root / "points.duckdb")) == 3


def test_files_are_let_go(duck, root):
    duck.write_points(root / "points.duckdb", points_table(3), 3)
    duck.read(root / "points.duckdb", "points")
    held = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if exists(fd)]
    assert [path for path in held if str(root) in path] == []


def exists(fd: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{fd}")
