"""Overlays: who died since a partition was written."""

from __future__ import annotations

import hashlib
import os

import numpy as np
import pytest

from tests.unit.storage.samples import files_with, flipped, with_bit_flipped
from tsvec.model.errors import CorruptError
from tsvec.storage import overlay
from tsvec.storage.checksums import crc32c
from tsvec.storage.files import Files
from tsvec.storage.overlay import DeathCause, Deaths, read_overlay, write_overlay

NAME = "p-00000002"
ROWS = 1_000


def deaths(*rows: int, **columns) -> Deaths:
    """Deaths of these rows, with these columns instead."""
    count = len(rows)
    given = {
        "row": np.array(rows, np.int64),
        "seq": np.arange(1, count + 1, dtype=np.uint64) + np.uint64(2**63),
        "at": -np.arange(count, dtype=np.int64),
        "by": np.array([DeathCause.REPLACED, DeathCause.DELETED] * count, np.uint8)[:count],
    }
    return Deaths(**(given | columns))


def is_same(one: Deaths, other: Deaths) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("row", "seq", "at", "by")
    )


@pytest.fixture
def write(paths):
    """Write an overlay of the given deaths."""

    def made(found: Deaths, generation: int = 7):
        return write_overlay(Files(), paths, NAME, generation, found)

    return made


@pytest.fixture
def write_bytes(paths, write):
    """An overlay of any bytes, which the manifest vouches for."""
    entry = write(deaths(1))

    def made(data: bytes):
        (paths.root / entry.path).write_bytes(data)
        return entry.model_copy(
            update={"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        )

    return made


@pytest.mark.parametrize("rows", [(), (0,), (ROWS - 1,), (0, 1, 5, 998, 999), range(ROWS)])
def test_it_comes_back(paths, write, rows):
    entry = write(deaths(*rows))
    assert entry.path == f"overlays/{NAME}-00000007.bin"
    assert entry.size == (paths.root / entry.path).stat().st_size == 24 + 21 * len(rows)
    found = read_overlay(paths, entry, ROWS)
    assert is_same(found, deaths(*rows))
    assert (found.row.dtype, found.seq.dtype) == (np.int64, np.uint64)
    assert (found.at.dtype, found.by.dtype) == (np.int64, np.uint8)


def test_the_directory_is_made_and_nothing_else_is_left(paths, write):
    assert not paths.overlays.exists()
    first, second = write(deaths(1)), write(deaths(1, 2), generation=8)
    names = sorted(path.name for path in paths.overlays.iterdir())
    assert [f"overlays/{name}" for name in names] == [first.path, second.path]


def test_the_same_deaths_give_the_same_bytes(paths, write):
    strided = deaths(*range(100))
    doubled = {name: np.repeat(getattr(strided, name), 2)[::2] for name in ("row", "seq", "at")}
    assert write(strided).sha256 == write(deaths(*range(100), **doubled)).sha256


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (deaths(1, 1), "do not ascend"),
        (deaths(2, 1), "do not ascend"),
        (deaths(-1, 1), "is negative"),
        (deaths(1, 2, seq=np.array([5, 0], np.uint64)), "without a seq"),
        (deaths(1, 2, by=np.array([0, 1], np.uint8)), "unknown cause"),
        (deaths(1, 2, by=np.array([1, 3], np.uint8)), "unknown cause"),
        (deaths(1, 2, at=np.zeros(1, np.int64)), "differ in length"),
    ],
)
def test_what_cannot_be_is_not_written(paths, write, wrong, problem):
    with pytest.raises(ValueError, match=f"{NAME} cannot be written.*{problem}"):
        write(wrong)
    assert not paths.overlays.exists()


def test_a_failed_try_does_no_harm(paths):
    with pytest.raises(OSError, match="fail point"):
        write_overlay(files_with("overlay.written=enospc"), paths, NAME, 7, deaths(1))
    entry = write_overlay(Files(), paths, NAME, 7, deaths(1, 2))
    assert is_same(read_overlay(paths, entry, ROWS), deaths(1, 2))


def test_every_flipped_bit_is_refused_by_name(paths, write):
    entry = write(deaths(3, 5, 900))
    path = paths.root / entry.path
    for bit in range(8 * entry.size):
        with_bit_flipped(path, bit)
        with pytest.raises(CorruptError, match=rf"{NAME}-00000007\.bin is damaged"):
            read_overlay(paths, entry, ROWS)
        with_bit_flipped(path, bit)
    assert is_same(read_overlay(paths, entry, ROWS), deaths(3, 5, 900))


def test_every_flipped_bit_is_refused_even_if_the_manifest_names_it(write_bytes, paths):
    entry = write_bytes(overlay._encode(deaths(3, 5, 900)))
    sound = (paths.root / entry.path).read_bytes()
    for bit in range(8 * len(sound)):
        with pytest.raises(CorruptError, match=rf"{NAME}-00000007\.bin"):
            read_overlay(paths, write_bytes(flipped(sound, bit)), ROWS)


def test_every_cut_is_refused_by_name(paths, write, write_bytes):
    entry = write(deaths(3, 5))
    path = paths.root / entry.path
    sound = path.read_bytes()
    for size in range(len(sound)):
        path.write_bytes(sound[:size])
        with pytest.raises(CorruptError, match=rf"{NAME}-00000007\.bin has {size} bytes instead"):
            read_overlay(paths, entry, ROWS)
        with pytest.raises(CorruptError, match=rf"{NAME}-00000007\.bin"):
            read_overlay(paths, write_bytes(sound[:size]), ROWS)
    path.write_bytes(sound + b"\0")
    with pytest.raises(CorruptError, match="bytes instead of"):
        read_overlay(paths, entry, ROWS)
    os.unlink(path)
    with pytest.raises(CorruptError, match=rf"{NAME}-00000007\.bin is missing; restore"):
        read_overlay(paths, entry, ROWS)


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (deaths(1, ROWS), f"names row {ROWS} of a partition of {ROWS} rows"),
        (deaths(2, 2), "do not ascend"),
        (deaths(2, seq=np.zeros(1, np.uint64)), "without a seq"),
        (deaths(2, by=np.full(1, 9, np.uint8)), "unknown cause"),
    ],
)
def test_what_cannot_be_is_refused_by_name(paths, write_bytes, wrong, problem):
    entry = write_bytes(overlay._encode(wrong))
    with pytest.raises(CorruptError, match=rf"{NAME}-00000007\.bin.*{problem}"):
        read_overlay(paths, entry, ROWS)


def test_a_count_that_is_not_that_of_the_rows_is_refused(paths, write_bytes):
    data = overlay._encode(deaths(1, 2))
    for count in (0, 1, 3, 2**63):
        counted = count.to_bytes(8, "little") + data[24:]
        wrong = data[:12] + crc32c(counted).to_bytes(4, "little") + counted
        with pytest.raises(CorruptError, match=f"says that it has {count} rows"):
            read_overlay(paths, write_bytes(wrong), ROWS)
