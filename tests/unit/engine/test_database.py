"""The facade of a directory: opened by one process, described, closed."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest

import tsvec
from tests.unit.engine.rig import NOON, ManualClock, batch_of, open_database, settle
from tsvec.model.errors import (
    CollectionNotFoundError,
    ConflictError,
    CorruptError,
    InvalidRequestError,
    UnavailableError,
)
from tsvec.model.limits import LIMITS


def test_a_directory_is_made_where_none_was(tmp_path):
    with tsvec.connect(tmp_path / "a" / "b") as database:
        assert database.list_collections().items == []
    assert (tmp_path / "a" / "b" / "FORMAT").read_text() == "tsvec 1\n"


def test_a_directory_is_open_once(database, tmp_path):
    with pytest.raises(ConflictError, match="in use by another process"):
        tsvec.connect(tmp_path / "db")
    database.close()
    tsvec.connect(tmp_path / "db").close()


def test_a_directory_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ConflictError, match="neither empty nor a tsvec directory"):
        tsvec.connect(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_newer_format_is_left_alone(database, tmp_path):
    database.close()
    (tmp_path / "db" / "FORMAT").write_text("tsvec 99\n")
    with pytest.raises(CorruptError, match="use a newer tsvec"):
        tsvec.connect(tmp_path / "db")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": "../x"}, "name"),
        ({"name": ""}, "name"),
        ({"name": "a/b"}, "name"),
        ({"name": ".hidden"}, "name"),
        ({"name": "x" * 129}, "name"),
        ({"dim": 0}, "dim"),
        ({"dim": LIMITS.dim_max + 1}, "dim"),
        ({"dim": True}, "dim"),
        ({"dim": 2.0}, "dim"),
        ({"metric": "manhattan"}, "metric"),
        ({"window_size": "1 hour"}, "window_size"),
        ({"window_size": "0s"}, "window_size"),
        ({"window_size": "36526d"}, "window_size"),
    ],
)
def test_a_collection_that_cannot_be_is_refused_by_field(database, fields, field):
    with pytest.raises(InvalidRequestError) as caught:
        database.create_collection(**({"name": "d", "dim": 2} | fields))
    assert caught.value.details[0].field == field
    assert len(database.list_collections().items) == 1


def test_collections_are_listed_by_name_page_by_page(database):
    for name in ("b", "A", "a.1", "z"):
        database.create_collection(name, dim=1)
    names, cursor = [], None
    while True:
        page = database.list_collections(limit=2, cursor=cursor)
        names += [info.name for info in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert names == ["A", "a.1", "b", "c", "z"]
    for limit in (0, LIMITS.page_items_max + 1):
        with pytest.raises(InvalidRequestError, match="limit"):
            database.list_collections(limit=limit)


def test_a_collection_says_what_it_is(opened):
    database = opened(clock=ManualClock())
    database.create_collection("c", dim=7, metric="dot", window_size="15m")
    info = database.get_collection("c")
    assert (info.name, info.dim, info.metric, info.window_size) == ("c", 7, "dot", "15m")
    assert (info.seq, info.created_at.timestamp() * 1e6) == (0, NOON)
    assert len(info.history) == 16


def test_an_update_survives_a_restart_before_and_after_sealing(opened):
    database = opened(seal_rows=16)
    database.create_collection("c", dim=2, metric="l2")
    collection = database.collection("c")
    sizes = ["2h", "30m", "7d"]
    for turn, size in enumerate(sizes):
        assert database.update_collection("c", window_size=size).window_size == size
        collection.ingest(batch_of(20, first=20 * turn))
        settle(database)
        expected = database.get_collection("c")
        width = collection.list_windows().items[0]
        database.close()
        database = opened(seal_rows=16)
        collection = database.collection("c")
        assert database.get_collection("c") == expected
        assert collection.list_windows().items[0] == width
    assert expected.seq == 63
    assert collection.get_collection_stats().points == 60


def test_an_update_that_cannot_be_changes_nothing(database):
    before = database.get_collection("c")
    with pytest.raises(InvalidRequestError) as caught:
        database.update_collection("c", window_size="soon")
    assert caught.value.details[0].field == "window_size"
    with pytest.raises(CollectionNotFoundError):
        database.update_collection("nope", window_size="1h")
    assert database.get_collection("c") == before


def test_what_the_database_says_of_itself(database):
    info = database.get_info()
    assert info.format_version == 1
    assert info.limits == LIMITS
    assert info.capabilities == sorted(info.capabilities)
    assert (database.get_health().status, database.get_health().problems) == ("ok", [])
    assert database.get_ready().ready
    database.close()
    assert not database.get_ready().ready


def test_closing_twice_is_no_error_and_ends_the_threads(tmp_path):
    before = set(threading.enumerate())
    database = open_database(tmp_path / "db")
    mine = set(threading.enumerate()) - before
    assert {thread.name for thread in mine} == {"tsvec-writer", "tsvec-sealer", "tsvec-maintainer"}
    database.close()
    database.close()
    assert not any(thread.is_alive() for thread in mine)
    with pytest.raises(UnavailableError, match="closed"):
        database.collection().ingest(entity_id="a", vector=[1.0])


def test_a_handle_keeps_its_database_open(tmp_path):
    collection = tsvec.connect(tmp_path / "db").collection()
    gc.collect()
    assert collection.ingest(entity_id="a", vector=[1.0, 2.0]).seq == 1
    entities = collection.entities
    assert entities.get_entity("a").points == 1
    ended = weakref.ref(collection)
    del collection, entities
    gc.collect()
    assert ended() is None
    tsvec.connect(tmp_path / "db").close()


def test_leaving_the_block_closes_the_directory(tmp_path):
    with pytest.raises(ZeroDivisionError), tsvec.connect(tmp_path / "db"):
        _ = 1 / 0
    tsvec.connect(tmp_path / "db").close()
