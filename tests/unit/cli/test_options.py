from __future__ import annotations

import pytest
import typer

from tsvec.cli.options import instant, vector


def test_a_vector_is_text_or_a_file_of_text(tmp_path):
    path = tmp_path / "vector.json"
    path.write_text("[1, -2.5]\n")
    assert vector("1,-2.5").tolist() == vector(f"@{path}").tolist() == [1.0, -2.5]


@pytest.mark.parametrize(
    ("text", "message"),
    [("north", "'north' is no vector"), ("@nowhere.json", "nowhere.json: No such file")],
)
def test_what_is_no_vector_is_wrong_usage(text, message):
    with pytest.raises(typer.BadParameter, match=message):
        vector(text)


def test_an_instant_is_a_time_or_a_date():
    assert instant("2026-01-31") == instant("2026-01-31T00:00:00Z")
    with pytest.raises(typer.BadParameter, match=r"'noon': an RFC 3339 time .*or a date alone"):
        instant("noon")
