from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tsvec.cli.files.readers import open_source
from tsvec.model.errors import InvalidRequestError

COLUMNS = ("entity_id", "entity", "entity_type", "speed")


def wanted(source):
    return {name: name != "speed" for name in COLUMNS if name in source.names}


def columns_of(source, size=20):
    chunks = list(source.chunks(size, wanted(source)))
    return {name: [v for chunk in chunks for v in as_list(chunk[name])] for name in chunks[0]}, [
        len(next(iter(chunk.values()))) for chunk in chunks
    ]


def as_list(column):
    return column if isinstance(column, list) else column.tolist()


def test_every_kind_of_file_gives_the_same_rows(every_file, rows):
    source = open_source(every_file)
    columns, _ = columns_of(source)
    entity = "entity" if every_file.suffix == ".npz" else "entity_id"
    assert source.rows == len(rows)
    assert columns[entity] == rows.entity_id
    assert columns["entity_type"] == rows.entity_type
    assert columns["speed"] == rows.speed


def test_chunks_are_full_whatever_the_batches_of_the_file(every_file, rows):
    _, sizes = columns_of(open_source(every_file), size=25)
    assert sizes == [25, 25, 7]


def test_a_source_is_read_again_from_the_start(every_file):
    source = open_source(every_file)
    assert columns_of(source) == columns_of(source)


def test_the_first_bytes_tell_the_kind_whatever_the_name(write, tmp_path, rows):
    for name in ("points.parquet", "points.feather", "points.arrows", "points.npz"):
        renamed = write(name).rename(tmp_path / "points.dat")
        assert open_source(renamed).rows == len(rows)


def test_numbered_entities_take_their_names(write, rows):
    chunk = next(open_source(write("points.npz")).chunks(100, {}))
    assert chunk["entity"].tolist() == rows.entity_id


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("points.xls", b"whatever", "none of Parquet, Arrow IPC"),
        ("points.parquet", b"PAR1 and then nothing", "cannot be read"),
        ("points.arrow", b"ARROW1 cut", "cannot be read"),
        ("points.npz", b"PK\x03\x04 cut", "cannot be read"),
        ("points.csv", b"", "cannot be read"),
        ("points.csv", b"a,a\n1,2\n", "two columns are called 'a'"),
    ],
)
def test_files_that_cannot_be_read_are_told_by_name(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidRequestError, match=message):
        open_source(path)


def test_a_line_that_is_not_json_is_told_by_number(tmp_path):
    path = tmp_path / "points.jsonl"
    path.write_text('{"entity_id": "a"}\n\n[1]\n')
    with pytest.raises(InvalidRequestError, match="line 3: one JSON object a line"):
        open_source(path)
    path.write_text('{"entity_id": "a"}\n{"entity_id": NaN}\n')
    with pytest.raises(InvalidRequestError, match="line 2 is not JSON"):
        open_source(path)


def test_json_lines_may_lack_fields(tmp_path):
    path = tmp_path / "points.jsonl"
    path.write_text('{"a": 1}\n{"b": "x"}\n')
    source = open_source(path)
    assert source.names == ["a", "b"]
    assert list(source.chunks(10, {})) == [{"a": [1, None], "b": [None, "x"]}]


def test_an_npz_file_without_vectors_is_refused(tmp_path):
    path = tmp_path / "points.npz"
    np.savez(path, a=np.arange(3))
    with pytest.raises(InvalidRequestError, match="2-d array"):
        open_source(path)


def test_a_csv_value_of_another_kind_than_those_before_it_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("tsvec.cli.files.readers._CSV_BLOCK_BYTES", 100)
    path = tmp_path / "points.csv"
    path.write_text("a,b\n" + "1,2\n" * 100 + "x,3\n")
    source = open_source(path)
    with pytest.raises(InvalidRequestError, match=r"'x'.*--metadata can leave out"):
        list(source.chunks(10, {"a": False}))
    assert sum(len(chunk["b"]) for chunk in source.chunks(10, {"b": False})) == 101


def test_text_columns_of_csv_stay_text(tmp_path):
    path = tmp_path / "points.csv"
    path.write_text("id,n\n007,008\n")
    chunk = next(open_source(path).chunks(10, {"id": True, "n": False}))
    assert chunk["id"] == pa.array(["007"])
    assert chunk["n"] == pa.array([8])
