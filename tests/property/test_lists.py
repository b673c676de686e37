"""The pages of a list hold each item of the moment the first was read at exactly once, in order,
whatever is written, deleted, sealed, compacted or restarted in between, and by whom.
"""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.oracle import micros
from tests.property.shelves import ENTITIES, SECOND, Shelves, identity_of, pages
from tsvec import Settings

FEW = settings(settings.get_profile("property"), max_examples=12)
SETTINGS = Settings(seal_rows=24)
SEEDS = st.integers(0, 2**32 - 1)
LIMITS = st.sampled_from((1, 4, 25))
ORDERS = st.sampled_from(("asc", "desc"))
SIDES = st.none() | st.integers(-25, 65).map(lambda second: second * SECOND)


@pytest.fixture(scope="module")
def begin(tmp_path_factory):
    """Makes a collection with a past; all of them are closed at the end."""
    made = []

    def make(seed, turns=12):
        made.append(Shelves(tmp_path_factory.mktemp("shelves"), seed, SETTINGS))
        made[-1].ingest()
        made[-1].live(turns)
        return made[-1]

    yield make
    for shelves in made:
        shelves.close()


def span(start, end):
    if start is not None and end is not None and start > end:
        start, end = end, start
    return start, end


def moment(shelves, look_back):
    """A past moment to ask about, or None for the present; and its seq."""
    seq = shelves.seq
    if not look_back:
        return None, seq
    past = int(shelves.rng.integers(0, seq))
    return past, past


def collect(ask, shelves, limit):
    """All items, in pages that are full but for the last, all of one moment."""
    items, moments = [], set()
    for page in pages(ask, shelves):
        assert len(page.items) == limit or page.next_cursor is None
        items += page.items
        moments.add(page.as_of_seq)
    assert len(moments) == 1
    return items, moments.pop()


@FEW
@given(SEEDS, LIMITS, ORDERS, SIDES, SIDES, st.none() | st.integers(0, 5), st.data())
def test_points(begin, seed, limit, order, start, end, least, data):
    shelves = begin(seed)
    start, end = span(start, end)
    names = data.draw(st.none() | st.lists(st.sampled_from((*ENTITIES, "nobody")), max_size=20))
    as_of, seq = moment(shelves, data.draw(st.booleans()))

    def ask(cursor):
        return shelves.collection.list_points(
            start_time=start,
            end_time=end,
            entity_ids=names,
            filter=None if least is None else {"n": {"$gte": least}},
            order=order,
            limit=limit,
            cursor=cursor,
            as_of=as_of if cursor is None else None,
        )

    found, read_at = collect(ask, shelves, limit)
    wanted = [
        one
        for one in shelves.memory.seen(seq)
        if (start is None or start <= one.identity[0])
        and (end is None or one.identity[0] < end)
        and (names is None or one.identity[1] in names)
        and (least is None or one.metadata["n"] >= least)
    ]
    if order == "desc":
        wanted.reverse()
    assert read_at == seq
    assert [(identity_of(one), one.seq, one.metadata) for one in found] == [
        (one.identity, one.born, one.metadata) for one in wanted
    ]


@FEW
@given(
    SEEDS,
    LIMITS,
    ORDERS,
    st.sampled_from(("entity_id", "last_seen", "first_seen", "points")),
    SIDES,
    SIDES,
    st.none() | st.integers(0, 3),
)
def test_entities(begin, seed, limit, order, sort, start, end, attribute):
    shelves = begin(seed, 18)
    start, end = span(start, end)
    as_of, seq = moment(shelves, seed % 2)

    def ask(cursor):
        return shelves.collection.entities.list_entities(
            start_time=start,
            end_time=end,
            filter=None if attribute is None else {"a": attribute},
            sort=sort,
            order=order,
            limit=limit,
            cursor=cursor,
            as_of=as_of,
        )

    found, read_at = collect(ask, shelves, limit)
    times = {}
    for one in shelves.memory.seen(seq):
        times.setdefault(one.identity[1], []).append(one.identity[0])
    wanted = []
    for name, own in times.items():
        is_there = any(
            (start is None or start <= time) and (end is None or time < end) for time in own
        )
        attributes = shelves.memory.attributes_of(name, seq)
        if is_there and (attribute is None or attributes.get("a") == attribute):
            wanted.append((name, min(own), max(own), len(own), attributes))
    place = {"entity_id": 0, "first_seen": 1, "last_seen": 2, "points": 3}[sort]
    wanted.sort(key=lambda one: (one[place], one[0]), reverse=order == "desc")
    assert read_at == seq
    assert [
        (one.entity_id, micros(one.first_seen), micros(one.last_seen), one.points, one.attributes)
        for one in found
    ] == wanted


