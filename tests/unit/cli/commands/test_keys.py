"""`tsvec keys` on a directory and on a server."""

from __future__ import annotations

import io
import json
import re

import pytest
from rich.console import Console

from tsvec.cli.commands import keys
from tsvec.cli.serve import listen, running
from tsvec.engine.database import Database
from tsvec.model.access.keys import KeyList
from tsvec.server.serve import build_server


@pytest.fixture
def data(tmp_path):
    return ["--data", tmp_path / "db"]


def seen(text: str) -> str:
    """What a wide terminal would show of a list."""
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(keys._listed(KeyList.model_validate_json(text)))
    return console.export_text()


def listed(ok, *target):
    return json.loads(ok("keys", "list", "--json", *target))["items"]


def test_a_key_is_made_listed_and_revoked(ok, data):
    lines = ok("keys", "create", "storm watch", "-c", "storms", "--expires", "2100-01-01", *data)
    assert re.fullmatch(r"tsk_[\w-]{43}", lines.splitlines()[-1])
    assert "cannot be shown again" in lines
    [key] = listed(ok, *data)
    assert (key["scopes"], key["collections"]) == (["read", "write"], ["storms"])
    assert key["expires_at"] == "2100-01-01T00:00:00Z"
    shown = seen(ok("keys", "list", "--json", *data))
    assert key["id"] in shown
    assert "storm watch" in shown
    assert "until 2100-01-01" in shown
    assert ok("keys", "revoke", key["id"], *data) == f"{key['id']} is refused from now on\n"
    assert "revoked 20" in seen(ok("keys", "list", "--json", *data))


def test_a_tenant_has_its_own(ok, run, data):
    ok("keys", "create", "theirs", "--tenant", "acme", "--scope", "admin", *data)
    assert listed(ok, *data) == []
    [key] = listed(ok, "--tenant", "acme", *data)
    assert (key["tenant"], key["scopes"]) == ("acme", ["admin"])
    code, _, err = run("keys", "revoke", key["id"], *data)
    assert (code, err) == (1, f"error: there is no key '{key['id']}'\n")


def test_a_long_list_says_how_it_goes_on(ok, data):
    for number in range(3):
        ok("keys", "create", f"k{number}", *data)
    first = ok("keys", "list", "--limit", 2, *data)
    cursor = re.search(r"--cursor (\S+)", first)[1]
    assert "k2" in seen(ok("keys", "list", "--json", "--cursor", cursor, *data))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["create"], 2, "NAME"),
        (["create", "a", "--scope", "root"], 1, "scopes[0]"),
        (["create", "a", "--expires", "2001-01-01"], 1, "expires_at is not in the future"),
        (["create", "a", "--tenant", "No"], 1, "a tenant name is"),
        (["create", "a", "--token", "tsk_1"], 1, "--token goes with --url"),
        (["revoke", "key_0"], 1, "there is no key 'key_0'"),
    ],
)
def test_what_is_wrong_is_told(run, ok, data, arguments, code, message):
    ok("keys", "create", "first", *data)
    found, out, err = run("keys", *arguments, *data)
    assert (found, out) == (code, "")
    assert message in err


def test_a_server_is_asked_with_a_key(tmp_path, ok, run, monkeypatch):
    with Database(tmp_path / "db") as database:
        made = database.tenant("acme").admin.create_key("ops", scopes=["read", "admin"])
        with running(build_server(database), listen("127.0.0.1", 0)) as url:
            target = ["--url", url]
            code, _, err = run("keys", "list", *target)
            assert (code, "this takes an API key" in err) == (1, True)
            (tmp_path / "key").write_text(made.secret)
            token = ["--token", f"@{tmp_path / 'key'}"]
            secret = ok("keys", "create", "device", "--json", *target, *token)
            device = json.loads(secret)
            monkeypatch.setenv("TSVEC_API_KEY", made.secret)
            assert [key["name"] for key in listed(ok, *target)] == ["ops", "device"]
            ok("create", "storms", "--dim", 3, *target)
            ok("keys", "revoke", device["id"], *target)
            code, _, err = run("info", *target, "--token", device["secret"])
            assert (code, "was revoked" in err) == (1, True)
            code, _, err = run("info", *target, "--tenant", "rival")
            assert (code, "not one of the tenant 'rival'" in err) == (1, True)
        assert [each.name for each in database.tenant("acme").list_collections().items] == [
            "storms"
        ]


def test_other_commands_take_a_tenant_too(ok, data, write):
    ok("ingest", write("points.parquet"), "-c", "ships", "--create", "--tenant", "acme", *data)
    assert json.loads(ok("info", "--json", *data))["collections"] == []
    found = json.loads(ok("info", "--json", "--tenant", "acme", *data))["collections"]
    assert [each["collection"]["name"] for each in found] == ["ships"]
