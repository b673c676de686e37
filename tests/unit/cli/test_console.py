from __future__ import annotations

import json

from tsvec.cli.console import show
from tsvec.model.replies import Readiness


def test_people_see_the_view_and_scripts_the_document(capsys):
    show({"a": 1}, "shown [bold]as it is", as_json=False)
    assert capsys.readouterr().out == "shown [bold]as it is\n"
    show({"a": 1}, "", as_json=True)
    assert json.loads(capsys.readouterr().out) == {"a": 1}
    show(Readiness(ready=True), "", as_json=True)
    assert capsys.readouterr().out == '{"ready":true}\n'
