"""Records become JSON replies."""

from __future__ import annotations

from tsvec.model.replies import Readiness
from tsvec.server.replies import JsonReply


def test_a_record_is_the_body():
    reply = JsonReply(Readiness(ready=True), 201)
    assert (reply.status_code, reply.body) == (201, b'{"ready":true}')
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["content-length"] == "14"
