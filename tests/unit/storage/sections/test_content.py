"""What the sections of columns.bin hold."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from tests.unit.storage.samples import in_chunks, points_table
from tsvec.storage.columns import DTYPES, Section, block_rows, vector_norms
from tsvec.storage.schema import vectors_from_arrow
from tsvec.storage.sections.content import VectorFacts, content_of


def content(table: pa.Table, dim: int = 3, *, cosine: bool = True) -> dict[Section, np.ndarray]:
    """The whole of each section."""
    facts = VectorFacts()
    return {
        section: np.concatenate([np.asarray(piece).reshape(-1) for piece in stream]).astype(
            DTYPES[section]
        )
        for section, stream in content_of(table, dim, facts, cosine=cosine)
    }


def replaced(table: pa.Table, name: str, values: list) -> pa.Table:
    at = table.schema.get_field_index(name)
    field = table.schema.field(at)
    return table.set_column(at, field, pa.array(values, field.type))


def texts(found: dict[Section, np.ndarray], offsets: Section, data: Section) -> list[bytes]:
    begins = found[offsets].tolist()
    text = found[data].tobytes()
    return [text[low:high] for low, high in pairwise(begins)]


def test_sections_come_in_the_order_of_their_numbers():
    found = content(points_table(50, keys=True, dead=True))
    assert list(found) == sorted(Section)
    found = content(points_table(50), cosine=False)
    absent = {Section.UNIT, Section.KEY_OFFSETS, Section.KEYS}
    absent |= {Section.DEAD_SEQ, Section.DEAD_AT, Section.DEAD_BY}
    assert list(found) == sorted(set(Section) - absent)


@pytest.mark.parametrize(
    "sizes", [(), (1,), (0, 0, 3), (10, 0, 10), tuple([1] * 99), (100,), (33, 33)]
)
def test_chunks_make_no_difference(sizes):
    table = points_table(100, dim=7, keys=True, dead=True)
    whole = content(table.combine_chunks(), 7)
    chunked = content(in_chunks(table, *sizes), 7)
    assert {name: values.tobytes() for name, values in chunked.items()} == {
        name: values.tobytes() for name, values in whole.items()
    }


def test_the_columns_of_a_table_may_be_chunked_differently():
    table = points_table(100, keys=True, dead=True)
    chance = np.random.default_rng(3)
    columns = []
    for column in table.columns:
        cuts = [0, *sorted(chance.integers(0, 100, 4).tolist()), 100]
        columns.append(
            pa.chunked_array(
                [column.slice(low, high - low).combine_chunks() for low, high in pairwise(cuts)]
            )
        )
    ragged = pa.Table.from_arrays(columns, schema=table.schema)
    assert {name: values.tobytes() for name, values in content(ragged).items()} == {
        name: values.tobytes() for name, values in content(table).items()
    }


def test_vectors_of_several_blocks():
    dim = 50_000
    table = points_table(50, dim=dim)
    assert block_rows(dim) < 10
    found = content(in_chunks(table, 7, 20), dim)
    vectors = vectors_from_arrow(table["vector"], dim)
    assert found[Section.VECTOR].tobytes() == vectors.tobytes()
    unit = vectors / np.linalg.norm(vectors.astype(np.float64), axis=1)[:, None]
    assert np.allclose(found[Section.UNIT].reshape(50, dim), unit, atol=1e-7)


def test_the_longest_vector_is_noted():
    table = points_table(100)
    facts = VectorFacts()
    for _, stream in content_of(table, 3, facts, cosine=True):
        for _ in stream:
            pass
    assert facts.norm_max == vector_norms(vectors_from_arrow(table["vector"], 3)).max()


def test_the_dictionary_is_in_the_order_of_the_bytes():
    names = ["zeta", "é", "a", "A", "aa", "漢", "\U0001f300", "\uffff", "", "b" * 256]
    table = replaced(points_table(1_000), "entity_id", [names[(7 * i) % 10] for i in range(1_000)])
    for given in (table, in_chunks(table, 1, 0, 30)):
        found = content(given)
        ids = texts(found, Section.DICTIONARY_OFFSETS, Section.DICTIONARY)
        assert ids == sorted(name.encode() for name in names)
        of_rows = [ids[local].decode() for local in found[Section.ENTITY]]
        assert of_rows == table["entity_id"].to_pylist()
        starts, rows = found[Section.ENTITY_STARTS], found[Section.ENTITY_ROWS]
        for local in range(len(ids)):
            mine = rows[starts[local] : starts[local + 1]]
            assert mine.tolist() == np.flatnonzero(found[Section.ENTITY] == local).tolist()


def test_a_key_that_is_absent_takes_no_bytes_whatever_lies_below_it():
    offsets = pa.py_buffer(np.array([0, 2, 5, 6], np.int64).tobytes())
    valid = pa.py_buffer(bytes([0b101]))
    keys = pa.Array.from_buffers(pa.large_string(), 3, [valid, offsets, pa.py_buffer(b"ab???c")])
    table = points_table(3)
    at = table.schema.get_field_index("key")
    found = content(table.set_column(at, table.schema.field(at), keys))
    assert texts(found, Section.KEY_OFFSETS, Section.KEYS) == [b"ab", b"", b"c"]


def test_metadata_of_many_runs():
    rows = 40_000
    metadata = [f'{{"row":{row}}}' if row % 3 else "{}" for row in range(rows)]
    table = replaced(points_table(rows), "metadata", metadata)
    for given in (table, in_chunks(table, 16_384, 1, 20_000)):
        found = content(given)
        found_texts = texts(found, Section.METADATA_OFFSETS, Section.METADATA)
        assert found_texts == [text.encode() for text in metadata]


def test_deaths_are_zero_where_alive():
    table = points_table(9, dead=True)
    found = content(table)
    assert found[Section.DEAD_SEQ].tolist() == [10_000, 0, 0, 10_003, 0, 0, 10_006, 0, 0]
    assert found[Section.DEAD_AT].tolist() == found[Section.DEAD_SEQ].tolist()
    assert found[Section.DEAD_BY].tolist() == [1, 0, 0, 2, 0, 0, 1, 0, 0]


@pytest.mark.parametrize(
    ("name", "values", "problem"),
    [
        ("dead_seq", [None] * 9, "null in the same rows"),
        ("dead_by", [None, "replaced", "x"] * 3, "null in the same rows"),
        ("dead_by", ["replaced", None, None] * 2 + ["died", None, None], "'replaced' or 'deleted'"),
        ("dead_by", [None, "deleted", None] * 3, "null in the same rows"),
    ],
)
def test_a_death_without_all_its_parts_is_refused(name, values, problem):
    with pytest.raises(ValueError, match=problem):
        content(replaced(points_table(9, dead=True), name, values))


def test_vectors_of_another_dimension_are_refused():
    with pytest.raises(ValueError, match="elements"):
        content(points_table(9, dim=4), 3)
