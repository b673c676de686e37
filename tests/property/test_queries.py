"""Decay, radius, diff, walk and batches equal brute force, wherever and whenever the points are."""

from __future__ import annotations

import math
from itertools import count
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tsvec
from tests.property.ledger import PLACES, Ledger, check_best
from tests.property.pair import HOT_ONLY, sealing
from tests.unit.engine.rig import wait_until

SEAL_ROWS = 32
SECOND = 1_000_000
TRIED = settings(settings.get_profile("property"), max_examples=25)
FILTERS: tuple[Any, ...] = (
    (None, lambda _: True),
    ({"place": "north"}, lambda meta: meta["place"] == "north"),
    ({"n": {"$lt": 60}}, lambda meta: meta["n"] < 60),
    ({"place": {"$in": ["south", None]}}, lambda meta: meta["place"] != "north"),
)
names = (f"q{number}" for number in count())


@pytest.fixture(scope="module")
def databases(tmp_path_factory):
    """One that never seals and one that seals all the time."""
    with (
        tsvec.connect(tmp_path_factory.mktemp("hot"), settings=HOT_ONLY) as hot,
        tsvec.connect(tmp_path_factory.mktemp("mixed"), settings=sealing(SEAL_ROWS)) as mixed,
    ):
        yield hot, mixed


class World:
    """Two collections with one past, the second sealed and perhaps compacted, and a ledger."""

    def __init__(self, databases, data, metric) -> None:
        self.data, self.metric = data, metric
        self.rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
        self.dim = data.draw(st.sampled_from((1, 2, 9)))
        self.pool = self.rng.standard_normal((data.draw(st.sampled_from((3, 40))), self.dim))
        self.pool = (self.pool * data.draw(st.sampled_from((1.0, 1e-3, 1e16)))).astype(np.float32)
        self.times = data.draw(st.sampled_from((3, 60)))
        name = next(names)
        made = [
            one.create_collection(name, dim=self.dim, metric=metric, history_horizon="365d")
            for one in databases
        ]
        self.ledger = Ledger(made, metric)
        for _ in range(data.draw(st.integers(1, 4))):
            self.ledger.write(self.rng, self.pool, data.draw(st.integers(1, 90)), self.times)
            wait_until(lambda: made[1].get_collection_stats().hot_points < SEAL_ROWS)
            if data.draw(st.booleans()):
                entity, start = f"e{self.rng.integers(9)}", int(self.rng.integers(self.times))
                self.ledger.delete(entity, start * SECOND, (start + 20) * SECOND)
        if data.draw(st.booleans()):
            made[1].compact()

    def choose(self):
        """Who and when may answer: keywords, and the versions that they leave."""
        draw = self.data.draw
        seq = draw(st.none() | st.sampled_from(self.ledger.commits))
        start = draw(st.none() | st.integers(0, self.times))
        end = draw(st.none() | st.integers(start or 0, self.times + 1))
        wanted, passes = draw(st.sampled_from(FILTERS))
        entities = draw(st.none() | st.lists(st.sampled_from(["e1", "e2", "e5"]), min_size=1))
        given = {
            "as_of": seq,
            "start_time": None if start is None else start * SECOND,
            "end_time": None if end is None else end * SECOND,
            "filter": wanted,
            "entity_ids": entities,
        }
        rows = [
            row
            for row in self.ledger.seen(seq)
            if (start is None or start * SECOND <= row.time)
            and (end is None or row.time < end * SECOND)
            and passes(row.metadata)
            and (entities is None or row.entity in entities)
        ]
        return {name: value for name, value in given.items() if value is not None}, rows

    def ask(self, verb, *vector, **given):
        """The answer of both collections, which are the same but for when they were written."""
        hot, mixed = (getattr(one, verb)(*vector, **given) for one in self.ledger.collections)
        leave = {"recorded_at"}
        assert [told(hit, leave) for hit in hits_of(hot)] == [
            told(hit, leave) for hit in hits_of(mixed)
        ]
        return mixed

    def target(self):
        return self.pool[self.data.draw(st.integers(0, len(self.pool) - 1))]

    def tolerance(self, vector, away):
        longest = max(math.hypot(*row) for row in self.pool.astype(float).tolist())
        sizes = {"cosine": 1.0, "l2": away, "dot": math.hypot(*vector) * longest}
        return 1e-12 * sizes[self.metric]


def hits_of(reply):
    if hasattr(reply, "hits"):
        return reply.hits
    if hasattr(reply, "results"):
        return [hit for one in reply.results for hit in one.hits]
    moved = [each.hit for one in reply.moved for each in (one.before, one.after)]
    return [each.hit for each in (*reply.entered, *reply.left)] + moved


def told(hit, leave):
    exact = {"distance": hit.distance.hex(), "score": hit.score and hit.score.hex()}
    return hit.model_dump(exclude=leave) | exact


