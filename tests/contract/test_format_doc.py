"""`docs/format.md` says what the code does, and is enough to read a database."""

from __future__ import annotations

import datetime as dt
import hashlib
import re

import duckdb
import numpy as np
import pyarrow as pa
import pytest

import tsvec
from tests.contract import format_reader as reader
from tests.unit.engine.rig import wait_until
from tsvec.model.collections import CollectionConfig
from tsvec.storage import columns, layout, manifest, schema
from tsvec.storage.duck import STORAGE_VERSION
from tsvec.storage.log import frames, segment
from tsvec.storage.state import entities_schema

PAGE = reader.PAGE.read_text()
ROWS, DIM = 700, 3
SETTINGS = tsvec.Settings(seal_rows=256, segment_bytes_min=1 << 16, segment_bytes_max=1 << 16)


def names_of(heading: str, column: str, table: int = 0) -> list[str]:
    return [row[column].strip("`") for row in reader.tables()[heading][table]]


# The page against the code.


@pytest.mark.parametrize(
    ("heading", "form", "behind"),
    [
        ("Segment header", segment._HEADER, 4),
        ("Watermark slots", segment._SLOT, 4),
        ("Frame header", frames.HEADER, 0),
        ("Columns header", columns._HEADER, 0),
        ("Section entry", columns._ENTRY, 0),
    ],
)
def test_tables_of_fields_are_those_of_the_code(heading, form, behind):
    found = reader.Layout.of(heading)
    assert found.form.format.replace("<I", "<", 1 if behind else 0) == form.format
    assert found.form.size == form.size + behind
    codes = re.findall(r"\d*[a-zA-Z]", found.form.format)
    sizes = [reader.struct.calcsize("<" + code) for code in codes]
    assert list(found.offsets) == [sum(sizes[:i]) for i in range(len(sizes))]


def test_constants_are_those_of_the_code():
    assert f"`tsvec {layout.FORMAT_VERSION}`" in PAGE
    assert layout._FORMAT == "tsvec 1\n"
    assert f"`{segment._MAGIC.decode()}`" in PAGE
    assert f"`{columns._MAGIC.decode()}`" in PAGE
    assert segment._VERSION == columns._VERSION == manifest._VERSION == 1
    slots = "Two, at bytes {:,} and {:,}".format(*segment._SLOT_OFFSETS)
    assert slots in PAGE
    assert f"Frames begin at byte {segment.HEADER_BYTES:,}" in PAGE
    assert f"this header of {frames.HEADER_BYTES} bytes" in PAGE
    assert f"at most {frames.PAYLOAD_BYTES_MAX:,}" in PAGE
    assert f"header page of {columns.PAGE_BYTES:,} bytes" in PAGE
    assert f"{columns.CHUNK_BYTES:,} bytes of the sections" in PAGE
    assert f"At byte {columns._HEADER.size} of the page" in PAGE
    assert f"storage version {STORAGE_VERSION}" in PAGE
    assert f"<uuid>{layout.DELETED_SUFFIX}" in PAGE
    assert reader.crc32c(b"123456789") == 0xE306_9283


def test_kinds_operations_and_sections_are_those_of_the_code():
    for kind, table in ((frames.Kind, 0), (frames.Operation, 1)):
        rows = reader.tables()["Kinds and operations"][table]
        assert {row["name"]: int(next(iter(row.values()))) for row in rows} == {
            member.name: member.value for member in kind
        }
    rows = reader.tables()["Sections"][0]
    assert {row["name"]: int(row["number"]) for row in rows} == {
        member.name: member.value for member in columns.Section
    }
    for row in rows:
        dtype = np.dtype(columns._DTYPES[columns.Section[row["name"]]])
        assert row["elements"] == f"{dtype.kind}{8 * dtype.itemsize}"


def test_schemas_are_those_of_the_code():
    assert reader.log_schema(DIM) == schema.log_schema(DIM)
    partition = schema.partition_schema(DIM)
    assert names_of("points.duckdb", "column") == partition.names
    nulls = [field.nullable for field in partition]
    assert [null == "yes" for null in names_of("points.duckdb", "null")] == nulls
    assert names_of("State", "column") == entities_schema().names


