"""The files of one sorted run of points, together."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.unit.storage.samples import files_with, points_table, with_bit_flipped
from tsvec.model.collections import CollectionConfig
from tsvec.model.errors import CorruptError
from tsvec.storage.files import Files
from tsvec.storage.partition import PartitionStore
from tsvec.storage.schema import times_from_arrow

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
    assert (entry.name, entry.rows, entry.seq_min, entry.seq_max) == (NAME, ROWS, 1, ROWS)
    assert (entry.time_min, entry.time_max) == (times[0], times[-1])
    assert sorted(path.name for path in (paths.partitions / NAME).iterdir()) == [
        "columns.bin",
        "points.duckdb",
    ]
    assert store.read_truth(entry, 3).equals(table.combine_chunks())
    assert store.open(entry).rows == ROWS
    store.check_truth(entry)


@pytest.mark.parametrize("keys", [False, True])
def test_rebuilt_columns_are_the_same_bytes(store, paths, config, keys):
    entry = store.write(NAME, points_table(ROWS, keys=keys), config)
    path = paths.root / entry.columns.path
    sound = path.read_bytes()
    path.unlink()
    assert store.rebuild_columns(entry, config).rows == ROWS
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


@pytest.mark.parametrize("step", ["seal.truth_written", "seal.columns_written"])
def test_a_failed_try_leaves_nothing_and_the_next_works(paths, duck, config, step):
    store = PartitionStore(files_with(f"{step}=enospc@1"), duck, paths)
    table = points_table(ROWS)
    with pytest.raises(OSError, match="fail point"):
        store.write(NAME, table, config)
    assert list(paths.partitions.iterdir()) == []
    assert store.read_truth(store.write(NAME, table, config), 3).equals(table.combine_chunks())


def test_the_leftover_of_an_earlier_try_is_replaced(store, paths, config):
    for name in (NAME, f"{NAME}.tmp"):
        (paths.partitions / name).mkdir()
        (paths.partitions / name / "junk").touch()
    entry = store.write(NAME, points_table(ROWS), config)
    assert store.open(entry).rows == ROWS
    assert [path.name for path in paths.partitions.iterdir()] == [NAME]
