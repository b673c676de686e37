"""`docs/format.md` says what the code does, and is enough to read a database."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import zlib

import duckdb
import numpy as np
import pyarrow as pa
import pytest

import tsvec
from tests.contract import format_reader as reader
from tests.unit.engine.rig import wait_until
from tests.unit.storage.samples import create_log, dead_columns, files_with, points_table
from tsvec.model.collections import CollectionConfig
from tsvec.model.settings import Settings
from tsvec.model.times import TIME_MISSING
from tsvec.storage import columns, duck, layout, manifest, overlay, schema
from tsvec.storage.access import key_file
from tsvec.storage.checksums import checked_document
from tsvec.storage.duck import STORAGE_VERSION, DuckFiles
from tsvec.storage.log import frames, segment
from tsvec.storage.partition import PartitionStore
from tsvec.storage.retries import replies, requests
from tsvec.storage.state import STATE_SCHEMAS, write_state

PAGE = reader.PAGE.read_text()
ROWS, DIM = 700, 3
STATE_HEADINGS = {name: f"The table {name}" for name in STATE_SCHEMAS}
SETTINGS = Settings(seal_rows=256, segment_bytes_min=1 << 16, segment_bytes_max=1 << 16)


def names_of(heading: str, column: str, table: int = 0) -> list[str]:
    return [row[column].strip("`") for row in reader.tables()[heading][table]]


# The page against the code.


@pytest.mark.parametrize(
    ("heading", "form", "behind"),
    [
        ("Segment header", segment._HEADER, 4),
        ("Watermark slots", segment._SLOT, 4),
        ("Frame header", frames.HEADER, 0),
        ("Columns header", columns.HEADER, 0),
        ("Section entry", columns.ENTRY, 0),
        ("Overlay header", overlay._HEADER, 0),
        ("Kept reply", replies.RECORD, 0),
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
    assert f"`{columns.MAGIC.decode()}`" in PAGE
    assert f"`{overlay._MAGIC.decode()}`" in PAGE
    assert segment._VERSION == columns.VERSION == overlay._VERSION == manifest._VERSION == 1
    for member in (manifest._MEMBER, key_file._MEMBER):
        begin = len(checked_document(member, b"")) - 1
        assert f"all but the first {begin} bytes and the last one" in " ".join(PAGE.split())
    assert f"at most {duck._GROUP_BYTES >> 20} MiB of vectors" in PAGE
    assert f"or {duck._VECTOR_ROWS:,} rows" in PAGE
    slots = "Two, at bytes {:,} and {:,}".format(*segment._SLOT_OFFSETS)
    assert slots in PAGE
    assert f"Frames begin at byte {segment.HEADER_BYTES:,}" in PAGE
    assert f"this header of {frames.HEADER_BYTES} bytes" in PAGE
    assert f"at most {frames.PAYLOAD_BYTES_MAX:,}" in PAGE
    assert f"header page of {columns.PAGE_BYTES:,} bytes" in PAGE
    assert f"{columns.CHUNK_BYTES:,} bytes of the sections" in PAGE
    assert f"At byte {columns.HEADER.size} of the page" in PAGE
    assert f"storage version {STORAGE_VERSION}" in PAGE
    assert f"<uuid>{layout.DELETED_SUFFIX}" in PAGE
    assert f"\n```\n{replies.DICTIONARY.decode()}\n```\n" in PAGE
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
        dtype = np.dtype(columns.DTYPES[columns.Section[row["name"]]])
        assert row["elements"] == f"{dtype.kind}{8 * dtype.itemsize}"
    arrays = reader.tables()["Overlay arrays"][0]
    assert {row["name"].lower(): reader.elements(row["elements"]) for row in arrays} == {
        name: np.dtype(dtype).newbyteorder("<").str.replace("|", "<")
        for name, dtype in overlay._FIELDS.items()
    }
    assert [int(row["order"]) for row in arrays] == [1, 2, 3, 4]


def test_causes_and_flags_are_those_of_the_code():
    arrays = contents_of_arrays()
    for text in (arrays["DEAD_BY"], arrays["BY"]):
        found = dict(re.findall(r"(\d): (replaced|deleted)", text))
        assert {int(number): name.upper() for number, name in found.items()} == {
            cause.value: cause.name for cause in overlay.DeathCause
        }
    (flags,) = [
        row["meaning"]
        for row in reader.tables()["Points in the log"][0]
        if row["column"] == "`flags`"
    ]
    assert {name: int(number) for number, name in re.findall(r"(\d) \(([A-Z]+):", flags)} == {
        flag.name: flag.value for flag in schema.PointFlag
    }


def contents_of_arrays() -> dict[str, str]:
    rows = [*reader.tables()["Sections"][0], *reader.tables()["Overlay arrays"][0]]
    return {row["name"]: row["content"] for row in rows}


def test_schemas_are_those_of_the_code():
    assert reader.log_schema(DIM) == schema.log_schema(DIM)
    assert reader.log_schema(DIM, "Deletions in the log") == schema.deletions_schema()
    partition = schema.partition_schema(DIM)
    assert names_of("points.duckdb", "column") == partition.names
    nulls = [field.nullable for field in partition]
    assert [null == "yes" for null in names_of("points.duckdb", "null")] == nulls
    for name, state in STATE_SCHEMAS.items():
        assert names_of(f"The table {name}", "column") == state.names
        nulls = [field.nullable for field in state]
        assert [null == "yes" for null in names_of(f"The table {name}", "null")] == nulls


def test_the_fields_of_the_manifest_are_those_of_the_code():
    assert names_of("manifest.json", "field") == list(manifest.Manifest.model_fields)
    partition = re.findall(r"\w+", " ".join(names_of("manifest.json", "field", 1)))
    assert partition == list(manifest.PartitionEntry.model_fields)
    for record in (
        CollectionConfig,
        manifest.LogEntry,
        manifest.PartitionEntry,
        manifest.FileEntry,
    ):
        assert [name for name in record.model_fields if f"`{name}`" not in PAGE] == []


# The page against files made one by one.


@pytest.fixture
def paths(tmp_path):
    found = layout.CollectionPaths(tmp_path)
    found.partitions.mkdir()
    found.state.mkdir()
    return found


@pytest.fixture
def duck_files(tmp_path):
    found = DuckFiles(tmp_path)
    yield found
    found.close()


def test_the_dead_of_a_partition_can_be_read(paths, duck_files):
    table = points_table(100, DIM, keys=True, dead=True)
    config = CollectionConfig(name="storms", dim=DIM)
    entry = PartitionStore(files_with(""), duck_files, paths).write("p-00000002", table, config)
    check_types(paths.root / entry.points.path, {"points": "points.duckdb"})
    _, sections = reader.read_columns(paths.root / entry.columns.path)
    rows = table.to_pylist()
    assert sections["DEAD_SEQ"].tolist() == [row["dead_seq"] or 0 for row in rows]
    assert sections["DEAD_AT"].tolist() == [
        micros(row["dead_at"]) if row["dead_at"] else 0 for row in rows
    ]
    causes = {None: 0, "replaced": 1, "deleted": 2}
    assert sections["DEAD_BY"].tolist() == [causes[row["dead_by"]] for row in rows]
    with duckdb.connect(paths.root / entry.points.path, read_only=True) as stock:
        stock.execute("SET TimeZone = 'UTC'")
        found = stock.sql("SELECT dead_seq, dead_at, dead_by FROM points").to_arrow_table()
    expected = table.select(["dead_seq", "dead_at", "dead_by"])
    assert found.cast(expected.schema).equals(expected)
    assert entry.dead_rows == np.count_nonzero(sections["DEAD_SEQ"])


def test_a_partition_without_dead_has_no_sections_for_them(paths, duck_files):
    table = points_table(100, DIM)
    assert table.columns[-3:] == [pa.chunked_array([c]) for c in dead_columns(100, every=0)]
    config = CollectionConfig(name="storms", dim=DIM)
    entry = PartitionStore(files_with(""), duck_files, paths).write("p-00000002", table, config)
    _, sections = reader.read_columns(paths.root / entry.columns.path)
    assert not {"DEAD_SEQ", "DEAD_AT", "DEAD_BY"} & set(sections)


def test_an_overlay_can_be_read(paths):
    deaths = overlay.Deaths(
        row=np.array([0, 7, 4_000_000_000]),
        seq=np.array([9, 2**64 - 1, 8], np.uint64),
        at=np.array([-5, 0, 5]),
        by=np.array([1, 2, 1], np.uint8),
    )
    entry = overlay.write_overlay(files_with(""), paths, "p-00000002", 31, deaths)
    assert entry.path == "overlays/p-00000002-00000031.bin"
    found = reader.read_overlay(paths.root / entry.path)
    assert {name.lower(): values.tolist() for name, values in found.items()} == {
        name: getattr(deaths, name).tolist() for name in ("seq", "at", "row", "by")
    }


def test_the_state_has_the_tables_of_the_page(paths, duck_files):
    tables = {name: state.empty_table() for name, state in STATE_SCHEMAS.items()}
    entry = write_state(files_with(""), duck_files, paths, 12, tables, 3)
    assert entry.path == "state/state-12-00000003.duckdb"
    check_types(paths.root / entry.path, STATE_HEADINGS)


def test_deletions_attributes_and_ticks_of_a_log_can_be_read(paths):
    log = create_log(paths.log, history=7)
    deletions = schema.encode_deletions(
        entity_id=["störm", "störm"],
        timestamp=np.array([-1, TIME_MISSING]),
        key=["k", None],
        victim=np.array([2**63, 0], np.uint64),
        commit=[2, 2],
    )
    log.commit(
        [
            frames.Frame(
                frames.Kind.DATA, frames.Operation.DELETE_POINTS, 7, 1, 2, 5, bytes(deletions)
            ),
            frames.Frame(
                frames.Kind.DATA, frames.Operation.SET_ATTRIBUTES, 7, 3, 1, 5, b'{"entity_id":"a"}'
            ),
            frames.Frame(
                frames.Kind.TICK, frames.Operation.EXPIRE, 7, 3, 0, 6, b'{"cutoff":1}', sub=1
            ),
        ]
    )
    log.mark()
    log.close()
    (file,) = paths.log.iterdir()
    header, records = reader.read_segment(file)
    assert header["end_seq"] == 4
    rows = reader.tables()["Kinds and operations"]
    kinds = {int(row["kind"]): row["name"] for row in rows[0]}
    operations = {int(row["operation"]): row["name"] for row in rows[1]}
    found = [
        (kinds[frame["kind"]], operations[frame["operation"]], frame["count"], frame["sub"])
        for frame, _ in records
    ]
    assert found == [
        ("DATA", "DELETE_POINTS", 2, 0),
        ("DATA", "SET_ATTRIBUTES", 1, 0),
        ("TICK", "EXPIRE", 0, 1),
    ]
    batch = pa.ipc.read_record_batch(
        pa.py_buffer(records[0][1]), reader.log_schema(DIM, "Deletions in the log")
    )
    assert batch.column("timestamp").cast(pa.int64()).to_pylist() == [-1, None]
    assert batch.column("victim").to_pylist() == [2**63, 0]
    assert batch.column("entity_id").to_pylist() == ["störm"] * 2


def test_the_keys_are_as_the_page_says(tmp_path):
    with tsvec.connect(tmp_path) as database:
        made = database.tenant("acme").admin.create_key("device", collections=["c"])
        database.tenant("acme").admin.revoke_key(made.id)
    data = (tmp_path / "keys.json").read_bytes()
    document = json.loads(data)
    assert list(document) == ["sha256", "keys"]
    assert document["sha256"] == hashlib.sha256(data[84:-1]).hexdigest()
    [key] = document["keys"]["keys"]
    assert document["keys"]["version"] == 1
    assert sorted(key) == sorted(re.findall(r"\w+", " ".join(names_of("keys.json", "field"))))
    assert key["sha256"] == hashlib.sha256(made.secret.encode()).hexdigest()
    assert (key["id"], key["tenant"], key["collections"]) == (made.id, "acme", ["c"])


def test_kept_replies_of_a_log_can_be_read(tmp_path):
    with tsvec.connect(tmp_path) as db:
        collection = db.create_collection("storms", dim=2, idempotency_key="make")
        points = [{"entity_id": "störm", "vector": [1, 2]}]
        told = collection.ingest(points, idempotency_key="first")
    (path,) = (found for found in (tmp_path / "tenants/default").iterdir() if found.is_dir())
    _, records = reader.read_segment(path / "log" / "0000000001.log")
    (before, payload), (after, _) = records
    assert [before[name] for name in ("kind", "operation", "count", "sub")] == [4, 0, 0, 0]
    assert before["recorded_at"] == after["recorded_at"]
    form = reader.Layout.of("Kept reply")
    found = form.read(payload)
    packed = payload[form.form.size :]
    assert (found["seq"], found["length"]) == (1, len(packed))
    assert found["key"] == hashlib.blake2b(b"first", digest_size=16).digest()
    dictionary = re.search(r"```\n(\{\"state.*)\n```", PAGE)[1].encode()
    assert zlib.decompressobj(-15, dictionary).decompress(packed) == told.model_dump_json().encode()
    document = json.loads((tmp_path / "tenants/default/requests.json").read_bytes())
    (entry,) = document["requests"]["requests"]
    named = re.findall(r"\w+", " ".join(names_of("requests.json", "field")))
    assert named == list(requests.RequestEntry.model_fields)
    assert entry["directory"] == path.name
    assert entry["key"] == hashlib.blake2b(b"make", digest_size=16).hexdigest()
    assert json.loads(entry["reply"])["name"] == "storms"


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
        "allowed_lateness": None,
        "retention": None,
        "history_horizon": "7d",
        "space": None,
    }
    files = [part[name] for part in found["partitions"] for name in ("points", "columns")]
    for file in [*files, found["state"]]:
        data = (path / file["path"]).read_bytes()
        assert len(data) == file["size"]
        assert hashlib.sha256(data).hexdigest() == file["sha256"]
    for part in found["partitions"]:
        assert re.fullmatch(r"p-\d{8}", part["name"])
    assert re.fullmatch(r"state/state-\d+-\d{8}\.duckdb", found["state"]["path"])
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
    check_types(path / found["partitions"][0]["points"]["path"], {"points": "points.duckdb"})
    check_types(path / found["state"]["path"], STATE_HEADINGS)


def check_types(file, headings: dict[str, str]) -> None:
    """The tables of a DuckDB file are these, and have the columns below these headings."""
    with duckdb.connect(file, read_only=True) as stock:
        assert {name for (name,) in stock.execute("SHOW TABLES").fetchall()} == set(headings)
        for table, heading in headings.items():
            described = stock.execute(f"DESCRIBE {table}").fetchall()
            rows = reader.tables()[heading][0]
            for (name, kind, null, *_), row in zip(described, rows, strict=True):
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


# The page against a database whose points were replaced, deleted and restored.


@pytest.fixture(scope="module", params=["sealed", "compacted"])
def changed(tmp_path_factory, request):
    """The directory of a collection of partitions with overlays, or of those, compacted."""
    root = tmp_path_factory.mktemp("changed")
    start = dt.datetime(2005, 8, 28, tzinfo=dt.UTC)

    def points(low: int, high: int, value: float) -> list[dict]:
        return [
            {
                "entity_id": f"störm-{row % 7}",
                "entity_type": "STORM",
                "timestamp": start + dt.timedelta(minutes=row),
                "vector": [value, row, 1.0],
                "key": "k" if row % 5 == 0 else None,
            }
            for row in range(low, high)
        ]

    with tsvec.connect(root, settings=SETTINGS) as db:
        collection = db.create_collection("storms", dim=DIM, retention="36500d")
        collection.ingest(points(0, 512, 1.0))
        wait_until(lambda: collection.get_collection_stats().hot_points < 256)
        collection.ingest(points(0, 40, 2.0))
        collection.delete_points(entity_ids=["störm-3"])
        collection.restore_points(entity_ids=["störm-3"], end_time=start + dt.timedelta(hours=2))
        collection.entities.set_entity_attributes("störm-1", {"näme": "Katrina"})
        collection.entities.delete_entity("störm-4")
        collection.entities.merge_entity_attributes("störm-1", {"rank": 5})
        db.update_collection("storms", window_size="1d")
        collection.ingest(points(600, 1_112, 3.0))
        wait_until(lambda: collection.get_collection_stats().hot_points < 256)
        if request.param == "compacted":
            collection.compact()
        collection.ingest(points(500, 520, 4.0))
    (path,) = (root / "tenants" / "default").iterdir()
    return path


def told_by_the_log(path) -> tuple[dict[int, dict], dict[int, tuple[int, int, int]]]:
    """Every version by its seq, and what ended it: the seq, the recorded time, the cause."""
    versions, deaths = {}, {}
    for file in sorted((path / "log").iterdir()):
        for frame, payload in reader.read_segment(file)[1]:
            match frame["kind"], frame["operation"]:
                case 1, 1:
                    heading, column, cause = "Points in the log", "replaces", 1
                case 1, 3:
                    heading, column, cause = "Deletions in the log", "victim", 2
                case _:
                    continue
            schema_of_page = reader.log_schema(DIM, heading)
            batch = pa.ipc.read_record_batch(pa.py_buffer(payload), schema_of_page)
            assert len(batch) == frame["count"]
            for seq, row in enumerate(batch.to_pylist(), frame["first_seq"]):
                if cause == 1:
                    versions[seq] = row | {"recorded_at": frame["recorded_at"]}
                if row[column]:
                    deaths[row[column]] = (seq, frame["recorded_at"], cause)
    return versions, deaths


def told_by_the_partitions(path, found) -> tuple[dict[int, dict], dict[int, tuple[int, int, int]]]:
    """The same of the versions in partitions, as far as their files and overlays go."""
    versions, deaths = {}, {}
    for part in found["partitions"]:
        header, sections = reader.read_columns(path / part["columns"]["path"])
        assert header["norm_max"] == part["norm_max"]
        assert len(sections["SEQ"]) == part["rows"]
        for name, column in (("time", "TIMESTAMP"), ("seq", "SEQ"), ("recorded", "RECORDED_AT")):
            bounds = sections[column].min(), sections[column].max()
            assert bounds == (part[f"{name}_min"], part[f"{name}_max"])
        names = texts(sections["DICTIONARY_OFFSETS"], sections["DICTIONARY"])
        seqs = sections["SEQ"].tolist()
        for row, seq in enumerate(seqs):
            versions[seq] = {
                "entity_id": names[sections["ENTITY"][row]].decode(),
                "timestamp": sections["TIMESTAMP"][row],
                "recorded_at": sections["RECORDED_AT"][row],
            }
        dead_rows = np.flatnonzero(sections.get("DEAD_SEQ", np.zeros(0)))
        assert len(dead_rows) == part["dead_rows"]
        for row in dead_rows.tolist():
            columns_of_deaths = ("DEAD_SEQ", "DEAD_AT", "DEAD_BY")
            deaths[seqs[row]] = tuple(int(sections[name][row]) for name in columns_of_deaths)
        if part["overlay"] is not None:
            arrays = reader.read_overlay(path / part["overlay"]["path"])
            assert not set(arrays["ROW"].tolist()) & set(dead_rows.tolist())
            for place, row in enumerate(arrays["ROW"].tolist()):
                deaths[seqs[row]] = tuple(int(arrays[name][place]) for name in ("SEQ", "AT", "BY"))
    return versions, deaths


def test_log_and_partitions_tell_the_same_of_who_is_dead(changed, request):
    found = reader.read_manifest(changed / "manifest.json")
    versions, deaths = told_by_the_log(changed)
    sealed, died = told_by_the_partitions(changed, found)
    assert {seq for seq in versions if seq <= found["sealed_seq"]} == set(sealed)
    for seq, version in sealed.items():
        assert version["entity_id"] == versions[seq]["entity_id"]
        assert version["timestamp"] == micros(versions[seq]["timestamp"])
        assert version["recorded_at"] == versions[seq]["recorded_at"]
    assert {seq: deaths[seq] for seq in died} == died
    known = {seq for seq in sealed if seq in deaths and deaths[seq][0] < found["log"]["seq"]}
    assert known <= set(died)
    assert {cause for _, _, cause in died.values()} == {1, 2}
    has_overlays = any(part["overlay"] for part in found["partitions"])
    assert has_overlays == ("sealed" in request.node.name)


def test_the_state_tells_what_the_log_does(changed):
    found = reader.read_manifest(changed / "manifest.json")
    versions, deaths = told_by_the_log(changed)
    with duckdb.connect(changed / found["state"]["path"], read_only=True) as stock:
        tables = {
            name: stock.execute(f"FROM {name}").fetchall()
            for name in ("entities", "past_types", "attributes")
        }
    last = found["state_seq"]
    alive = [
        version
        for seq, version in versions.items()
        if seq <= last and not (seq in deaths and deaths[seq][0] <= last)
    ]
    for entity_id, entity_type, points, low, high in tables["entities"]:
        mine = [micros(point["timestamp"]) for point in alive if point["entity_id"] == entity_id]
        assert points == len(mine)
        assert all(low <= moment <= high for moment in mine)
        assert entity_type == "STORM"
    ids = [row[0] for row in tables["entities"]]
    assert ids == [f"störm-{number}" for number in range(7)]
    reset = ids.index("störm-4")
    assert {(number, kind) for number, _, kind in tables["past_types"]} >= {(reset, "STORM")}
    values = [(ids[number], value) for number, _, _, value in tables["attributes"]]
    assert [json.loads(value) for name, value in values if name == "störm-1"] == [
        {"näme": "Katrina"},
        {"näme": "Katrina", "rank": 5},
    ]
    seqs = [seq for number, seq, _, _ in tables["attributes"]]
    assert all(0 < seq <= last for seq in seqs)


def test_the_manifest_counts_what_was_written_and_changed(changed):
    found = reader.read_manifest(changed / "manifest.json")
    assert [len(change) for change in found["config_changes"]] == [2]
    assert found["sealed_bytes"] > 0
    files = [part[name] for part in found["partitions"] for name in ("points", "columns")]
    size = sum(file["size"] for file in files)
    if found["compacted_bytes"]:
        assert size < found["sealed_bytes"] + found["compacted_bytes"]
    else:
        assert size == found["sealed_bytes"]
    for file in [*files, found["state"], *(part["overlay"] for part in found["partitions"])]:
        if file is not None:
            data = (changed / file["path"]).read_bytes()
            assert hashlib.sha256(data).hexdigest() == file["sha256"]
