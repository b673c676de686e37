from __future__ import annotations

import io
import json
import sys

import pytest

from tsvec.cli.commands import many
from tsvec.model.limits import Limits


def test_a_batch_answers_each_question(loaded, ok, rows, tmp_path, monkeypatch):
    questions = [
        {"query_vector": [0.3, -0.2, 0.9], "k": 3},
        {"entity_id": "002", "k": 2, "filter": {"speed": {"$gt": 10}}},
    ]
    path = tmp_path / "questions.jsonl"
    path.write_text("\n".join(json.dumps(question) for question in questions) + "\n\n")
    reply = json.loads(ok("query", "batch", path, "--json", *loaded))
    alone = [
        json.loads(ok("knn", "--vector", "0.3,-0.2,0.9", "-k", 3, "--json", *loaded)),
        json.loads(ok("knn", "--entity", "002", "-k", 2, "--filter", '{"speed": {"$gt": 10}}',
                      "--json", *loaded)),
    ]  # fmt: skip
    assert reply["results"] == alone
    assert all(hit["metadata"]["speed"] > 10 for hit in reply["results"][1]["hits"])
    told = ok("query", "batch", path, *loaded)
    assert "query 0\n" in told
    assert "query 1\n" in told
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
    assert json.loads(ok("query", "batch", "-", "--json", *loaded)) == reply


def test_a_walk_asks_at_each_moment(loaded, ok, rows):
    asked = ["--vector", "0.3,-0.2,0.9", "-k", 4, "--distinct", "--json"]
    moments = [10, 30, 57]
    each = [part for moment in moments for part in ("--as-of-each", moment)]
    reply = json.loads(ok("query", "walk", *asked, *each, *loaded))
    alone = [
        json.loads(ok("query", "knn", *asked, "--as-of", moment, *loaded)) for moment in moments
    ]
    assert reply["results"] == alone
    assert "as of 10\n" in ok("query", "walk", *asked[:-1], *each, *loaded)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"query_vector": [1], "star_time": 0}', "line 2: star_time: there is no such field"),
        ("nothing", "line 2: "),
    ],
)
def test_a_faulty_question_is_named_by_its_line(run, tmp_path, line, message):
    path = tmp_path / "questions.jsonl"
    path.write_text('{"query_vector": [1, 2, 3]}\n' + line)
    code, _, err = run("query", "batch", path)
    assert (code, err.count("\n")) == (2, 1)
    assert message in err


def test_no_question_is_refused(run, tmp_path, monkeypatch):
    path = tmp_path / "questions.jsonl"
    path.write_text("\n")
    code, _, err = run("query", "batch", path)
    assert code == 1
    assert "queries" in err
    monkeypatch.setattr(many, "WIDEST", Limits(queries_max=3))
    path.write_text('{"query_vector": [1]}\n' * 4)
    code, _, err = run("query", "batch", path)
    assert code == 2
    assert "queries_max" in err
