"""What goes wrong is told without telling of the inside."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

from tests.security.world import API, World, call_of
from tsvec.engine.database import Database

INSIDE = re.compile(r'Traceback|File "|\.py\b|site-packages|RuntimeError|0x[0-9a-f]{6,}|marker-of-')
ERRORS_MIN = 200


def wrongly(call):
    """The same request with something wrong in every place that has room for it."""
    yield replace(call, query={**call.query, "no_such_parameter": "1"})
    yield replace(call, query={**call.query, "limit": "many", "as_of": "never", "key": "\0"})
    yield replace(call, path=call.path.replace("storms", "%ff").replace("AL122005", "%00"))
    yield replace(call, path=call.path + "/more")
    for body in ([], {"no_such_field": {}}, "text", None, {"points": [{"vector": "x"}]}):
        yield replace(call, body=body)


def test_no_error_shows_the_inside(tmp_path, monkeypatch):
    statuses: Counter[int] = Counter()
    with World(tmp_path / "data") as world:
        sent = [
            (key, wrong)
            for operation in API.operations
            for wrong in wrongly(call_of(operation))
            for key in (world.owner, None)
        ]
        for key, wrong in sent:
            reply = world.send(wrong, key)
            statuses[reply.status_code] += 1
            if reply.status_code >= 400:
                assert reply.headers["content-type"] == "application/problem+json"
                assert not INSIDE.search(reply.text), reply.text

        def fail(*_: object, **__: object) -> None:
            raise RuntimeError("marker-of-a-fault")

        monkeypatch.setattr(Database, "tenant", fail)
        for operation in API.operations:
            reply = world.send(call_of(operation), world.owner)
            statuses[reply.status_code] += 1
            assert not INSIDE.search(reply.text), reply.text
    assert statuses[500] > len(API.operations) / 2, "faults were met"
    assert sum(count for status, count in statuses.items() if status >= 400) > ERRORS_MIN
