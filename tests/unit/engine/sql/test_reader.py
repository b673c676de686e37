"""SQL shows what the engine shows of sealed points, beside the process that writes them."""

from __future__ import annotations

import numpy as np
import orjson
import pyarrow as pa
import pytest

from tests.unit.engine.rig import SECOND, ManualClock, batch_of, settle, store_of, wait_until
from tsvec.engine.sql import reader as reader_module
from tsvec.engine.sql.reader import collection_names, entity_ids, open_sql
from tsvec.engine.upkeep.checkpoint import Arrangement, commit_manifest
from tsvec.model.errors import (
    CollectionNotFoundError,
    CorruptError,
    GoneError,
    InvalidRequestError,
    NotFoundError,
)


def answer(reader, statement):
    rows = reader.execute(statement)
    return pa.Table.from_batches(rows, rows.schema).to_pylist()


def listed(collection, **options):
    """What the engine says of every point."""
    page = collection.list_points(limit=1_000, include=["metadata", "vector"], **options)
    assert page.next_cursor is None
    return sorted(
        (p.seq, p.entity_id, p.entity_type, p.timestamp, p.key, tuple(p.vector.tolist()),
         orjson.dumps(p.metadata), p.recorded_at)
        for p in page.items
    )  # fmt: skip


def selected(reader):
    return sorted(
        (row["seq"], row["entity_id"], row["entity_type"], row["timestamp"], row["key"],
         tuple(row["vector"]), row["metadata"].encode(), row["recorded_at"])
        for row in answer(reader, "FROM points")
    )  # fmt: skip


def save(database, name="c"):
    """Write what died and what is known of entities, as upkeep does now and then."""
    store = store_of(database, name)
    with store.arranging:
        commit_manifest(store, Arrangement())


def change(collection, chance):
    """Something that happens to points or entities."""
    ids = [f"e{number}" for number in range(6)]
    who = ids[chance.integers(6)]
    match chance.integers(8):
        case 0 | 1 | 2:
            collection.ingest(batch_of(int(chance.integers(1, 14)), first=int(chance.integers(40)),
                                       metadata=b'{"n":%d}' % chance.integers(9)))  # fmt: skip
        case 3:
            collection.delete_points(entity_ids=[who])
        case 4 if seq := collection.get_collection_stats().as_of_seq:
            collection.restore_points(first_seq=max(0, seq - 5), last_seq=seq)
        case 5 if who in seen(collection):
            collection.entities.set_entity_attributes(who, {"flag": int(chance.integers(9))})
        case 6 if who in seen(collection):
            collection.entities.delete_entity(who)
        case 7:
            collection.ingest(entity_id=f"s{chance.integers(3)}", entity_type=None, vector=[1, 2],
                              timestamp=f"1970-01-01T00:{chance.integers(10, 60)}:00Z",
                              key=f"k{chance.integers(2)}")  # fmt: skip


def seen(collection):
    return {item.entity_id for item in collection.entities.list_entities(limit=1_000).items}