@FEW
@given(SEEDS, LIMITS, ORDERS, SIDES, SIDES, st.sampled_from((None, 1, 7, 60)))
def test_histories(begin, seed, limit, order, start, end, every):
    shelves = begin(seed)
    start, end = span(start, end)
    as_of, seq = moment(shelves, seed % 2)
    name = ENTITIES[seed % len(ENTITIES)]
    mine = [one for one in shelves.memory.seen(seq) if one.identity[1] == name]
    if not mine:
        return

    def ask(cursor):
        return shelves.collection.entities.get_history(
            name,
            start_time=start,
            end_time=end,
            every=every and f"{every}s",
            order=order,
            limit=limit,
            cursor=cursor,
            as_of=as_of,
        )

    found, _ = collect(ask, shelves, limit)
    wanted = sorted(
        (one.identity[0], one.born)
        for one in mine
        if (start is None or start <= one.identity[0]) and (end is None or one.identity[0] < end)
    )
    if every:
        wanted = list({time // (every * SECOND): (time, seq) for time, seq in wanted}.values())
    if order == "desc":
        wanted.reverse()
    assert [(micros(one.timestamp), one.seq) for one in found] == wanted


@FEW
@given(SEEDS, LIMITS)
def test_windows_and_deleted_points(begin, seed, limit):
    shelves = begin(seed, 20)
    seq = shelves.seq
    found, read_at = collect(
        lambda cursor: shelves.collection.list_deleted_points(limit=limit, cursor=cursor),
        shelves,
        limit,
    )
    assert read_at == seq
    assert [(one.deleted_seq, one.seq) for one in found] == [
        (one.died, one.born) for one in shelves.memory.deleted(seq)
    ]
    seq = shelves.seq
    windows, read_at = collect(
        lambda cursor: shelves.collection.list_windows(limit=limit, cursor=cursor), shelves, limit
    )
    counts = {}
    for one in shelves.memory.seen(seq):
        low = one.identity[0] // (10 * SECOND)
        counts[low] = counts.get(low, 0) + 1
    assert read_at == seq
    assert {micros(one.start_time) // (10 * SECOND): one.points for one in windows} == counts


@FEW
@given(SEEDS)
def test_single_points(begin, seed):
    shelves = begin(seed, 20)
    for _ in range(20):
        _, seq = moment(shelves, look_back=True)
        there = {one.identity: one for one in shelves.memory.seen(seq)}
        identity = shelves._identity()
        if there and shelves.rng.integers(2):
            identity = list(there)[shelves.rng.integers(len(there))]
        time, name, key = identity
        page = shelves.collection.list_points(
            entity_ids=[name], start_time=time, end_time=time + 1, as_of=seq
        )
        found = {identity_of(one): one for one in page.items}.get(identity)
        assert (found is None) == (identity not in there)
        if found is not None:
            again = shelves.collection.get_point(name, time, key=key or None, as_of=seq)
            assert again == found
            assert (found.seq, found.metadata) == (there[identity].born, there[identity].metadata)


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_writers_beside_a_reader(begin, order):
    """Several threads write, replace and delete the very points that are being listed."""
    shelves = begin(7, 30)
    collection, seq = shelves.collection, shelves.seq
    stop = threading.Event()
    problems = []

    def disturb(number):
        turn = 0
        try:
            while not stop.is_set():
                turn += 1
                points = [
                    {
                        "entity_id": ENTITIES[(number + n) % len(ENTITIES)],
                        "timestamp": ((turn * 7 + n) % 80 - 20) * SECOND,
                        "vector": [turn, n],
                        "metadata": {"n": -1},
                    }
                    for n in range(9)
                ]
                collection.ingest(points)
                if turn % 3 == 0:
                    low = (turn % 60 - 20) * SECOND
                    collection.delete_points(start_time=low, end_time=low + 5 * SECOND)
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=disturb, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        for limit in (3, 10):
            found, cursor = [], None
            while cursor is not None or not found:
                page = collection.list_points(order=order, limit=limit, cursor=cursor, as_of=seq)
                found += page.items
                cursor = page.next_cursor
            wanted = shelves.memory.seen(seq)
            assert [(identity_of(one), one.seq) for one in found] == [
                (one.identity, one.born) for one in (wanted if order == "asc" else wanted[::-1])
            ]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert problems == []
