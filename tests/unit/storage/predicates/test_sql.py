"""What is compiled: no text of a caller, one look at each path, and what DuckDB must agree on."""

from __future__ import annotations

import json
import re

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.property.filter_truth import filters, texts
from tsvec.model.filters.parser import parse_filter
from tsvec.model.filters.predicates import ALWAYS, Equal, OfEntity, Ordered
from tsvec.storage.predicates.sql import compile_predicate, encoded_text

WORDS = {
    *("SELECT", "FROM", "AS", "AND", "OR", "NOT", "IS", "NULL", "CASE", "WHEN", "THEN", "ELSE"),
    *("END", "CAST", "TRY_CAST", "VARCHAR", "DOUBLE", "HUGEINT", "JSON", "true", "false"),
    *("coalesce", "contains", "len", "list_filter", "list_contains", "lambda", "one", "holds"),
    *("json_extract", "json_extract_string", "documents", "document", "found", "e"),
}
COLUMN = re.compile(r"(v|text|number|numbers|real|whole|list)\d+")
LITERALS = {"'#'", "'-'", "':'", "'['", "'\\'", "'$'", "'.'", "'e'"}


def compiled(given):
    return compile_predicate(parse_filter(given).predicate)


def strangers(sql):
    """What is in a query besides keywords, numbered columns and the few literals."""
    literals = re.findall(r"'[^']*'", sql)
    words = re.findall(r"[^\W\d]\w*", re.sub(r"'[^']*'", " ", sql))
    signs = set(re.sub(r"'[^']*'|\w", "", sql))
    return (
        {word for word in words if word not in WORDS and not COLUMN.fullmatch(word)}
        | {literal for literal in literals if literal not in LITERALS}
        | (signs - set(" ()[],$:<>=."))
    )


@given(filters(of_entities=False))
def test_no_text_of_a_caller_is_in_the_sql(given):
    assert strangers(compiled(given).sql) == set()


@given(filters(of_entities=False))
def test_every_parameter_is_used_and_given(given):
    made = compiled(given)
    numbers = {int(number) for number in re.findall(r"\$(\d+)", re.sub(r"'[^']*'", "", made.sql))}
    assert numbers == set(range(1, len(made.parameters) + 1))


def test_a_path_is_looked_at_once():
    made = compiled({"a": {"$gt": 1, "$lt": 3}, "$or": [{"a": "x"}, {"b/c.~d": 1}]})
    assert made.paths == 2
    assert made.parameters[0] == ["/a", "/b~1c/~0d"]
    assert made.sql.count("json_extract(") == 1


def test_the_same_predicate_makes_the_same_sql():
    given = {"a": {"$in": [3, "x", None, True, 1]}}
    assert compiled(given).sql == compiled({"a": {"$in": [1, True, None, "x", 3]}}).sql


def test_without_a_path_nothing_is_bound():
    assert compile_predicate(ALWAYS).parameters == ()
    assert compile_predicate(ALWAYS).paths == 0


def test_attributes_are_another_document():
    with pytest.raises(ValueError, match="two kinds"):
        compile_predicate(OfEntity(Equal(("a",), texts=("x",))))


@pytest.mark.parametrize(
    ("order", "bound", "sign", "real"),
    [
        ("gt", 2**53 + 1, ">", 2.0**53),
        ("lt", 2**53 + 1, "<=", 2.0**53),
        ("gte", 2**53 + 3, ">=", 2.0**53 + 4),
        ("lte", 2**53 + 3, "<", 2.0**53 + 4),
        ("lte", 2**53 + 2, "<=", 2.0**53 + 2),
    ],
)
def test_a_bound_that_is_no_double_is_rounded_the_right_way(order, bound, sign, real):
    made = compile_predicate(Ordered(("a",), order, bound))
    assert made.parameters[1:] == (bound, real)
    assert f"real0 {sign} CAST($3 AS DOUBLE)" in made.sql


def test_bounds_beyond_all_integers_are_cut():
    assert compile_predicate(Ordered(("a",), "gt", 1e300)).parameters[1] == 2**65
    assert compile_predicate(Ordered(("a",), "gt", -1e300)).parameters[1] == -(2**65)


@pytest.fixture(scope="module")
def duck():
    with duckdb.connect() as connection:
        yield connection


@given(st.lists(texts, min_size=1, max_size=20))
def test_texts_are_encoded_as_duckdb_writes_them(duck, given):
    stored = json.dumps(given)
    sql = "SELECT CAST(TRY_CAST(json_extract($1, '$') AS JSON[]) AS VARCHAR[])"
    assert duck.execute(sql, [stored]).fetchone()[0] == [encoded_text(text) for text in given]


def test_every_control_character_is_encoded_so_too(duck):
    every = "".join(map(chr, range(256)))
    found = duck.execute("SELECT CAST(to_json($1) AS VARCHAR)", [every]).fetchone()[0]
    assert encoded_text(every) == found
