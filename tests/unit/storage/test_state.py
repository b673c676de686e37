"""Checkpoints of the entity registry."""

from __future__ import annotations

import os

import pyarrow as pa
import pytest

from tests.unit.storage.samples import files_with, with_bit_flipped
from tsvec.model.errors import CorruptError
from tsvec.storage.files import Files
from tsvec.storage.state import entities_schema, read_state, write_state


def entities(count: int) -> pa.Table:
    numbers = list(range(count))
    columns = [
        [f"e-{(7 * number) % count}" for number in numbers],
        ["SHIP"] * count,
        [-number for number in numbers],
        numbers,
        [1] * count,
    ]
    arrays = [
        pa.array(values, field.type)
        for values, field in zip(columns, entities_schema(), strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=entities_schema())


def test_it_comes_back_in_order(paths, duck):
    entry = write_state(Files(), duck, paths, 42, entities(5_000))
    assert entry.path == "state/state-42.duckdb"
    assert read_state(duck, paths, entry).equals(entities(5_000))


def test_damage_is_refused_by_name(paths, duck):
    entry = write_state(Files(), duck, paths, 42, entities(100))
    path = paths.root / entry.path
    with_bit_flipped(path, 200_000)
    with pytest.raises(CorruptError, match=r"state-42\.duckdb is damaged"):
        read_state(duck, paths, entry)
    with_bit_flipped(path, 200_000)
    assert len(read_state(duck, paths, entry)) == 100
    os.truncate(path, path.stat().st_size - 1)
    with pytest.raises(CorruptError, match=r"state-42\.duckdb is damaged"):
        read_state(duck, paths, entry)
    path.unlink()
    with pytest.raises(CorruptError, match=r"state-42\.duckdb is missing"):
        read_state(duck, paths, entry)


def test_an_earlier_try_is_replaced(paths, duck):
    (paths.state / "state-42.tmp").write_bytes(b"half a file")
    with pytest.raises(OSError, match="fail point"):
        write_state(files_with("seal.state_written=enospc@1"), duck, paths, 42, entities(3))
    entry = write_state(Files(), duck, paths, 42, entities(4))
    assert len(read_state(duck, paths, entry)) == 4
    assert [path.name for path in paths.state.iterdir()] == ["state-42.duckdb"]
