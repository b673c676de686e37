"""As whom a command asks: options first, then the environment."""

from __future__ import annotations

import pytest
import typer

from tsvec.cli.access import Access, access, check_no_token, give_access
from tsvec.model.errors import InvalidRequestError


@pytest.fixture
def run(monkeypatch):
    """Runs a command that tells what it was given and as whom it asks."""
    for name in ("TSVEC_TENANT", "TSVEC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    app = typer.Typer()
    seen = []

    @app.command()
    def ask(word: str, url: str | None = None, data: str | None = None) -> None:
        seen.append((word, url, data, access()))

    @app.command()
    def other(data: str | None = None) -> None:
        seen.append(data)

    group = typer.Typer()
    group.command("ask")(ask)
    app.add_typer(group, name="group")
    give_access(app)

    def call(*arguments: str):
        app(args=list(arguments), standalone_mode=False)
        return seen[-1]

    return call


@pytest.mark.parametrize("command", [("ask",), ("group", "ask")])
def test_every_command_with_a_database_takes_both(run, command):
    assert run(*command, "a", "--data", "d") == ("a", None, "d", Access())
    given = run(*command, "a", "--url", "u", "--tenant", "acme", "--token", "tsk_1")
    assert given == ("a", "u", None, Access("acme", "tsk_1"))


def test_a_command_without_one_takes_neither(run):
    with pytest.raises(Exception, match="--tenant"):
        run("other", "--tenant", "acme")


def test_what_is_not_said_is_in_the_environment(run, monkeypatch):
    monkeypatch.setenv("TSVEC_TENANT", "acme")
    monkeypatch.setenv("TSVEC_API_KEY", "tsk_1")
    assert run("ask", "a")[-1] == Access("acme", "tsk_1")
    assert run("ask", "a", "--tenant", "rival")[-1] == Access("rival", "tsk_1")


def test_a_key_may_lie_in_a_file(run, tmp_path):
    path = tmp_path / "key"
    path.write_text("tsk_1\n")
    assert run("ask", "a", "--token", f"@{path}")[-1] == Access(None, "tsk_1")
    with pytest.raises(Exception, match="No such file"):
        run("ask", "a", "--token", f"@{path}.not")


def test_a_directory_needs_no_key(run, monkeypatch):
    run("ask", "a", "--token", "tsk_1")
    with pytest.raises(InvalidRequestError, match="--token goes with --url"):
        check_no_token()
    monkeypatch.setenv("TSVEC_API_KEY", "tsk_1")
    run("ask", "a")
    check_no_token()
