from __future__ import annotations

import pytest

from tsvec.cli import completion
from tsvec.cli.completion import complete_collection, complete_entity
from tsvec.engine.database import Database


class Context:
    """What was typed so far."""

    def __init__(self, **params):
        self.params = params


@pytest.fixture
def typed(loaded):
    """The options that name the database, as they reach a completion."""
    options = dict(zip(loaded[::2], loaded[1::2], strict=True))
    return {"url": options.get("--url"), "data": options.get("--data")}


def test_names_of_collections_are_offered(typed, ok, loaded):
    ok("create", "shoals", "--dim", 2, *loaded[2:])
    assert complete_collection(Context(**typed), "sh") == ["ships", "shoals"]
    assert complete_collection(Context(**typed), "shi") == ["ships"]
    assert complete_collection(Context(**typed), "x") == []


def test_ids_of_entities_are_offered(typed):
    context = Context(collection="ships", **typed)
    assert complete_entity(context, "") == ["000", "001", "002", "003", "004"]
    assert complete_entity(context, "003") == ["003"]
    assert complete_entity(Context(**typed), "0") == []


def test_a_directory_in_use_is_read_beside(tmp_path):
    with Database(tmp_path) as database:
        database.create_collection("ships", dim=1).ingest(entity_id="a", vector=[1])
        context = Context(data=tmp_path, collection="ships")
        assert complete_collection(context, "") == ["ships"]
        assert complete_entity(context, "") == ["a"]


def test_trouble_is_silent(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(completion, "SECONDS_MAX", 0.2)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "FORMAT").write_text("nonsense")
    for place in (
        {"data": tmp_path / "nowhere"},
        {"data": broken},
        {"url": "http://127.0.0.1:1"},
        {"url": "nonsense"},
    ):
        assert complete_collection(Context(**place), "") == []
        assert complete_entity(Context(**place), "") == []
    assert capfd.readouterr() == ("", "")


def test_the_environment_names_the_database(tmp_path, monkeypatch):
    with Database(tmp_path) as database:
        database.create_collection("ships", dim=1)
    monkeypatch.setenv("TSVEC_DATA", str(tmp_path))
    assert complete_collection(Context(), "") == ["ships"]


def test_the_shell_gets_commands_options_and_names(tmp_path, run, monkeypatch):
    with Database(tmp_path) as database:
        database.create_collection("ships", dim=1).ingest(entity_id="north", vector=[1])

    def offered(line):
        monkeypatch.setenv("_TSVEC_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
        code, out, err = run()
        assert (code, err) == (0, "")
        return out.split()

    where = f"--data {tmp_path}"
    assert offered("tsvec kn") == ["knn"]
    assert offered("tsvec points up") == ["update"]
    assert offered("tsvec knn --half") == ["--half-life"]
    assert offered(f"tsvec history {where} -c sh") == ["ships"]
    assert offered(f"tsvec history {where} -c ships no") == ["north"]
