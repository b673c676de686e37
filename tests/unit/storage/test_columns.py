"""columns.bin: mapped sections, checked as they are first touched."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from tests.unit.storage.samples import (
    encoded_columns,
    flipped,
    points_table,
    with_bit_flipped,
)
from tsvec.model.errors import CorruptError
from tsvec.storage.columns import (
    CHUNK_BYTES,
    PAGE_BYTES,
    ColumnsFile,
    Section,
    block_rows,
    scaled_to_unit,
    unit_vectors,
    vector_norms,
)
from tsvec.storage.schema import times_from_arrow, vectors_from_arrow

SOURCE = hashlib.sha256(b"points.duckdb").hexdigest()
DIM = 3


def encoded(table, *, cosine: bool = True, dim: int = DIM) -> bytes:
    return encoded_columns(table, dim, cosine=cosine, source=SOURCE)


@pytest.fixture
def write(tmp_path):
    """Write a columns file and map it."""

    def made(content: bytes) -> ColumnsFile:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.bin"
        path.write_bytes(content)
        return ColumnsFile.open(path)

    return made


def read_all(path: Path) -> None:
    columns = ColumnsFile.open(path)
    for section in filter(columns.has, Section):
        columns.slice(section, 0, columns.count(section))
    columns.check_all()


def test_every_column_comes_back(write):
    table = points_table(500, keys=True)
    columns = write(encoded(table))
    assert (columns.rows, columns.dim, columns.source) == (500, DIM, SOURCE)
    vectors = vectors_from_arrow(table["vector"], DIM)
    assert columns.slice(Section.VECTOR, 0, 500).tobytes() == vectors.tobytes()
    assert columns.norm_max == vector_norms(vectors).max()
    times = times_from_arrow(table["timestamp"])
    assert columns.slice(Section.TIMESTAMP, 0, 500).tolist() == times.tolist()
    assert (columns.time_min, columns.time_max) == (times[0], times[-1])
    assert columns.slice(Section.SEQ, 0, 500).tolist() == table["seq"].to_pylist()
    recorded = times_from_arrow(table["recorded_at"])
    assert columns.slice(Section.RECORDED_AT, 0, 500).tolist() == recorded.tolist()
    local = columns.slice(Section.ENTITY, 0, 500).astype(np.int64)
    for numbers, offsets, data, name in (
        (local, Section.DICTIONARY_OFFSETS, Section.DICTIONARY, "entity_id"),
        (np.arange(500), Section.METADATA_OFFSETS, Section.METADATA, "metadata"),
        (np.arange(500), Section.KEY_OFFSETS, Section.KEYS, "key"),
    ):
        texts = [text.decode() or None for text in columns.texts(offsets, data, numbers)]
        assert texts == table[name].to_pylist()


def test_the_rows_of_each_entity_are_together_and_in_order(write):
    table = points_table(300)
    columns = write(encoded(table))
    starts = columns.slice(Section.ENTITY_STARTS, 0, columns.count(Section.ENTITY_STARTS))
    order = columns.slice(Section.ENTITY_ROWS, 0, 300)
    names = np.array(table["entity_id"].to_pylist())
    dictionary = sorted(set(names))
    assert len(starts) == len(dictionary) + 1
    for local, name in enumerate(dictionary):
        mine = order[starts[local] : starts[local + 1]]
        assert mine.tolist() == np.flatnonzero(names == name).tolist()


def test_sections_that_are_not_needed_are_left_out(write):
    table = points_table(10)
    unit = vectors_from_arrow(table["vector"], DIM).astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1)[:, None]
    assert not write(encoded(table)).has(Section.KEYS)
    assert not write(encoded(table)).has(Section.DEAD_SEQ)
    assert write(encoded(table)).has(Section.UNIT)
    assert not write(encoded(table, cosine=False)).has(Section.UNIT)
    assert unit_vectors(unit.astype(np.float32), vector_norms(unit.astype(np.float32))) is None


def test_norms_and_units_do_not_depend_on_the_block():
    vectors = np.random.default_rng(5).normal(size=(700, 1_000)).astype(np.float32)
    assert block_rows(1_000) < 700
    norms = vector_norms(vectors)
    alone = np.concatenate([vector_norms(vectors[row : row + 1]) for row in range(700)])
    assert norms.tobytes() == alone.tobytes()
    assert np.allclose(norms, np.linalg.norm(vectors.astype(np.float64), axis=1))
    unit = unit_vectors(vectors, norms)
    assert unit.tobytes() == scaled_to_unit(vectors, norms).tobytes()
    assert unit.dtype == np.float32


def test_a_block_is_a_mebibyte_or_one_vector():
    assert block_rows(1) == 262_144
    assert block_rows(4_096) == 64
    assert block_rows(1 << 20) == 1


def test_unit_vectors_have_length_one_and_zero_stays_zero():
    vectors = np.array([[3e20, 4e20], [1e-30, 0], [0, 0]], np.float32)
    unit = unit_vectors(vectors, vector_norms(vectors))
    assert np.allclose(unit, [[0.6, 0.8], [1, 0], [0, 0]])


def test_taking_rows_is_the_same_as_slicing(write):
    columns = write(encoded(points_table(200)))
    rows = np.array([199, 0, 3, 3])
    for section in (Section.VECTOR, Section.UNIT, Section.TIMESTAMP, Section.ENTITY):
        whole = columns.slice(section, 0, 200)
        assert columns.take(section, rows).tolist() == whole[rows].tolist()
        assert len(columns.take(section, rows[:0])) == 0
    assert len(columns.slice(Section.SEQ, 5, 5)) == 0


def test_arrays_cannot_be_written_to(write):
    columns = write(encoded(points_table(5)))
    with pytest.raises(ValueError, match="read-only"):
        columns.slice(Section.VECTOR, 0, 5)[0, 0] = 1.0


def test_the_dead_are_told_from_the_living(write):
    table = points_table(300, dead=True)
    columns = write(encoded(table))
    seqs = columns.slice(Section.DEAD_SEQ, 0, 300)
    assert [seq or None for seq in seqs.tolist()] == table["dead_seq"].to_pylist()
    times = columns.slice(Section.DEAD_AT, 0, 300)
    assert times[seqs > 0].tolist() == times_from_arrow(table["dead_at"].drop_null()).tolist()
    assert (times[seqs == 0] == 0).all()
    causes = [None, "replaced", "deleted"]
    found = [causes[cause] for cause in columns.slice(Section.DEAD_BY, 0, 300).tolist()]
    assert found == table["dead_by"].to_pylist()
    assert columns.take(Section.DEAD_SEQ, np.array([3, 4])).tolist() == [10_003, 0]


@pytest.mark.parametrize("dead", [False, True])
def test_every_flipped_bit_is_reported(tmp_path, dead):
    """A small file: every bit of the header page, the sections and the checksums, sampled."""
    sound = encoded(points_table(40, keys=True, dead=dead))
    chance = np.random.default_rng(2)
    head = np.arange(0, 8 * 600, 5)
    bits = np.union1d(head, chance.integers(0, 8 * len(sound), 1_500)).tolist()
    path = tmp_path / "columns.bin"
    path.write_bytes(sound)
    for bit in bits:
        with_bit_flipped(path, bit)
        with pytest.raises(CorruptError, match=r"columns\.bin"):
            read_all(path)
        with_bit_flipped(path, bit)
    read_all(path)


def test_damage_is_noticed_where_it_is_touched_and_only_there(write, tmp_path):
    table = points_table(60_000, dim=16)
    sound = encoded(table, cosine=False, dim=16)
    assert len(sound) > 4 * CHUNK_BYTES
    columns = write(flipped(sound, 8 * (PAGE_BYTES + 2 * CHUNK_BYTES + 9)))
    row_bytes = 16 * 4
    low, high = 2 * CHUNK_BYTES // row_bytes, 3 * CHUNK_BYTES // row_bytes
    vectors = vectors_from_arrow(table["vector"], 16)
    for begin, end in ((0, low), (high, 60_000)):
        found = columns.slice(Section.VECTOR, begin, end)
        assert found.tobytes() == vectors[begin:end].tobytes()
    for touch in (
        lambda: columns.slice(Section.VECTOR, high - 1, high),
        lambda: columns.slice(Section.VECTOR, 0, 60_000),
        lambda: columns.take(Section.VECTOR, np.array([low, 0])),
        columns.check_all,
    ):
        with pytest.raises(CorruptError, match=r"damaged between bytes.*verify --repair"):
            touch()
    assert columns.take(Section.VECTOR, np.array([0, high])).shape == (2, 16)


def test_a_row_across_two_chunks_has_both_checked(write):
    table = points_table(200_000, dim=3)
    sound = encoded(table, cosine=False)
    row = CHUNK_BYTES // 12
    assert row * 12 < CHUNK_BYTES < row * 12 + 12
    for chunk in (0, 1):
        columns = write(flipped(sound, 8 * (PAGE_BYTES + chunk * CHUNK_BYTES + 7)))
        with pytest.raises(CorruptError):
            columns.take(Section.VECTOR, np.array([row]))
        with pytest.raises(CorruptError):
            columns.slice(Section.VECTOR, row, row + 1)


@pytest.mark.parametrize("kept", [0, 100, PAGE_BYTES - 1, PAGE_BYTES, -PAGE_BYTES, -5, -1])
def test_a_file_cut_short_is_reported(write, kept):
    with pytest.raises(CorruptError, match=r"\.bin"):
        write(encoded(points_table(20, dead=True))[:kept])
