"""One collection under writing and sealing: what its window sets promise."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.gates import Gate
from tests.unit.engine.rig import batch_of, settle, store_of, wait_until
from tsvec.model.errors import CollectionNotFoundError, UnavailableError
from tsvec.model.queries import HistoryRequest, TemporalKnnRequest, WindowsRequest
from tsvec.query.history import describe_entity
from tsvec.query.knn import answer_knn, prepare_knn
from tsvec.query.lists.history import page_history
from tsvec.query.windows import page_windows


def sealing_database(opened, rules="", **settings):
    database = opened(rules, **({"seal_rows": 16} | settings))
    return database, database.create_collection("c", dim=2, metric="l2")


def answers(windows):
    """Everything that can be asked of a window set, as JSON."""
    request = {"query_vector": [7.2, 1.0], "k": 100, "include": ["metadata", "vector"]}
    questions = [
        request,
        request | {"distinct": "entity"},
        request | {"start_time": 3_000_000, "end_time": 30_000_000},
        request | {"entity_ids": ["e1", "e2"]},
        request | {"entity_types": ["GENERIC"]},
    ]
    records = [TemporalKnnRequest(**question) for question in questions]
    found = answer_knn([prepare_knn(windows, record) for record in records])
    history = page_history(windows, HistoryRequest(entity_id="e1", limit=1_000))
    counted = page_windows(windows, WindowsRequest(limit=1_000))
    totals = [(w.start_time, w.points) for w in counted.items]
    return [reply.model_dump_json() for reply in [*found, history]], totals, windows.rows


def test_a_window_set_answers_the_same_for_ever(opened):
    """Through later writes, seals, late points, longer vectors and the end of the collection."""
    database, collection = sealing_database(opened)
    store = store_of(database)
    taken = []
    for turn in range(6):
        collection.ingest(batch_of(10, first=60 - 10 * turn))
        taken.append((store.windows, answers(store.windows)))
        if turn % 2:
            settle(database)
            taken.append((store.windows, answers(store.windows)))
    assert len({windows.seq for windows, _ in taken}) == 6
    assert taken[0][0].hot
    assert not taken[0][0].sealed
    assert store.windows.sealed
    database.delete_collection("c")
    assert [answers(windows) for windows, _ in taken] == [before for _, before in taken]


def test_sealing_changes_the_name_of_a_part_and_nothing_else(opened):
    gate = Gate("seal.start")
    database, collection = sealing_database(opened, gate)
    collection.ingest(batch_of(40))
    store = store_of(database)
    with gate:
        before, said = store.windows, answers(store.windows)
        assert not before.sealed
    settle(database)
    after = store.windows
    assert [part.rows for part in after.parts()] == [32, 8]
    assert answers(after) == said


def test_readers_see_whole_batches_only(opened):
    """Each batch brings one point to each of ten entities; no reader ever sees a part of one."""
    database, collection = sealing_database(opened, seal_rows=32)
    store, done = store_of(database), threading.Event()
    problems: list[object] = []

    def write(thread):
        for turn in range(60):
            batch = batch_of(10, first=10 * (60 * thread + turn), entity_id="same")
            collection.ingest(batch)

    def read():
        while not done.wait(0.001):  # a spinning reader would starve the writer
            windows = store.windows
            known = describe_entity(windows, "same").points if windows.seq else 0
            numbers = sorted(
                seq for part in windows.parts() for seq in part.seqs(slice(0, part.rows)).tolist()
            )
            if numbers != list(range(1, windows.seq + 1)) or windows.rows % 10:
                problems.append(numbers)
            if known != windows.seq:
                problems.append((known, windows.seq))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(write, range(3)))
    done.set()
    for reader in readers:
        reader.join()
    assert problems == []
    assert store.windows.rows == 1_800


def test_an_entity_is_described_as_of_the_same_change_as_its_newest_point(opened):
    _, collection = sealing_database(opened)
    done = threading.Event()
    collection.ingest(batch_of(1, entity_id="a"))

    def write():
        for turn in range(1, 150):
            collection.ingest(batch_of(1, first=turn, entity_id="a"))
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.wait(0.001):  # a spinning reader would starve the writer
        info = collection.entities.get_entity("a")
        assert info.points == info.latest.seq == info.as_of_seq
        assert info.last_seen == info.latest.timestamp
    writer.join()


def test_writers_wait_while_the_hot_set_is_full(opened):
    limits = {"seal_rows": 4_096, "hot_rows_max": 4_096}
    gate = Gate("seal.start")
    database, collection = sealing_database(opened, gate, **limits)
    futures = [collection.submit(batch_of(16_384, first=16_384 * n)) for n in range(2)]
    with gate:
        wait_until(futures[1].running)
        threading.Event().wait(0.1)
        assert not futures[1].done()
        highest = store_of(database).windows.hot_rows
    while not futures[1].done():
        threading.Event().wait(0.001)
        highest = max(highest, sum(part.rows for part in store_of(database).windows.hot))
    assert 4_096 <= highest <= 4_095 + 16_384
    assert futures[1].result().seq == 2 * 16_384


@pytest.mark.parametrize(
    "limits",
    [
        {"hot_rows_max": 20, "seal_rows": 8_192},
        {"hot_bytes_max": 1 << 20, "seal_rows": 8_192, "seal_age_rows_min": 8_192},
    ],
)
def test_rows_too_few_to_seal_that_fill_the_memory_are_sealed(opened, limits):
    """Otherwise the one writer would wait for ever, and every collection with it."""
    _, collection = sealing_database(opened, **limits)
    large = b'{"x":"' + b"y" * 60_000 + b'"}'
    for turn in range(4):
        collection.submit(batch_of(20, first=20 * turn, metadata=large)).result(20)
    stats = collection.get_collection_stats()
    assert stats.points == 80
    assert stats.partitions >= 3


def test_a_writer_that_waits_for_room_hears_why_there_is_none(opened, monkeypatch):
    database, collection = sealing_database(opened, "seal.start=enospc", hot_rows_max=32)
    collection.ingest(batch_of(40))
    wait_until(lambda: database.get_health().status == "degraded")
    with pytest.raises(Exception, match="free some space") as caught:
        collection.submit(batch_of(1, first=40)).result(20)
    assert caught.value.status == 507
    other = database.create_collection("other", dim=2, metric="l2")
    assert other.submit(batch_of(1)).result(20).durable
    assert collection.temporal_knn([0, 0], k=50).returned == 40


def test_a_deleted_collection_takes_no_more(opened):
    database, collection = sealing_database(opened)
    store = store_of(database)
    collection.ingest(batch_of(40))
    database.delete_collection("c")
    with pytest.raises(CollectionNotFoundError, match="deleted"):
        store.check_open()
    with pytest.raises(CollectionNotFoundError):
        collection.ingest(batch_of(1))
    assert store.windows.rows == 40


def test_a_deletion_waits_neither_for_room_nor_in_vain(opened):
    database, collection = sealing_database(opened, "seal.start=eio", hot_rows_max=16)
    collection.ingest(batch_of(40))
    waiting = collection.submit(batch_of(1, first=40))
    database.delete_collection("c")
    assert isinstance(waiting.exception(20), UnavailableError)
    database.create_collection("c", dim=3)
    assert database.collection("c").dim == 3
