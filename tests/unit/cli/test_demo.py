from __future__ import annotations

import json

import pytest

from tsvec.cli import demo
from tsvec.cli.storms import COLLECTION, load_storms
from tsvec.engine.database import Database
from tsvec.model.errors import ConflictError
from tsvec.model.queries import TemporalKnnRequest


@pytest.fixture(scope="module")
def storms():
    return load_storms()


def test_every_question_is_a_valid_request(storms):
    for question in demo.questions(storms):
        TemporalKnnRequest.model_validate_json(json.dumps(question.body))


def test_a_directory_that_has_the_storms_is_not_loaded_again(storms, tmp_path):
    advanced = []
    with Database(tmp_path) as database:
        first = demo.load(database, storms, advanced.append)
        assert sum(advanced) == first.points == len(storms)
        again = demo.load(database, storms, advanced.append)
        assert again.as_of_seq == first.as_of_seq
        assert sum(advanced) == len(storms)


def test_a_directory_with_other_data_is_left_alone(storms, tmp_path):
    with Database(tmp_path) as database:
        collection = database.create_collection(COLLECTION, dim=4, metric="l2")
        collection.ingest(entity_id=["a"], vector=[[1.0, 2.0, 3.0, 4.0]])
        with pytest.raises(ConflictError, match="holds 1 points instead of the 20,524"):
            demo.load(database, storms, lambda _: None)


def test_a_demo_is_one_document_or_tables(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    demo.run(tmp_path, port=0, keep=False, as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert len(document["answers"]) == 5
    assert document["stats"]["points"] == 20_524
    demo.run(tmp_path, port=0, keep=False, as_json=False)
    shown = capsys.readouterr().out
    assert "Katrina 2005  Aug 28 18:00  26.3°N 88.6°W  150  902  major hurricane     0.000" in shown
    assert max(len(line) for line in shown.splitlines()) <= 80
