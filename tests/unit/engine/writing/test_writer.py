"""The single writer: durable before visible, in groups, and honest when the disk fails."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tests.gates import Gate
from tests.unit.engine.rig import (
    batch_of,
    close_in_time,
    open_database,
    store_of,
    wait_until,
)
from tests.unit.engine.workshop import check_counts, kept, points, values
from tsvec.engine.writing import writer
from tsvec.model.errors import (
    ConflictError,
    CorruptError,
    DiskFullError,
    EntityNotFoundError,
    IdempotencyMismatchError,
    InternalError,
    UnavailableError,
)
from tsvec.model.queries import DeletePointsRequest


def rows_of(collection):
    return collection.get_collection_stats().points


@pytest.mark.parametrize("step", ["log.sync", "log.after_sync"])
def test_a_point_is_seen_only_once_it_is_durable(opened, step):
    gate = Gate(step)
    collection = opened(gate).create_collection("c", dim=2, metric="l2")
    future = collection.submit(batch_of(3, entity_id="a"))
    with gate:
        assert rows_of(collection) == 0
        assert collection.temporal_knn([0, 0]).hits == []
        assert collection.list_windows().items == []
        with pytest.raises(EntityNotFoundError):
            collection.entities.get_entity("a")
        with pytest.raises(EntityNotFoundError):
            collection.entities.get_history("a")
        assert not future.done()
    assert future.result().durable
    assert rows_of(collection) == collection.temporal_knn([0, 0]).returned == 3


def test_single_rows_of_many_threads_share_syncs(opened):
    gate = Gate("log.sync")
    database = opened(gate)
    collection = database.create_collection("c", dim=2, metric="l2")
    log = store_of(database).log
    futures = [collection.submit(batch_of(1))]
    with gate, ThreadPoolExecutor(64) as pool:
        futures += pool.map(lambda n: collection.submit(batch_of(1, first=n)), range(1, 256))
    assert sorted(future.result().seq for future in futures) == list(range(1, 257))
    wait_until(lambda: log.is_marked)
    assert log.syncs <= 3, "one for the first row, one for all others, one for the watermark"


def test_rows_waiting_are_bounded(opened):
    gate = Gate("log.sync")
    collection = opened(gate, queue_rows_max=10).create_collection("c", dim=2, metric="l2")
    first = collection.submit(batch_of(50))
    with gate:
        queued = collection.submit(batch_of(50, first=50))
        with pytest.raises(UnavailableError, match="50 rows are waiting") as caught:
            collection.submit(batch_of(1, first=100))
    assert caught.value.retryable
    assert (first.result().seq, queued.result().seq) == (50, 100)
    assert collection.ingest(batch_of(1, first=100)).seq == 101


def test_what_is_cancelled_in_time_is_not_written_and_harms_nobody(opened):
    gate = Gate("log.sync")
    database = opened(gate)
    collection = database.create_collection("c", dim=2, metric="l2")
    running = collection.submit(batch_of(1))
    with gate:
        typed = collection.submit(batch_of(1, entity_id="a", entity_type="ship"))
        conflicting = collection.submit(batch_of(1, entity_id="a", entity_type="plane"))
        after = collection.submit(batch_of(1, first=1))
        assert conflicting.cancel()
        assert typed.cancel()
        assert not running.cancel()
    assert (running.result().seq, after.result().seq) == (1, 2)
    assert database.get_health().status == "ok"
    with pytest.raises(EntityNotFoundError):
        collection.entities.get_entity("a")


def test_a_failed_sync_stops_all_writing_but_no_reading(opened, tmp_path):
    database = opened("log.sync=eio@3+")
    collection = database.create_collection("c", dim=2, metric="l2")
    assert collection.ingest(batch_of(2)).seq == 2
    wait_until(lambda: store_of(database).log.is_marked)
    for _ in range(2):
        with pytest.raises(UnavailableError, match="fsync failed"):
            collection.ingest(batch_of(2, first=2))
    with pytest.raises(UnavailableError, match="fsync failed"):
        database.update_collection("c", window_size="2h")
    assert database.get_health().status == "failed"
    assert collection.temporal_knn([0, 0]).returned == 2
    database.close()
    with open_database(tmp_path / "db") as recovered:
        assert rows_of(recovered.collection("c")) in {2, 4}
        assert recovered.collection("c").ingest(batch_of(1)).durable


def test_a_full_disk_refuses_the_request_and_takes_the_next(opened):
    database = opened("log.before_write=enospc@2")
    collection = database.create_collection("c", dim=2, metric="l2")
    collection.ingest(batch_of(1))
    with pytest.raises(DiskFullError, match="free some space and retry"):
        collection.ingest(batch_of(1, first=1))
    assert database.get_health().status == "degraded"
    assert rows_of(collection) == 1
    assert collection.ingest(batch_of(1, first=1)).seq == 2
    assert database.get_health().status == "ok"


def test_a_request_that_cannot_be_encoded_is_not_the_end(database):
    collection = database.collection("c")
    with pytest.raises(InternalError, match="could not be encoded"):
        collection.ingest(replace(batch_of(1), metadata=[]))
    assert collection.ingest(batch_of(1)).seq == 1


def test_one_thread_writes_for_all_collections(database):
    collections = [database.create_collection(f"c{n}", dim=2, metric="l2") for n in range(8)]
    futures = [c.submit(batch_of(10, first=10 * n)) for n in range(5) for c in collections]
    assert sorted(future.result().seq for future in futures) == sorted([10, 20, 30, 40, 50] * 8)
    writers = [t for t in threading.enumerate() if t.name == "tsvec-writer"]
    assert len(writers) == 1
    assert all(rows_of(collection) == 50 for collection in collections)


def test_conflicts_of_one_collection_leave_the_others_of_the_group_alone(opened):
    gate = Gate("log.sync")
    database = opened(gate)
    one, other = (database.create_collection(n, dim=2, metric="l2") for n in ("one", "other"))
    first = one.submit(batch_of(1, entity_id="a", entity_type="ship"))
    with gate:
        futures = [
            one.submit(batch_of(1, entity_id="a", entity_type="plane")),
            other.submit(batch_of(1)),
        ]
    assert first.result().seq == 1
    assert isinstance(futures[0].exception(), ConflictError)
    assert futures[1].result().seq == 1


def test_closing_writes_what_is_queued_even_if_it_must_wait_for_room(opened, tmp_path):
    gate = Gate("seal.start")
    database = opened(gate, seal_rows=256, hot_rows_max=256)
    collection = database.create_collection("c", dim=2, metric="l2")
    futures = [collection.submit(batch_of(20_000, first=n * 20_000)) for n in range(3)]
    closing = threading.Thread(target=close_in_time, args=(database,))
    with gate:
        closing.start()
        wait_until(lambda: not database.get_ready().ready)
        wait_until(futures[1].running)
        assert not futures[1].done()
    closing.join()
    assert [future.result(0).seq for future in futures] == [20_000, 40_000, 60_000]
    with pytest.raises(UnavailableError, match="closed"):
        collection.submit(batch_of(1))
    with open_database(tmp_path / "db") as reopened:
        assert rows_of(reopened.collection("c")) == 60_000


def test_closing_while_many_write_loses_nothing_acknowledged(opened, tmp_path):
    database = opened(seal_rows=64)
    collection = database.create_collection("c", dim=2, metric="l2")
    acknowledged = []

    def write(thread):
        for turn in range(10_000):
            try:
                reply = collection.ingest(batch_of(3, first=3 * turn, entity_id=f"t{thread}"))
            except UnavailableError:
                return
            acknowledged.append(reply.seq)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(acknowledged) > 40)
    database.close()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert sorted(acknowledged) == list(range(3, 3 * len(acknowledged) + 1, 3))
    with open_database(tmp_path / "db") as reopened:
        assert rows_of(reopened.collection("c")) == 3 * len(acknowledged)


def test_an_idle_writer_marks_what_is_durable_and_then_sleeps(database):
    collection, log = database.collection("c"), store_of(database).log
    collection.ingest(batch_of(1))
    wait_until(lambda: log.is_marked and log.syncs == 2)
    threading.Event().wait(5 * writer._MARK_DELAY_SECONDS)
    assert log.syncs == 2


def test_many_threads_at_one_point_leave_one_winner_and_honest_counts(opened):
    """Each of 64 threads writes one identity; every version but the last was replaced once."""
    gate = Gate("log.sync")
    database = opened(gate)
    collection = database.create_collection("c", dim=2, metric="l2")
    first = collection.submit(batch_of(1, entity_id="other"))

    def write(thread):
        return collection.submit(points(("a", 1, thread + 1)))

    with gate, ThreadPoolExecutor(64) as pool:
        futures = list(pool.map(write, range(64)))
    assert first.result().seq == 1
    replies = sorted((future.result() for future in futures), key=lambda reply: reply.seq)
    assert [reply.seq for reply in replies] == list(range(2, 66))
    assert [reply.replaced for reply in replies] == [0] + [1] * 63
    assert len({reply.recorded_at for reply in replies}) == 64
    store = store_of(database)
    versions = kept(store.windows)
    assert [version[1] for version in versions[1:]] == [*range(3, 66), 0]
    assert collection.get_collection_stats().points == 2
    assert collection.get_collection_stats().dead_points == 63
    check_counts(store)


def test_many_threads_that_write_and_delete_one_point_never_make_two_of_it(database):
    collection, store = database.collection("c"), store_of(database)

    def change(thread):
        made = ended = 0
        for turn in range(12):
            if (thread + turn) % 3:
                reply = collection.ingest(points(("a", 1, thread * 100 + turn + 1)))
                made, ended = made + reply.ingested, ended + reply.replaced
            else:
                ended += collection.delete(DeletePointsRequest(entity_ids=["a"])).deleted
        return made, ended

    with ThreadPoolExecutor(16) as pool:
        counts = list(pool.map(change, range(16)))
    made, ended = (sum(column) for column in zip(*counts, strict=True))
    assert len(values(store.windows)) == made - ended
    assert len(kept(store.windows)) == made
    check_counts(store)


def test_requests_with_keys_share_syncs_and_those_that_come_again_need_none(opened):
    gate = Gate("log.sync")
    database = opened(gate)
    collection = database.create_collection("c", dim=2, metric="l2")
    log = store_of(database).log

    def submit(number):
        return collection.submit(batch_of(1, first=number), idempotency_key=f"k{number}")

    futures = [submit(0)]
    with gate:
        futures += [submit(number) for number in range(1, 256) for _ in range(2)]
    replies = [future.result() for future in futures]
    wait_until(lambda: log.is_marked)
    assert log.syncs <= 3, "one for the first row, one for all others, one for the watermark"
    assert sorted(reply.seq for reply in replies[1::2]) == list(range(2, 257))
    assert replies[1::2] == replies[2::2]
    assert [submit(number).result() for number in range(1, 256)] == replies[1::2]
    assert log.syncs <= 3


def test_a_key_is_free_again_when_its_request_was_refused_in_the_group(opened):
    gate = Gate("log.sync")
    collection = opened(gate).create_collection("c", dim=2, metric="l2")
    first = collection.submit(batch_of(1))
    with gate:
        conflicting = collection.submit(
            batch_of(1, metadata=b'{"a":1}'), on_conflict="error", idempotency_key="k"
        )
        accepted = collection.submit(batch_of(1, first=1), idempotency_key="k")
        other = collection.submit(batch_of(1, first=2), idempotency_key="k")
    with pytest.raises(ConflictError):
        conflicting.result()
    assert (first.result().seq, accepted.result().seq) == (1, 2)
    with pytest.raises(IdempotencyMismatchError):
        other.result()


def test_where_no_more_replies_can_be_kept_requests_without_a_key_go_on(opened):
    database = opened(idempotency_records_max=2)
    collection = database.create_collection("c", dim=2, metric="l2")
    futures = [
        collection.submit(batch_of(1, first=n), idempotency_key=f"k{n}" if n < 4 else None)
        for n in range(6)
    ]
    outcomes = [future.exception() for future in futures]
    assert [type(one) for one in outcomes[:4]].count(UnavailableError) == 2
    assert outcomes[4:] == [None, None]
    assert rows_of(collection) == 4
    assert collection.ingest(batch_of(1), idempotency_key="k0").seq == 1


def test_a_kept_reply_that_nobody_can_read_fails_one_request_only(opened, monkeypatch):
    collection = opened().create_collection("c", dim=2, metric="l2")
    collection.ingest(batch_of(1), idempotency_key="k")
    monkeypatch.setattr("tsvec.engine.retries.ledger.unpack_reply", lambda _: b"{}")
    with pytest.raises(CorruptError, match="no IngestReply"):
        collection.ingest(batch_of(1), idempotency_key="k")
    assert collection.ingest(batch_of(1, first=1)).seq == 2
