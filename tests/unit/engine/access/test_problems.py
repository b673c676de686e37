"""Who is told what is wrong."""

from __future__ import annotations

from tsvec.engine.access.problems import Problem, told


def test_a_tenant_hears_of_its_own_and_of_everybodys():
    problems = [Problem("all"), None, Problem("mine", "acme"), Problem("theirs", "rival")]
    assert told(problems, "acme") == ["all", "mine"]
    assert told(problems) == ["all", "mine", "theirs"]
    assert told([None]) == []
