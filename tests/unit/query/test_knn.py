"""Temporal kNN over a window set: subjects, selectors, what is eligible, the plan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import orjson
import pytest

from tests.contract.parts import Sample
from tsvec.kernels.distance import measure_distances
from tsvec.model.errors import (
    EntityNotFoundError,
    InsufficientHistoryError,
    InvalidRequestError,
)
from tsvec.model.queries import TemporalKnnRequest
from tsvec.model.times import TIME_MAX_US, TIME_MIN_US
from tsvec.query.knn import Choices, PreparedKnn, answer_knn, encode_knn, prepare_knn
from tsvec.window.attributes import AttributesVersion
from tsvec.window.masks.cache import MaskCache

TYPES = {"a": "ship", "b": "plane", "c": None}


@pytest.fixture
def windows(shelf):
    """Thirty points on a line, ten of each entity, the first twenty sealed in two parts."""
    holding = shelf(metric="l2", dim=2)
    for begin in (0, 10, 20):
        holding.commit(
            [
                Sample(
                    name := "abc"[row % 3],
                    row * 1_000_000,
                    (float(row), 0.0),
                    metadata=b'{"row":%d}' % row,
                    entity_type=TYPES[name],
                )
                for row in range(begin, begin + 10)
            ]
        )
        if begin < 20:
            holding.seal_all()
    return holding.windows


def ask(windows, **fields):
    request = TemporalKnnRequest(**fields)
    [reply] = answer_knn([prepare_knn(windows, request)])
    return reply


def rows_of(reply):
    return [round(hit.timestamp.timestamp()) for hit in reply.hits]


@pytest.mark.parametrize(
    ("fields", "rows", "eligible"),
    [
        ({"query_vector": [14.2, 0], "k": 3}, [14, 15, 13], 30),
        ({"query_vector": [14.2, 0], "k": 3, "start_time": 20_000_000}, [20, 21, 22], 10),
        ({"query_vector": [14.2, 0], "k": 3, "end_time": 13_000_000}, [12, 11, 10], 13),
        (
            {"query_vector": [0, 0], "k": 9, "start_time": 9_000_000, "end_time": 11_000_000},
            [9, 10],
            2,
        ),
        ({"query_vector": [0, 0], "start_time": 5_000_000, "end_time": 5_000_000}, [], 0),
        ({"query_vector": [0, 0], "start_time": 5_000_000, "end_time": 5_000_001}, [5], 1),
        ({"query_vector": [9.1, 0], "k": 2, "entity_ids": ["a"]}, [9, 12], 10),
        ({"query_vector": [9.1, 0], "k": 3, "entity_ids": ["a", "b", "a", "x"]}, [9, 10, 7], 20),
        ({"query_vector": [9.1, 0], "entity_ids": []}, [], 0),
        ({"query_vector": [9.1, 0], "entity_ids": ["nobody"]}, [], 0),
        ({"query_vector": [9.1, 0], "k": 2, "entity_types": ["GENERIC"]}, [8, 11], 10),
        ({"query_vector": [9.1, 0], "k": 3, "entity_types": ["ship", "plane"]}, [9, 10, 7], 20),
        ({"query_vector": [9.1, 0], "entity_types": []}, [], 0),
        (
            {"query_vector": [0, 0], "k": 2, "entity_types": ["ship"], "start_time": 13_000_000},
            [15, 18],
            5,
        ),
        (
            {"query_vector": [9.1, 0], "k": 2, "entity_types": ["ship"], "entity_ids": ["a", "b"]},
            [9, 12],
            10,
        ),
        ({"query_vector": [9.1, 0], "entity_types": ["ship"], "entity_ids": ["b"]}, [], 0),
        ({"query_vector": [9.1, 0], "k": 5, "distinct": "entity"}, [9, 10, 8], 3),
    ],
)
def test_ranges_and_selectors(windows, fields, rows, eligible):
    reply = ask(windows, **fields)
    assert rows_of(reply) == rows
    assert (reply.returned, reply.exact, reply.as_of_seq) == (len(rows), True, 30)
    assert (reply.eligible.value, reply.eligible.relation) == (eligible, "eq")


def test_many_named_entities_are_selected_like_few(windows):
    crowd = [f"x{number}" for number in range(900)]
    few = ask(windows, query_vector=[9.1, 0], k=7, entity_ids=["a", "c"])
    many = ask(windows, query_vector=[9.1, 0], k=7, entity_ids=[*crowd, "c", "a"])
    assert rows_of(many) == rows_of(few)
    assert many.eligible == few.eligible


def test_an_entity_is_compared_by_its_newest_vector_and_left_out(windows):
    newest = ask(windows, entity_id="a", k=3)
    assert rows_of(newest) == [28, 26, 29]
    earlier = ask(windows, entity_id="a", at=14_999_999, k=3)
    assert rows_of(earlier) == [13, 11, 14]
    exactly = ask(windows, entity_id="a", at=15_000_000, k=2)
    assert rows_of(exactly) == [16, 14]
    assert newest.eligible.value == 20


def test_an_entitys_own_points_are_there_if_it_is_named(windows):
    reply = ask(windows, entity_id="a", k=3, entity_ids=["a", "b"])
    assert rows_of(reply) == [27, 28, 25]
    crowd = [f"x{number}" for number in range(30)]
    assert rows_of(ask(windows, entity_id="a", k=3, entity_ids=["a", "b", *crowd])) == [27, 28, 25]
    typed = ask(windows, entity_id="a", k=3, entity_types=["ship"])
    assert (rows_of(typed), typed.eligible.value) == ([], 0)


def test_subjects_that_cannot_be(windows):
    with pytest.raises(EntityNotFoundError, match="no entity 'ghost'"):
        ask(windows, entity_id="ghost")
    with pytest.raises(InsufficientHistoryError, match="'b' has no point at or before 1970"):
        ask(windows, entity_id="b", at=999_999)
    with pytest.raises(InvalidRequestError, match="has 3 elements, the collection has dim 2") as e:
        ask(windows, query_vector=[1, 2, 3])
    assert e.value.details[0].field == "query_vector"


def test_a_zero_vector_has_no_direction(shelf):
    holding = shelf(metric="cosine", dim=2)
    with pytest.raises(InvalidRequestError, match="is zero"):
        ask(holding.windows, query_vector=[0, 0])


def test_an_empty_collection_has_no_neighbours(shelf):
    reply = ask(shelf(metric="l2", dim=2).windows, query_vector=[0, 0], distinct="entity")
    assert (reply.hits, reply.eligible.value, reply.eligible.relation) == ([], 0, "eq")


def test_with_distinct_the_count_is_a_bound_unless_all_were_seen(windows):
    reply = ask(windows, query_vector=[0, 0], k=2, distinct="entity")
    assert reply.returned == 2
    assert (reply.eligible.value, reply.eligible.relation) in {(2, "gte"), (3, "eq")}


def test_the_plan_is_told_on_request(windows):
    fields = {"query_vector": [0, 0], "k": 2, "start_time": 12_000_000, "entity_ids": ["a"]}
    assert ask(windows, **fields).explain is None
    explain = ask(windows, **fields, explain=True).explain
    assert [(step.method, step.rows, step.rows_scanned) for step in explain.steps] == [
        ("pruned", 10, 0),
        ("exact", 10, 3),
        ("exact", 10, 3),
    ]
    assert (explain.parts_pruned, explain.rows_scanned) == (1, 6)
    assert explain.rows_rescored == 6
    spent = explain.planning_us, explain.scanning_us, explain.reading_us
    assert min(spent) >= 0
    assert explain.microseconds == sum(spent)
    assert (explain.parts_exact, explain.parts_decayed, explain.rows_decayed) == (2, 0, 0)
    assert [step.part[:4] for step in explain.steps] == ["p-00", "p-00", "hot-"]


def test_hits_carry_what_was_asked_for(windows):
    for include in ([], ["metadata"], ["vector"], ["vector", "metadata"]):
        [hit] = ask(windows, query_vector=[14, 0], k=1, include=include).hits
        assert (hit.metadata == {"row": 14}) == ("metadata" in include)
        assert (hit.vector is not None) == ("vector" in include)
        assert set(orjson.loads(hit.model_dump_json())) >= {*include, "distance", "similarity"}


def test_questions_of_one_call_are_answered_each_in_its_way(windows):
    requests = [
        TemporalKnnRequest(query_vector=[3, 0], k=2, include=["vector"]),
        TemporalKnnRequest(entity_id="b", k=4, distinct="entity", explain=True),
        TemporalKnnRequest(query_vector=[3, 0], k=2, include=["vector"], end_time=-1),
        TemporalKnnRequest(query_vector=[7, 0], include=[]),
    ]
    prepared = [prepare_knn(windows, request) for request in requests]
    together = answer_knn(prepared)
    for request, reply, text in zip(requests, together, encode_knn(prepared), strict=True):
        [alone] = answer_knn([prepare_knn(windows, request)])
        assert plain(alone.model_dump_json()) == plain(reply.model_dump_json())
        assert plain(type(alone).model_validate_json(text).model_dump_json()) == plain(
            alone.model_dump_json()
        )
    assert answer_knn([]) == encode_knn([]) == []


def plain(text):
    """A reply less the time it took."""
    reply = orjson.loads(text)
    if "explain" in reply:
        for name in ("planning_us", "scanning_us", "reading_us", "microseconds"):
            del reply["explain"][name]
    return reply


def test_open_sides_reach_the_ends_of_the_calendar(shelf):
    holding = shelf(metric="l2", dim=2)
    holding.commit([Sample("a", time, (1.0, 0.0)) for time in (TIME_MIN_US, TIME_MAX_US)])
    assert ask(holding.windows, query_vector=[0, 0]).returned == 2
    assert ask(holding.windows, query_vector=[0, 0], end_time=TIME_MAX_US).returned == 1
    assert ask(holding.windows, query_vector=[0, 0], start_time=TIME_MAX_US).returned == 1
    assert TemporalKnnRequest(query_vector=[1]).bounds == (TIME_MIN_US, TIME_MAX_US + 1)


def test_each_question_of_a_call_is_answered_as_of_its_own_moment(shelf):
    """Entities are told as they were then, whatever the others of the call ask for."""
    holding = shelf(metric="l2", dim=2)
    holding.commit([Sample("a", 1, (1.0, 0.0)), Sample("b", 2, (2.0, 0.0))])
    holding.commit([Sample("a", 3, (3.0, 0.0), entity_type="ship")])
    holding.delete(holding.stored, [2])
    request = TemporalKnnRequest(query_vector=[1, 0])
    for seqs in ((2, 4), (4, 2), (3, 0, 2, 4, 3)):
        prepared = [prepare_knn(holding.seen(seq), request) for seq in seqs]
        replies = answer_knn(prepared)
        for seq, reply, text in zip(seqs, replies, encode_knn(prepared), strict=True):
            [alone] = answer_knn([prepare_knn(holding.seen(seq), request)])
            assert reply == alone == type(reply).model_validate_json(text)
            types = {(hit.entity_id, hit.entity_type) for hit in reply.hits}
            assert (
                types
                == {
                    0: set(),
                    2: {("a", "GENERIC"), ("b", "GENERIC")},
                    3: {("a", "ship"), ("b", "GENERIC")},
                    4: {("a", "ship")},
                }[seq]
            )
            assert reply.as_of_seq == seq


def test_types_select_as_they_were_at_the_moment(shelf):
    holding = shelf(metric="l2", dim=2)
    holding.commit([Sample("a", 1, (1.0, 0.0)), Sample("b", 2, (2.0, 0.0))])
    holding.commit([Sample("a", 3, (3.0, 0.0), entity_type="ship")])
    for seq, entity_type, count in ((2, "ship", 0), (2, "GENERIC", 2), (3, "ship", 2)):
        reply = ask(holding.seen(seq), query_vector=[0, 0], entity_types=[entity_type])
        assert (reply.returned, reply.eligible.value) == (count, count)


def test_answers_are_those_of_what_is_seen(lived):
    """Ranges, selectors and moments at random, against a look at every version."""
    shelf, rng = lived
    for _ in range(60):
        seq = int(rng.choice([shelf.seq, rng.integers(0, shelf.seq)]))
        cutoff = int(rng.choice([TIME_MIN_US, rng.integers(-40, 40) * 1_000_000]))
        windows, living = shelf.seen(seq, cutoff), shelf.living(seq, cutoff)
        names = ("zeta", "é", "a", "漢", "0")
        start, end = sorted((rng.integers(-50, 50, 2) * 1_000_000).tolist())
        fields = {"query_vector": rng.standard_normal(4).tolist(), "k": int(rng.integers(1, 20))}
        if rng.random() < 0.5:
            fields |= {"start_time": start, "end_time": end}
            living = {n: one for n, one in living.items() if start <= one.timestamp < end}
        if rng.random() < 0.5:
            chosen = [names[n] for n in rng.integers(0, 5, 2)]
            fields["entity_ids"] = chosen + [f"x{n}" for n in range(int(rng.integers(0, 30)))]
            living = {n: one for n, one in living.items() if one.entity_id in chosen}
        reply = ask(windows, **fields, explain=True)
        vectors = np.array([one.vector for one in living.values()], np.float32).reshape(-1, 4)
        query = np.array(fields["query_vector"], np.float32)
        distances = measure_distances("l2", query, vectors)
        found = {hit.seq: hit.distance for hit in reply.hits}
        assert sorted(found.values()) == sorted(distances.tolist())[: fields["k"]]
        assert found.items() <= dict(zip(living, distances.tolist(), strict=True)).items()
        assert (reply.eligible.value, reply.as_of_seq) == (len(living), seq)
        assert reply.explain.rows_scanned == len(living)


def test_an_entity_is_compared_by_its_newest_vector_that_is_seen(lived):
    shelf, rng = lived
    for _ in range(20):
        seq = int(rng.integers(20, shelf.seq + 1))
        cutoff = int(rng.choice([TIME_MIN_US, rng.integers(-40, 20) * 1_000_000]))
        living = shelf.living(seq, cutoff)
        mine = {n: one for n, one in living.items() if one.entity_id == "a"}
        if not mine:
            with pytest.raises(EntityNotFoundError):
                ask(shelf.seen(seq, cutoff), entity_id="a")
            continue
        newest = max(mine, key=lambda n: (mine[n].timestamp, n))
        by_entity = ask(shelf.seen(seq, cutoff), entity_id="a", k=50, entity_ids=["é", "0"])
        vector = list(living[newest].vector)
        by_vector = ask(shelf.seen(seq, cutoff), query_vector=vector, k=50, entity_ids=["é", "0"])
        assert by_entity == by_vector


@pytest.mark.parametrize(
    ("fields", "rows", "eligible"),
    [
        ({"filter": {"row": {"$gte": 17}}, "k": 2}, [17, 18], 13),
        ({"filter": {"row": {"$in": [3, 22, 99]}}}, [22, 3], 2),
        ({"filter": {"row": {"$lt": 15}}, "start_time": 13_000_000}, [14, 13], 2),
        ({"filter": {"row": {"$lt": 15}}, "entity_ids": ["a"], "k": 2}, [12, 9], 5),
        ({"filter": {"row": {"$lt": 15}}, "entity_types": ["plane"], "k": 1}, [13], 5),
        ({"filter": {"row": {"$lt": 2}}, "distinct": "entity"}, [1, 0], 2),
        ({"filter": {"row": {"$lt": 9}}, "entity_id": "a", "k": 1}, [8], 6),
        ({"filter": {"row": "3"}}, [], 0),
        ({"filter": {"$attributes": {"fleet": "red"}}, "k": 2}, [13, 16], 10),
        ({"filter": {"row": {"$gt": 20}, "$attributes": {"fleet": "red"}}, "k": 1}, [22], 3),
        ({"filter": {}, "k": 1}, [14], 30),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else None,
)
def test_filters_leave_rows_out(windows, fields, rows, eligible):
    red = AttributesVersion(windows.seq, 0, b'{"fleet":"red"}')
    number = windows.registry.number_of("b")
    windows.registry.attributes.put(number, red)
    if "entity_id" not in fields:
        fields = {"query_vector": [14.2, 0]} | fields
    for _ in range(2):
        reply = ask(windows, **fields)
        assert rows_of(reply) == rows
        assert reply.eligible.value == eligible
        assert reply.eligible.relation == "eq"
        assert reply.returned == len(rows)


def test_planning_does_not_evaluate_a_filter_but_says_what_it_costs(windows):
    request = TemporalKnnRequest(query_vector=[1, 0], filter={"row": {"$gt": 28}}, explain=True)
    cold = prepare_knn(windows, request)
    assert cold.plan.filter_us > 0
    assert sum(source.count for source in cold.search.sources) == 30
    [reply] = answer_knn([cold])
    assert reply.eligible.value == reply.explain.rows_scanned == 1
    warm = prepare_knn(windows, request)
    assert warm.plan.filter_us == 0
    assert warm.plan.cost_us < cold.plan.cost_us


def test_a_planned_question_keeps_what_was_evaluated_for_it(windows):
    """So that the loop that plans it never evaluates it, however little the cache keeps."""
    small = replace(windows, masks=MaskCache(0))
    request = TemporalKnnRequest(query_vector=[1, 0], filter={"row": {"$gt": 28}})
    question = prepare_knn(small, request)
    answer_knn([question])
    runs = small.masks._runner
    runs.close()
    runs.run = None  # whoever calls it now fails
    [reply] = answer_knn([question])
    assert reply.eligible.value == 1
    small.masks.close()


def test_questions_of_one_call_share_the_masks_of_equal_filters(windows):
    """However they are written, whatever range they go with, however little the cache keeps."""
    small = replace(windows, masks=MaskCache(0))
    choices = Choices()

    def prepare(seconds: int, given: dict) -> PreparedKnn:
        fields = {"query_vector": [1, 0], "end_time": seconds * 1_000_000, "filter": given}
        return prepare_knn(small, TemporalKnnRequest(**fields), choices)

    first = prepare(30, {"row": {"$gt": 9}})
    same_rows = prepare(30, {"$and": [{"row": {"$gt": 9.0}}]})
    fewer_rows = prepare(20, {"row": {"$gt": 9}})
    assert same_rows.search.sources is first.search.sources
    assert fewer_rows.search.sources is not first.search.sources
    answer_knn([first])
    runs = small.masks._runner
    runs.close()
    runs.run = None  # whoever calls it now fails
    replies = answer_knn([same_rows, fewer_rows])
    assert [reply.eligible.value for reply in replies] == [20, 10]
    small.masks.close()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"x": 1}, {"x": True}),
        ({"x": 0}, {"x": False}),
        ({"x": 1}, {"x": "1"}),
        ({"x": None}, {"x": "null"}),
        ({"x": 2**53}, {"x": 2**53 + 1}),
        ({"x": {"$in": [1, True]}}, {"x": {"$in": [1]}}),
        ({"x": {"$gt": 1}}, {"x": {"$gte": 1}}),
        ({"x.y": 1}, {r"x\.y": 1}),
        ({"x": 1}, {"$attributes": {"x": 1}}),
        ({}, None),
    ],
)
def test_filters_that_say_different_things_share_nothing(windows, one, other):
    choices = Choices()
    questions = [
        prepare_knn(windows, TemporalKnnRequest(query_vector=[1, 0], filter=given), choices)
        for given in (one, other)
    ]
    assert questions[0].search.sources is not questions[1].search.sources
    assert len(choices.rows) == 2
