"""The files of one sorted run of points, together."""

from __future__ import annotations

import errno
import os
import shutil

import pyarrow as pa
import pytest

from tests.unit.storage.samples import files_with, in_chunks, points_table, with_bit_flipped
from tsvec.model.collections import CollectionConfig
from tsvec.model.errors import CorruptError
from tsvec.storage.checksums import sha256_of
from tsvec.storage.columns import Section, vector_norms
from tsvec.storage.files import Files, FileWriter
from tsvec.storage.partition import PartitionStore
from tsvec.storage.schema import times_from_arrow, vectors_from_arrow

ROWS = 200
NAME = "p-00000002"


@pytest.fixture
def store(paths, duck):
    return PartitionStore(Files(), duck, paths)


@pytest.fixture(params=["cosine", "l2"])
def config(request):
    return CollectionConfig(name="ships", dim=3, metric=request.param)


def test_what_is_written_is_described_and_comes_back(store, paths, config):
    table = points_table(ROWS, keys=True)
    entry = store.write(NAME, table, config)
    times = times_from_arrow(table["timestamp"])
    norms = vector_norms(vectors_from_arrow(table["vector"], 3))
    assert entry.norm_max == store.open(entry).norm_max == norms.max()
    assert (entry.recorded_min, entry.recorded_max) == (times[0] + 7, times[-1] + 7)
    assert (entry.dead_rows, entry.overlay) == (0, None)
    assert (entry.name, entry.rows, entry.seq_min, entry.seq_max) == (NAME, ROWS, 1, ROWS)
    assert (entry.time_min, entry.time_max) == (times[0], times[-1])
    assert sorted(path.name for path in (paths.partitions / NAME).iterdir()) == [
        "columns.bin",
        "points.duckdb",
    ]
    assert store.read_truth(entry, 3).equals(table.combine_chunks())
    assert store.open(entry).rows == ROWS
    store.check_truth(entry)


def test_the_dead_are_counted_and_come_back(store, config):
    table = points_table(ROWS, dead=True)
    entry = store.write(NAME, table, config)
    assert entry.dead_rows == len(range(0, ROWS, 3))
    assert store.open(entry).has(Section.DEAD_SEQ)
    assert store.read_truth(entry, 3).equals(table.combine_chunks())


def test_bounds_do_not_depend_on_the_order_of_seqs_and_recorded_times(store, config):
    table = points_table(ROWS)
    backwards = {"seq": table["seq"][::-1], "recorded_at": table["recorded_at"][::-1]}
    columns = [backwards.get(name, table[name]) for name in table.column_names]
    entry = store.write(NAME, pa.Table.from_arrays(columns, schema=table.schema), config)
    expected = store.write("p-00000003", table, config)
    for name in ("time_min", "time_max", "seq_min", "seq_max", "recorded_min", "recorded_max"):
        assert getattr(entry, name) == getattr(expected, name)


def test_however_the_table_is_chunked_the_columns_are_the_same(store, paths, config):
    table = points_table(ROWS, keys=True, dead=True)
    whole = store.write(NAME, table.combine_chunks(), config)
    chunked = store.write("p-00000003", in_chunks(table, 0, 1, 50, 0, 9), config)
    contents = [(paths.root / entry.columns.path).read_bytes() for entry in (whole, chunked)]
    # The header also names the DuckDB file, which need not be the same.
    head = slice(72, 104)
    bare = [content[: head.start] + content[head.stop : 4_092] for content in contents]
    assert bare[0] == bare[1]
    assert contents[0][4_096:] == contents[1][4_096:]


@pytest.mark.parametrize(("keys", "dead"), [(False, False), (True, False), (True, True)])
def test_rebuilt_columns_are_the_same_bytes(store, paths, config, keys, dead):
    table = in_chunks(points_table(ROWS, keys=keys, dead=dead), 70, 1)
    entry = store.write(NAME, table, config)
    path = paths.root / entry.columns.path
    sound = path.read_bytes()
    path.unlink()
    assert store.rebuild_columns(entry, config).rows == ROWS
    assert path.read_bytes() == sound
    assert sha256_of(path) == entry.columns.sha256
    assert not list(path.parent.glob("*.tmp"))