def test_it_shows_what_the_engine_shows(opened, tmp_path):
    chance = np.random.default_rng(1)
    database = opened(seal_rows=16)
    collection = database.create_collection("c", dim=2, metric="l2")
    sealed_once = False
    for step in range(48):
        change(collection, chance)
        if step == 30:
            collection.ingest(entity_id="s1", entity_type="SHIP", vector=[3, 4], key="typed")
        if step % 7 == 6:
            settle(database)
        if step % 11 == 10:
            save(database)
        if step % 8 != 7:
            continue
        every = listed(collection)
        with open_sql(tmp_path / "db", "c") as reader:
            sealed = [row for row in every if row[0] <= reader.sealed_seq]
            assert selected(reader) == sealed
            assert reader.hot_points == len(every) - len(sealed)
            known = {
                item.entity_id: (item.entity_type, orjson.dumps(item.attributes).decode())
                for item in collection.entities.list_entities(limit=1_000).items
            }
            for row in answer(reader, "FROM entities"):
                assert (row["entity_type"], row["attributes"]) == known[row["entity_id"]]
                mine = [point for point in sealed if point[1] == row["entity_id"]]
                assert row["points"] == len(mine)
                assert row["first_seen"] == min(point[3] for point in mine)
            whole = reader.sealed_seq
        for seq in {whole, whole // 2} if whole else ():
            with open_sql(tmp_path / "db", "c", as_of=seq) as reader:
                assert selected(reader) == listed(collection, as_of=seq)
                assert reader.hot_points == 0
            sealed_once = True
    assert sealed_once


@pytest.fixture
def filled(opened, tmp_path):
    """A database with sealed and hot points, and its path."""
    database = opened(seal_rows=16)
    database.create_collection("c", dim=2, metric="l2").ingest(batch_of(40))
    settle(database)
    return database, tmp_path / "db"


def test_nothing_is_written_or_locked(filled):
    _, path = filled

    def state():
        return {
            file: (file.stat().st_size, file.stat().st_mtime_ns)
            for file in path.rglob("*")
            if file.is_file()
        }

    store_of(filled[0]).log.mark()
    before = state()
    with open_sql(path, "c") as reader:
        assert answer(reader, "SELECT count(*) AS n FROM points") == [{"n": 32}]
        assert (reader.seq, reader.sealed_seq, reader.hot_points) == (40, 32, 8)
    assert state() == before


def test_a_closed_directory_reads_the_same(filled):
    database, path = filled
    database.close()
    with open_sql(path, "c") as reader:
        assert (reader.seq, reader.hot_points) == (40, 8)


def test_partitions_that_went_meanwhile_are_looked_up_again(filled, monkeypatch):
    database, path = filled
    stale = reader_module._find(path, "c")
    collection = database.collection("c")
    for name in "abc":
        collection.ingest(batch_of(40, entity_id=name))
        settle(database)
    old = list(path.rglob("points.duckdb"))
    collection.compact()
    wait_until(lambda: not all(file.exists() for file in old))
    found, asked = reader_module._find, []

    def find(*arguments):
        asked.append(arguments)
        return stale if len(asked) == 1 else found(*arguments)

    monkeypatch.setattr(reader_module, "_find", find)
    with open_sql(path, "c") as reader:
        assert len(selected(reader)) == len(listed(collection)) - reader.hot_points
    assert len(asked) == 2
    monkeypatch.setattr(reader_module, "_find", lambda *_: stale)
    with pytest.raises(CorruptError, match="was gone each of 10 times"):
        open_sql(path, "c")


def test_what_is_damaged_or_missing_is_named(filled):
    database, path = filled
    database.close()
    file = min(path.rglob("points.duckdb"))
    content = bytearray(file.read_bytes())
    file.write_bytes(content + b"more")
    with pytest.raises(CorruptError, match=r"points\.duckdb has \d+ bytes instead of"):
        open_sql(path, "c")
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(CorruptError, match="sha256 does not match"):
        open_sql(path, "c", verify=True)
    file.unlink()
    with pytest.raises(CorruptError, match=r"points\.duckdb is missing"):
        open_sql(path, "c")
    next(path.rglob("manifest.json")).write_text("{}")
    with pytest.raises(CorruptError, match=r"manifest\.json is damaged"):
        open_sql(path, "c")


def test_moments_that_cannot_be_read_are_told(opened, clock, tmp_path):
    database = opened(seal_rows=16, clock=clock)
    collection = database.create_collection("c", dim=2, metric="l2", history_horizon="1h")
    collection.ingest(batch_of(32))
    settle(database)
    collection.delete_points(entity_ids=["e1"])
    clock.now += 7_200 * SECOND
    collection.ingest(batch_of(32, first=100))
    settle(database)
    collection.compact()
    purged = store_of(database).manifest.purged_seq
    assert purged > 32
    with pytest.raises(GoneError, match="as_of: change 32 lies before"):
        open_sql(tmp_path / "db", "c", as_of=32)
    with pytest.raises(InvalidRequestError, match="names change 5000, but the last one is"):
        open_sql(tmp_path / "db", "c", as_of=5_000)


def test_retention_hides_at_once(opened, tmp_path):
    clock = ManualClock(60 * SECOND)
    database = opened(seal_rows=16, clock=clock)
    collection = database.create_collection(
        "c", dim=2, metric="l2", window_size="1s", retention="50s"
    )
    collection.ingest(batch_of(24, first=20))
    settle(database)
    for now, first in ((60, 20), (80, 30), (95, 45)):
        later = ManualClock(now * SECOND)
        with open_sql(tmp_path / "db", "c", clock=later) as reader:
            points = answer(reader, "SELECT epoch_us(timestamp) // 1000000 AS s FROM points")
            kept = range(max(first, 20), 44)
            assert len(points) + reader.hot_points == len(kept)
            assert all(row["s"] >= first for row in points)
            assert answer(reader, "SELECT count(*) AS n FROM versions")[0]["n"] == len(points)


def test_collections_are_found_by_name(filled, tmp_path):
    database, path = filled
    database.create_collection("ships", dim=2, metric="l2")
    assert collection_names(path) == ["c", "ships"]
    with pytest.raises(
        CollectionNotFoundError, match=r"no collection 'shps'; did you mean 'ships'"
    ):
        open_sql(path, "shps")
    with pytest.raises(NotFoundError, match="holds no database"):
        open_sql(tmp_path / "nowhere", "c")
    with open_sql(path, "ships") as reader:
        assert answer(reader, "FROM points") == []
        assert reader.hot_points == 0


def test_entities_are_found_by_prefix(filled):
    database, path = filled
    database.collection("c").ingest(entity_id="new", vector=[1, 1])
    assert entity_ids(path, "c", "e", 3) == ["e0", "e1", "e2"]
    assert entity_ids(path, "c", "n", 3) == ["new"]
    assert entity_ids(path, "c", "x", 3) == []


def test_a_changed_retention_counts_before_it_is_in_a_manifest(opened, tmp_path):
    clock = ManualClock(60 * SECOND)
    database = opened(seal_rows=16, clock=clock)
    database.create_collection("c", dim=2, metric="l2", window_size="1s").ingest(
        batch_of(16, first=20)
    )
    settle(database)
    database.update_collection("c", retention="30s")
    with open_sql(tmp_path / "db", "c", clock=clock) as reader:
        assert answer(reader, "SELECT count(*) AS n FROM points") == [{"n": 6}]
