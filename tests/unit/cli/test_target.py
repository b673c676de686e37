from __future__ import annotations

from pathlib import Path

import pytest

from tsvec.cli.target import check_directory, every_collection, open_target, place
from tsvec.engine.database import Database
from tsvec.model.errors import InvalidRequestError, NotFoundError

URL = "http://127.0.0.1:1"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    monkeypatch.delenv("TSVEC_URL", raising=False)
    monkeypatch.delenv("TSVEC_DATA", raising=False)


def test_options_win_over_the_environment(monkeypatch):
    assert place(None, None) == Path("tsvec-data")
    monkeypatch.setenv("TSVEC_DATA", "elsewhere")
    assert place(None, None) == Path("elsewhere")
    monkeypatch.setenv("TSVEC_URL", URL)
    assert place(None, None) == URL
    assert place(None, Path("here")) == Path("here")
    assert place("http://other", None) == "http://other"


def test_two_databases_are_one_too_many():
    with pytest.raises(InvalidRequestError, match="name two databases"):
        place(URL, Path("here"))


def test_a_question_of_a_mistyped_path_makes_no_database(tmp_path):
    path = tmp_path / "typo"
    with pytest.raises(NotFoundError, match="typo holds no database"), open_target(None, path):
        pass
    assert not path.exists()
    with open_target(None, path, create=True):
        check_directory(path)


def test_every_page_of_collections_is_read(tmp_path):
    with Database(tmp_path) as database:
        names = [f"c{number:03}" for number in range(105)]
        for name in names:
            database.create_collection(name, dim=2)
        assert [found.name for found in every_collection(database)] == names