def test_a_rebuild_that_fails_leaves_what_was_there(store, paths, config, monkeypatch):
    entry = store.write(NAME, points_table(ROWS), config)
    path = paths.root / entry.columns.path
    sound = path.read_bytes()

    def refuse(*_):
        raise OSError(errno.ENOSPC, "no")

    with monkeypatch.context() as patched:
        patched.setattr(FileWriter, "write_at", refuse)
        with pytest.raises(OSError, match="no"):
            store.rebuild_columns(entry, config)
    assert path.read_bytes() == sound
    assert not list(path.parent.glob("*.tmp"))


@pytest.mark.parametrize("damage", ["missing", "cut", "longer", "header"])
def test_columns_that_cannot_be_opened_are_reported(store, paths, config, damage):
    entry = store.write(NAME, points_table(ROWS), config)
    path = paths.root / entry.columns.path
    match damage:
        case "missing":
            path.unlink()
        case "cut":
            os.truncate(path, path.stat().st_size - 1)
        case "longer":
            os.truncate(path, path.stat().st_size + 1)
        case "header":
            with_bit_flipped(path, 99)
    with pytest.raises(CorruptError, match=r"columns\.bin"):
        store.open(entry)


def test_columns_of_another_partition_are_reported(store, paths, config):
    first = store.write(NAME, points_table(ROWS), config)
    second = store.write("p-00000003", points_table(ROWS, seed=1), config)
    shutil.copy(paths.root / second.columns.path, paths.root / first.columns.path)
    with pytest.raises(CorruptError, match=r"size|another partition"):
        store.open(first)


@pytest.mark.parametrize("damage", ["missing", "cut", "longer"])
def test_a_truth_of_another_size_is_refused_by_name(store, paths, config, damage):
    entry = store.write(NAME, points_table(ROWS), config)
    path = paths.root / entry.points.path
    if damage == "missing":
        path.unlink()
    else:
        os.truncate(path, path.stat().st_size + (1 if damage == "longer" else -1))
    with pytest.raises(CorruptError, match=r"points\.duckdb.*restore the directory"):
        store.check_truth(entry)
    with pytest.raises(CorruptError, match=r"points\.duckdb"):
        store.rebuild_columns(entry, config)


def test_a_flipped_bit_of_the_truth_is_never_rebuilt_from(store, paths, config):
    entry = store.write(NAME, points_table(ROWS), config)
    with_bit_flipped(paths.root / entry.points.path, 300_000)
    for use in (store.read_truth, lambda e, _: store.rebuild_columns(e, config)):
        with pytest.raises(CorruptError, match=r"points\.duckdb is damaged: its sha256"):
            use(entry, 3)


@pytest.mark.parametrize("step", ["seal", "compact"])
@pytest.mark.parametrize("point", ["truth_written", "columns_written"])
def test_a_failed_try_leaves_nothing_and_the_next_works(paths, duck, config, step, point):
    store = PartitionStore(files_with(f"{step}.{point}=enospc@1"), duck, paths)
    table = points_table(ROWS)
    with pytest.raises(OSError, match=f"fail point {step}.{point}"):
        store.write(NAME, table, config, step=step)
    assert list(paths.partitions.iterdir()) == []
    entry = store.write(NAME, table, config, step=step)
    assert store.read_truth(entry, 3).equals(table.combine_chunks())


def test_a_fail_point_of_another_step_is_passed(paths, duck, config):
    store = PartitionStore(files_with("seal.partition_renamed=enospc"), duck, paths)
    assert store.write(NAME, points_table(5), config, step="compact").rows == 5
    with pytest.raises(OSError, match=r"fail point seal\.partition_renamed"):
        store.write("p-00000003", points_table(5), config)


def test_a_table_that_is_no_partition_leaves_nothing(store, paths, config):
    for table in (points_table(5).slice(5), points_table(5, dim=4)):
        with pytest.raises(ValueError, match=r"at least one row|not of the schema"):
            store.write(NAME, table, config)
    assert list(paths.partitions.iterdir()) == []


def test_the_leftover_of_an_earlier_try_is_replaced(store, paths, config):
    for name in (NAME, f"{NAME}.tmp"):
        (paths.partitions / name).mkdir()
        (paths.partitions / name / "junk").touch()
    entry = store.write(NAME, points_table(ROWS), config)
    assert store.open(entry).rows == ROWS
    assert [path.name for path in paths.partitions.iterdir()] == [NAME]
