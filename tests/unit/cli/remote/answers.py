"""A server that gives prepared answers."""

from __future__ import annotations

import json

import httpx

from tsvec.cli.remote.database import RemoteDatabase

URL = "http://127.0.0.1:8710/"
NOW = "2026-01-31T12:00:00Z"
COLLECTION = {
    "name": "a b",
    "dim": 2,
    "metric": "l2",
    "window_size": "1h",
    "allowed_lateness": None,
    "retention": None,
    "history_horizon": "7d",
    "space": None,
    "history": "h",
    "created_at": NOW,
    "seq": 0,
}
KNN = {"hits": [], "returned": 0, "exact": True, "eligible": {"value": 0, "relation": "eq"}}
HISTORY = {"items": [], "next_cursor": None, "as_of_seq": 4}
INGESTED = {
    "ingested": 1,
    "unchanged": 0,
    "replaced": 0,
    "late": 0,
    "rejected": 0,
    "errors": [],
    "seq": 1,
    "recorded_at": NOW,
    "durable": True,
}


def remote(reply, status=200):
    """A database whose every request gets this reply, and the requests it got."""
    seen = []

    def answer(request):
        seen.append(request)
        return httpx.Response(
            status, content=reply if isinstance(reply, bytes) else json.dumps(reply)
        )

    return RemoteDatabase(URL, transport=httpx.MockTransport(answer)), seen


def target_of(request):
    return f"{request.method} {request.url.raw_path.decode()}"
