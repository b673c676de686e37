from __future__ import annotations

import json

from tsvec.cli.console import show, tell, warn
from tsvec.model.replies import Readiness


def test_people_see_the_view_and_scripts_the_document(capsys):
    show({"a": 1}, "shown [bold]as it is", as_json=False)
    assert capsys.readouterr().out == "shown [bold]as it is\n"
    show({"a": 1}, "", as_json=True)
    assert json.loads(capsys.readouterr().out) == {"a": 1}
    show(Readiness(ready=True), "", as_json=True)
    assert capsys.readouterr().out == '{"ready":true}\n'


def test_nothing_is_cut_but_for_a_terminal(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    tell("word " * 100)
    assert capsys.readouterr().out.count("\n") == 1
    monkeypatch.setenv("COLUMNS", "50")
    tell("word " * 100)
    assert capsys.readouterr().out.count("\n") == 10


def test_what_is_told_beside_the_output_is_one_line(capsys):
    warn("two\n  lines")
    assert capsys.readouterr() == ("", "two lines\n")
