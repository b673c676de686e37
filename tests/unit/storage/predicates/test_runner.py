"""DuckDB says of every document what plain Python says, whoever else asks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import duckdb
import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.filter_truth import documents, filters, holds
from tsvec.model.errors import UnavailableError
from tsvec.model.filters.parser import parse_filter
from tsvec.storage.predicates import runner as module
from tsvec.storage.predicates.runner import PredicateRunner
from tsvec.storage.predicates.sql import CompiledPredicate, compile_predicate


@pytest.fixture(scope="module")
def runner():
    runner = PredicateRunner()
    yield runner
    runner.close()


def column(values):
    return pa.array([orjson.dumps(value) for value in values], pa.large_binary())


def compiled(given):
    return compile_predicate(parse_filter(given).predicate)


@settings(max_examples=150)
@given(some=st.lists(documents(), min_size=1, max_size=12), given=filters(of_entities=False))
def test_it_is_what_plain_python_says(runner, some, given):
    found = runner.run(compiled(given), column(some))
    assert found.dtype == np.bool_
    assert found.tolist() == [holds(given, document) for document in some]


def test_slices_of_a_column_are_read_where_they_are(runner):
    every = column([{"n": number} for number in range(100)])
    found = runner.run(compiled({"n": {"$gte": 42}}), every[40:45])
    assert found.tolist() == [False, False, True, True, True]
    assert runner.run(compiled({"n": 1}), every[:0]).tolist() == []


def test_the_order_of_rows_is_kept_over_batches(runner, monkeypatch):
    monkeypatch.setattr(module, "_BATCH_BYTES", 500)
    rng = np.random.default_rng(1)
    values = rng.integers(0, 2, 10_000)
    every = column(
        [
            {"n": int(n), "pad": "x" * int(size)}
            for n, size in zip(values, rng.integers(0, 900, 10_000), strict=True)
        ]
    )
    assert runner.run(compiled({"n": 1}), every).tolist() == (values == 1).tolist()


def test_large_documents_and_many_paths_take_bounded_memory(runner):
    """Lists of thousands of elements in documents as large as they may be, at many paths."""
    big = {"a": {"a": {"a": [0] * 10_000 + ["x"] * 5_000}}, "t": "y" * 20_000}
    every = column([big] * 400)
    given = {"$or": [{path: {"$in": ["z", 7]}} for path in ("a", "a.a", "a.a.a", "t", "b.c")]}
    assert not runner.run(compiled(given), every).any()
    assert runner.run(compiled({"a.a.a": {"$in": ["x", "z"]}}), every).all()


def test_as_many_terms_as_there_may_be(runner):
    every = column([{"n": number, "t": f"t{number}"} for number in range(500)])
    many = {"$or": [{"n": {"$gt": 1_000 + term}} for term in range(300)] + [{"n": 7}]}
    assert np.flatnonzero(runner.run(compiled(many), every)).tolist() == [7]
    paths = {"$or": [{f"p{term}": term} for term in range(300)] + [{"t": "t3"}]}
    assert np.flatnonzero(runner.run(compiled(paths), every)).tolist() == [3]
    values = {"t": {"$in": [f"t{number * 2}" for number in range(900)]}}
    assert np.flatnonzero(runner.run(compiled(values), every)).tolist() == list(range(0, 500, 2))


def test_more_threads_than_cursors_get_their_own_answers():
    runner = PredicateRunner()
    every = column([{"n": number % 7} for number in range(5_000)])
    whole = np.arange(5_000) % 7

    def ask(turn):
        found = runner.run(compiled({"n": turn % 7}), every)
        return bool((found == (whole == turn % 7)).all())

    with ThreadPoolExecutor(12) as pool:
        assert all(pool.map(ask, range(60)))
    runner.close()
    assert ask(3), "it connects again"
    runner.close()


def test_a_failure_of_duckdb_is_an_error_of_the_api_and_leaves_no_trace(runner):
    broken = CompiledPredicate(None, "SELECT error('oh') AS holds FROM documents", (), 0)
    for _ in range(6):
        with pytest.raises(UnavailableError, match="could not be evaluated"):
            runner.run(broken, column([{}]))
    assert runner.run(compiled({"a": None}), column([{}])).tolist() == [True]


def test_the_rest_of_the_world_is_out_of_reach(tmp_path):
    (tmp_path / "x.csv").write_text("1\n")
    connection = module._connect()
    for sql in (
        f"SELECT * FROM '{tmp_path}/x.csv'",
        f"ATTACH '{tmp_path}/y.duckdb'",
        "SET enable_external_access = true",
        f"COPY (SELECT 1) TO '{tmp_path}/z.csv'",
    ):
        with pytest.raises(duckdb.Error):
            connection.execute(sql)
    connection.close()