def test_the_fields_of_the_manifest_are_those_of_the_code():
    assert names_of("manifest.json", "field") == list(manifest.Manifest.model_fields)
    for record in (
        CollectionConfig,
        manifest.LogEntry,
        manifest.PartitionEntry,
        manifest.FileEntry,
    ):
        assert [name for name in record.model_fields if f"`{name}`" not in PAGE] == []


# The page against a database.


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """A collection of sealed and hot points and several segments: its directory, its points."""
    root = tmp_path_factory.mktemp("database")
    chance = np.random.default_rng(4)
    vectors = chance.normal(size=(ROWS, DIM)).astype(np.float32) * 50
    start = dt.datetime(2005, 8, 28, tzinfo=dt.UTC)
    minutes = chance.permutation(ROWS)
    points = [
        {
            "entity_id": f"störm-{row % 7}",
            "entity_type": "STORM",
            "timestamp": start + dt.timedelta(minutes=int(minutes[row])),
            "vector": vectors[row],
            "metadata": {"wind": row, "note": "x" * 200} if row % 3 else None,
            "key": f"k{row}" if row % 50 == 0 else None,
        }
        for row in range(ROWS)
    ]
    with tsvec.connect(root, settings=SETTINGS) as db:
        collection = db.create_collection("storms", dim=DIM, window_size="7d")
        for low in range(0, ROWS, 100):
            collection.ingest(points[low : low + 100])
        db.update_collection("storms", window_size="1d")
        wait_until(lambda: collection.get_collection_stats().hot_points < 256)
    (path,) = (root / "tenants" / "default").iterdir()
    return path, points


def micros(moment: dt.datetime) -> int:
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return (moment - epoch) // dt.timedelta(microseconds=1)


def test_the_manifest_can_be_read(database):
    path, _ = database
    found = reader.read_manifest(path / "manifest.json")
    assert found["config"] == {
        "name": "storms",
        "dim": DIM,
        "metric": "cosine",
        "window_size": found["config"]["window_size"],
    }
    files = [part[name] for part in found["partitions"] for name in ("points", "columns")]
    for file in [*files, found["state"]]:
        data = (path / file["path"]).read_bytes()
        assert len(data) == file["size"]
        assert hashlib.sha256(data).hexdigest() == file["sha256"]
    for part in found["partitions"]:
        assert re.fullmatch(r"p-\d{8}", part["name"])
    assert re.fullmatch(r"state/state-\d+\.duckdb", found["state"]["path"])
    assert (path.parents[2] / "FORMAT").read_text() == "tsvec 1\n"


