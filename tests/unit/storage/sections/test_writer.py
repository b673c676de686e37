"""Writing columns.bin in pieces."""

from __future__ import annotations

import errno
import tracemalloc

import numpy as np
import pyarrow as pa
import pytest

from tests.unit.storage.samples import encoded_columns, in_chunks, points_table
from tsvec.model.errors import CorruptError
from tsvec.storage.columns import CHUNK_BYTES, PAGE_BYTES, ColumnsFile, Section, vector_norms
from tsvec.storage.files import Files, FileWriter
from tsvec.storage.schema import vectors_from_arrow
from tsvec.storage.sections.writer import write_columns

SOURCE = "ab" * 32


def encoded(table: pa.Table, dim: int = 3, *, cosine: bool = True) -> bytes:
    return encoded_columns(table, dim, cosine=cosine, source=SOURCE)


@pytest.fixture(scope="module")
def wide():
    """About 60 MiB of vectors in several chunks."""
    table = points_table(15_000, dim=1_024, keys=True, dead=True)
    return in_chunks(table, 4_000, 4_000, 100)


def test_the_same_rows_give_the_same_bytes_however_they_are_chunked():
    table = points_table(2_000, keys=True, dead=True)
    whole = encoded(table.combine_chunks())
    assert whole == encoded(table.combine_chunks())
    for sizes in ((1,), (0, 700, 0), tuple([13] * 100)):
        assert encoded(in_chunks(table, *sizes)) == whole
    assert encoded(table.slice(1)) != whole


@pytest.mark.parametrize("rows", [1, 2, 87_381, 87_382])
def test_sections_that_end_at_and_across_the_blocks_of_a_checksum(tmp_path, rows):
    """87,381 vectors of three elements are four bytes short of a MiB."""
    table = points_table(rows)
    norm = write_columns(Files(), tmp_path / "columns.bin", table, 3, cosine=False, source=SOURCE)
    columns = ColumnsFile.open(tmp_path / "columns.bin")
    columns.check_all()
    assert columns.norm_max == norm
    vectors = vectors_from_arrow(table["vector"], 3)
    assert columns.slice(Section.VECTOR, 0, rows).tobytes() == vectors.tobytes()
    assert norm == vector_norms(vectors).max()
    content = (tmp_path / "columns.bin").stat().st_size - PAGE_BYTES
    checks = -(-content // (CHUNK_BYTES + 4))
    assert (content - 4 * checks) % PAGE_BYTES == 0


def test_an_empty_table_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one row"):
        encoded(points_table(3).slice(3))


def test_pieces_are_at_most_a_mebibyte_and_the_header_comes_last(wide, tmp_path, monkeypatch):
    writes = []
    write_at = FileWriter.write_at

    def noted(self, piece, offset):
        writes.append((offset, len(piece)))
        write_at(self, piece, offset)

    monkeypatch.setattr(FileWriter, "write_at", noted)
    write_columns(Files(), tmp_path / "c", wide, 1_024, cosine=True, source=SOURCE)
    assert max(size for _, size in writes) <= CHUNK_BYTES
    assert writes[-1] == (0, PAGE_BYTES)
    places = [offset for offset, _ in writes[:-1]]
    assert places == sorted(places)
    assert places[0] == PAGE_BYTES


def test_what_was_not_finished_has_no_header(wide, tmp_path, monkeypatch):
    path = tmp_path / "columns.bin"
    write_at = FileWriter.write_at

    def full(self, piece, offset):
        if offset > 20 * CHUNK_BYTES:
            raise OSError(errno.ENOSPC, "no room")
        write_at(self, piece, offset)

    monkeypatch.setattr(FileWriter, "write_at", full)
    with pytest.raises(OSError, match="no room"):
        write_columns(Files(), path, wide, 1_024, cosine=True, source=SOURCE)
    with pytest.raises(CorruptError, match=r"columns\.bin: the header is damaged"):
        ColumnsFile.open(path)


def test_it_takes_little_memory(wide, tmp_path):
    """Of the arrays of numpy and of Arrow alike; the vectors alone have sixty MiB."""
    arrow = pa.default_memory_pool()
    counted = pa.proxy_memory_pool(arrow)
    pa.set_memory_pool(counted)
    tracemalloc.start()
    try:
        write_columns(Files(), tmp_path / "c", wide, 1_024, cosine=True, source=SOURCE)
        _, numpy_peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        pa.set_memory_pool(arrow)
    assert (tmp_path / "c").stat().st_size > 110 << 20
    assert numpy_peak < 16 << 20
    assert counted.max_memory() < 16 << 20


def test_huge_and_tiny_vectors_are_scaled_without_overflow(tmp_path):
    table = points_table(3)
    at = table.schema.get_field_index("vector")
    vectors = np.array([[3e38, 3e38, 3e38], [1e-45, 0, 0], [0, 0, 0]], np.float32)
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), 3)
    table = table.set_column(at, table.schema.field(at), column)
    write_columns(Files(), tmp_path / "c", table, 3, cosine=True, source=SOURCE)
    columns = ColumnsFile.open(tmp_path / "c")
    third = 3**-0.5
    expected = [[third] * 3, [1, 0, 0], [0, 0, 0]]
    assert np.allclose(columns.slice(Section.UNIT, 0, 3), expected)
    assert columns.norm_max == pytest.approx(3**0.5 * 3e38, rel=1e-6)
