"""Checkpoints of the state."""

from __future__ import annotations

import os

import pyarrow as pa
import pytest

from tests.unit.storage.samples import files_with, with_bit_flipped
from tsvec.model.errors import CorruptError
from tsvec.storage.checksums import sha256_of
from tsvec.storage.files import Files
from tsvec.storage.manifest import FileEntry
from tsvec.storage.state import STATE_SCHEMAS, read_state, write_state


def tables(count: int) -> dict[str, pa.Table]:
    """A state with this many rows in each table."""
    numbers = list(range(count))
    content = {
        "entities": [
            [f"e-{(7 * number) % count}" for number in numbers],
            ["SHIP"] * count,
            [1] * count,
            [-number for number in numbers],
            numbers,
        ],
        "past_types": [
            numbers,
            [2**64 - 1 - number for number in numbers],
            [f"T{number % 5}" for number in numbers],
        ],
        "attributes": [
            numbers[::-1],
            numbers,
            [number * 10**12 for number in numbers],
            ['{"é":1}' if number % 2 else None for number in numbers],
        ],
        "replies": [
            [number.to_bytes(16, "big") for number in numbers],
            [number.to_bytes(16, "little") for number in numbers],
            numbers,
            [b"\0\xff" * (number % 3) for number in numbers],
        ],
    }
    return {
        name: pa.Table.from_arrays(
            [
                pa.array(values, field.type)
                for values, field in zip(content[name], schema, strict=True)
            ],
            schema=schema,
        )
        for name, schema in STATE_SCHEMAS.items()
    }


@pytest.mark.parametrize("count", [0, 1, 5_000])
def test_it_comes_back_in_order(paths, duck, count):
    entry = write_state(Files(), duck, paths, 42, tables(count), 7)
    assert entry.path == "state/state-42-00000007.duckdb"
    found = read_state(duck, paths, entry)
    assert list(found) == list(STATE_SCHEMAS)
    for name, table in tables(count).items():
        assert found[name].schema == STATE_SCHEMAS[name]
        assert found[name].equals(table)


@pytest.mark.parametrize("change", [{"attributes": None}, {"surprise": pa.table({"a": [1]})}])
def test_a_state_is_all_of_its_tables(paths, duck, change):
    given = {name: table for name, table in (tables(1) | change).items() if table is not None}
    with pytest.raises(
        ValueError, match="the state is entities, past_types, attributes, replies, not"
    ):
        write_state(Files(), duck, paths, 42, given, 7)
    assert list(paths.state.iterdir()) == []


def test_a_state_from_before_replies_were_kept_has_none(paths, duck):
    earlier = {name: table for name, table in tables(3).items() if name != "replies"}
    path = paths.state / "state-42-00000007.duckdb"
    duck.write(path, earlier)
    entry = FileEntry(path=f"state/{path.name}", size=path.stat().st_size, sha256=sha256_of(path))
    found = read_state(duck, paths, entry)
    assert found["replies"].equals(STATE_SCHEMAS["replies"].empty_table())
    assert found["entities"].equals(earlier["entities"])


def test_damage_is_refused_by_name(paths, duck):
    entry = write_state(Files(), duck, paths, 42, tables(100), 7)
    path = paths.root / entry.path
    with_bit_flipped(path, 200_000)
    with pytest.raises(CorruptError, match=r"state-42-00000007\.duckdb is damaged"):
        read_state(duck, paths, entry)
    with_bit_flipped(path, 200_000)
    assert len(read_state(duck, paths, entry)["entities"]) == 100
    os.truncate(path, path.stat().st_size - 1)
    with pytest.raises(CorruptError, match=r"state-42-00000007\.duckdb is damaged"):
        read_state(duck, paths, entry)
    path.unlink()
    with pytest.raises(CorruptError, match=r"state-42-00000007\.duckdb is missing"):
        read_state(duck, paths, entry)


def test_an_earlier_try_is_replaced(paths, duck):
    (paths.state / "state-42-00000007.tmp").write_bytes(b"half a file")
    with pytest.raises(OSError, match="fail point"):
        write_state(files_with("seal.state_written=enospc@1"), duck, paths, 42, tables(3), 7)
    entry = write_state(Files(), duck, paths, 42, tables(4), 7)
    assert len(read_state(duck, paths, entry)["attributes"]) == 4
    assert [path.name for path in paths.state.iterdir()] == ["state-42-00000007.duckdb"]


def test_a_checkpoint_of_the_same_seq_leaves_the_one_before(paths, duck):
    first = write_state(Files(), duck, paths, 42, tables(3), 7)
    second = write_state(Files(), duck, paths, 42, tables(2), 8)
    assert len(read_state(duck, paths, first)["entities"]) == 3
    assert len(read_state(duck, paths, second)["entities"]) == 2