def test_the_log_can_be_read(database):
    path, points = database
    found = reader.read_manifest(path / "manifest.json")
    rows, expected, configured = [], (0, 1), []
    files = sorted((path / "log").iterdir())
    assert len(files) > 1
    for file in files:
        header, records = reader.read_segment(file)
        assert header["history"] == int(found["history"], 16)
        assert (header["chain"], header["first_seq"]) == expected
        expected = header["end_chain"], header["end_seq"]
        for frame, payload in records:
            match frame["kind"], frame["operation"]:
                case 1, 1:
                    batch = pa.ipc.read_record_batch(pa.py_buffer(payload), reader.log_schema(DIM))
                    assert len(batch) == frame["count"]
                    rows += batch.to_pylist()
                case 1, 2:
                    configured.append(payload)
                case kind, _:
                    assert (kind, payload) == (6, b"")
    for row, point in zip(rows, points, strict=True):
        assert row["entity_id"] == point["entity_id"]
        assert row["timestamp"] == point["timestamp"]
        assert row["key"] == point["key"]
        assert np.array(row["vector"], np.float32).tobytes() == point["vector"].tobytes()
    assert [row["commit"] for row in rows] == [100 * (row // 100 + 1) for row in range(ROWS)]
    assert len(configured) == 1
    assert b'"window_size":"1d"' in configured[0]
    assert expected[1] == ROWS + 2
    assert reader.read_slots(files[-1].read_bytes())[-1]["seq"] == ROWS + 1


def test_the_columns_can_be_read(database):
    path, points = database
    found = reader.read_manifest(path / "manifest.json")
    for part in found["partitions"]:
        header, sections = reader.read_columns(path / part["columns"]["path"])
        assert header["source"].hex() == part["points"]["sha256"]
        assert (header["rows"], header["dim"]) == (part["rows"], DIM)
        assert (header["time_min"], header["time_max"]) == (part["time_min"], part["time_max"])
        mine = [points[seq - 1] for seq in sections["SEQ"].tolist()]
        assert sections["TIMESTAMP"].tolist() == [micros(point["timestamp"]) for point in mine]
        vectors = np.array([point["vector"] for point in mine])
        assert sections["VECTOR"].tobytes() == vectors.tobytes()
        unit = vectors / np.linalg.norm(vectors.astype(np.float64), axis=1)[:, None]
        assert np.allclose(sections["UNIT"].reshape(-1, DIM), unit, atol=1e-6)
        ids = [point["entity_id"].encode() for point in mine]
        names = texts(sections["DICTIONARY_OFFSETS"], sections["DICTIONARY"])
        assert names == sorted(set(ids))
        assert [names[number] for number in sections["ENTITY"]] == ids
        starts, rows = sections["ENTITY_STARTS"], sections["ENTITY_ROWS"]
        for local, name in enumerate(names):
            of_entity = [row for row, entity_id in enumerate(ids) if entity_id == name]
            assert rows[starts[local] : starts[local + 1]].tolist() == of_entity
        metadata = texts(sections["METADATA_OFFSETS"], sections["METADATA"])
        assert all(
            (text == b"{}") == (point["metadata"] is None)
            for text, point in zip(metadata, mine, strict=True)
        )
        keys = texts(sections["KEY_OFFSETS"], sections["KEYS"])
        assert [key.decode() or None for key in keys] == [point["key"] for point in mine]


def texts(offsets: np.ndarray, data: np.ndarray) -> list[bytes]:
    return [data[offsets[i] : offsets[i + 1]].tobytes() for i in range(len(offsets) - 1)]


def test_the_types_of_the_tables_are_those_on_disk(database):
    path, _ = database
    found = reader.read_manifest(path / "manifest.json")
    for heading, file, table in (
        ("points.duckdb", found["partitions"][0]["points"], "points"),
        ("State", found["state"], "entities"),
    ):
        with duckdb.connect(path / file["path"], read_only=True) as stock:
            described = stock.execute(f"DESCRIBE {table}").fetchall()
        for (name, kind, null, *_), row in zip(described, reader.tables()[heading][0], strict=True):
            assert row["column"] == f"`{name}`"
            assert row["DuckDB type"].replace("dim", str(DIM)) == kind
            assert row["null"] == null.lower()


def test_the_example_runs_in_a_stock_duckdb(database, monkeypatch):
    path, points = database
    (example,) = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
    found = reader.read_manifest(path / "manifest.json")
    part = found["partitions"][0]
    monkeypatch.chdir((path / part["points"]["path"]).parent)
    with duckdb.connect() as stock:
        *setup, query = filter(str.strip, example.split(";"))
        stock.execute(";".join(setup))
        rows = stock.sql(query).to_arrow_table().to_pylist()
    sealed = points[part["seq_min"] - 1 : part["seq_max"]]
    wanted = np.array([26.3, -88.6, 175.0], np.float32)
    nearest = sorted(sealed, key=lambda point: np.linalg.norm(point["vector"] - wanted))[:3]
    for name in ("entity_id", "timestamp"):
        assert [row[name] for row in rows] == [point[name] for point in nearest]
    for row, point in zip(rows, nearest, strict=True):
        assert np.array(row["vector"], np.float32).tobytes() == point["vector"].tobytes()
