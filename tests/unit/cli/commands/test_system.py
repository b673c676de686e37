from __future__ import annotations

import json

from tsvec.cli.commands import system
from tsvec.model.replies import Health, Readiness


def test_a_database_says_how_it_is(loaded, ok):
    where = loaded[2:]
    assert "exact_knn" in ok("system", "info", *where)
    assert json.loads(ok("system", "info", "--json", *where))["limits"]["k_max"] == 10_000
    assert ok("system", "health", *where) == "ok\n"
    assert ok("system", "ready", *where) == "ready\n"
    assert json.loads(ok("system", "ready", "--json", *where)) == {"ready": True}
    assert "tsvec_" in ok("system", "metrics", *where)


def test_the_description_of_the_api_is_printed(ok):
    assert json.loads(ok("system", "openapi"))["openapi"].startswith("3.1")


class Ill:
    """A database that is neither sound nor ready."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def get_health(self):
        return Health(status="degraded", problems=["a file is damaged"])

    def get_ready(self):
        return Readiness(ready=False)


def test_trouble_is_exit_code_1(run, monkeypatch):
    monkeypatch.setattr(system, "open_target", lambda *_: Ill())
    code, out, err = run("system", "health")
    assert (code, out) == (1, "degraded\na file is damaged\n")
    assert err == "error: the database is degraded\n"
    code, out, err = run("system", "ready")
    assert (code, out, err) == (1, "not ready\n", "error: the database is not ready\n")