@TRIED
@given(data=st.data(), metric=st.sampled_from(("cosine", "l2")))
def test_decay_equals_scoring_every_row(databases, data, metric):
    world = World(databases, data, metric)
    for _ in range(3):
        target = world.target()
        vector = target.astype(float).tolist()
        given, rows = world.choose()
        half_life = data.draw(st.sampled_from(("1s", "7s", "60s", "1d", "36525d")))
        at = data.draw(st.sampled_from((0, 20, 60, 10**6))) * SECOND
        decay = {"half_life": half_life, "decay_at": at}
        if "end_time" in given and data.draw(st.booleans()):
            decay, at = {"half_life": half_life}, given["end_time"]
        k, by_entity = data.draw(st.sampled_from((1, 5, 500))), data.draw(st.booleans())
        reply = world.ask(
            "temporal_knn",
            target,
            k=k,
            distinct="entity" if by_entity else None,
            time_decay=decay,
            explain=True,
            **given,
        )
        life = int(half_life[:-1]) * {"s": 1, "d": 86_400}[half_life[-1]] * SECOND
        scored = []
        for row, away in zip(rows, world.ledger.distances(vector, rows), strict=True):
            weight = 2.0 ** -(max(0, at - row.time) / life)
            score = weight * (1.0 - away / 2 if metric == "cosine" else 1.0 / (1.0 + away))
            scored.append((-score, 1e-11 * weight + 1e-320, row))
        check_best(reply.hits, [-hit.score for hit in reply.hits], scored, k, by_entity=by_entity)
        found = len({row.entity for row in rows}) if by_entity else len(rows)
        assert reply.eligible.value == found or reply.eligible.relation == "gte"
        if reply.returned < k:
            assert reply.eligible.relation == "eq"
        assert reply.explain.rows_scanned + reply.explain.rows_decayed == len(rows)


@TRIED
@given(data=st.data(), metric=st.sampled_from(("cosine", "l2", "dot")))
def test_a_radius_finds_and_counts_all_within(databases, data, metric):
    world = World(databases, data, metric)
    for _ in range(3):
        target = world.target()
        vector = target.astype(float).tolist()
        given, rows = world.choose()
        every = world.ask("temporal_knn", target, k=10_000, **given).hits
        edges = [hit.distance for hit in every]
        some = (0.0, 1.0, 2.0) if metric == "cosine" else (0.0, 1.0, 1e9)
        radius = data.draw(st.sampled_from([*edges, *some, *(np.nextafter(e, -1) for e in edges)]))
        radius = float(min(max(radius, 0.0), 2.0 if metric == "cosine" else 1e40))
        limit = data.draw(st.sampled_from((1, 7, 10_000)))
        reply = world.ask("temporal_range", target, radius=radius, limit=limit, **given)
        inside = [hit for hit in every if hit.distance <= radius]
        assert reply.hits == inside[:limit]
        assert (reply.matched.value, reply.matched.relation) == (len(inside), "eq")
        assert reply.truncated == (len(inside) > limit)
        assert (reply.returned, reply.eligible.value) == (len(reply.hits), len(rows))
        away = world.ledger.distances(vector, rows)
        surely = sum(one <= radius - world.tolerance(vector, one) for one in away)
        perhaps = sum(one <= radius + world.tolerance(vector, one) for one in away)
        assert surely <= len(inside) <= perhaps


@TRIED
@given(data=st.data(), metric=st.sampled_from(("cosine", "l2", "dot")))
def test_a_diff_is_the_difference_of_two_searches(databases, data, metric):
    world = World(databases, data, metric)
    target, k = world.target(), data.draw(st.sampled_from((1, 3, 20)))
    given, _ = world.choose()
    for side in ("start_time", "end_time"):
        given.pop(side, None)
    middle = data.draw(st.integers(0, world.times)) * SECOND
    ranges = ({"end_time": middle}, {"start_time": middle})
    if data.draw(st.booleans()):
        ranges = ({"start_time": middle // 2}, {"start_time": middle})
    reply = world.ask("temporal_diff", target, before=ranges[0], after=ranges[1], k=k, **given)
    before, after = (
        world.ask("temporal_knn", target, k=k, distinct="entity", **given, **within).hits
        for within in ranges
    )
    then = {hit.entity_id: (rank, hit) for rank, hit in enumerate(before, 1)}
    now = {hit.entity_id: (rank, hit) for rank, hit in enumerate(after, 1)}
    assert [(one.rank, one.hit) for one in reply.entered] == [
        now[name] for name in now if name not in then
    ]
    assert [(one.rank, one.hit) for one in reply.left] == [
        then[name] for name in then if name not in now
    ]
    both = [name for name in now if name in then]
    places = {name: (now[name][0], now[name][1].distance) for name in both}
    moved = [n for n in both if places[n] != (then[n][0], then[n][1].distance)]
    assert [one.entity_id for one in reply.moved] == moved
    assert reply.stayed == len(both) - len(moved)
    for one in reply.moved:
        assert one.rank_delta == now[one.entity_id][0] - then[one.entity_id][0]
        assert one.distance_delta == one.after.hit.distance - one.before.hit.distance


@TRIED
@given(data=st.data(), metric=st.sampled_from(("cosine", "l2", "dot")))
def test_a_walk_and_a_batch_are_many_single_questions(databases, data, metric):
    world = World(databases, data, metric)
    _, mixed = world.ledger.collections
    given, _ = world.choose()
    given.pop("as_of", None)
    moments = data.draw(st.lists(st.sampled_from(world.ledger.commits), min_size=1, max_size=6))
    if data.draw(st.booleans()) and metric != "dot":
        given["time_decay"] = {"half_life": "5s"}
    target = world.target()
    walk = mixed.temporal_knn_walk(target, as_of_each=moments, k=4, **given)
    single = [mixed.temporal_knn(target, as_of=seq, k=4, **given) for seq in moments]
    assert walk.results == single
    for seq, reply in zip(moments, walk.results, strict=True):
        assert reply.as_of_seq == seq
        assert all(hit.seq <= seq for hit in reply.hits)
    questions = []
    for _ in range(data.draw(st.integers(1, 8))):
        chosen, _ = world.choose()
        questions.append({"query_vector": world.target(), "k": 3} | chosen)
    questions *= 2
    batch = mixed.temporal_knn_batch(questions)
    assert batch.results == [mixed.temporal_knn(**question) for question in questions]


def test_places_of_the_filters_are_those_written():
    assert {passes({"place": place, "n": 0}) for place in PLACES for _, passes in FILTERS} == {
        True,
        False,
    }
