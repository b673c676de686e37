"""What one tenant stores is never in an answer to another, whatever that one asks for."""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import orjson
import pytest

from tests.security.world import API, EXAMPLES, STORMS
from tests.unit.engine.rig import open_database, wait_until
from tsvec.engine.database import Database
from tsvec.model.access.keys import SCOPES
from tsvec.server.app import create_app

REQUESTS = 10_000
ROWS = 48
MARK = re.compile(rb"canary[a-z0-9.@_-]*|77777\.\d+")
"""Every text and number of the tenant whose data must not be seen; the numbers are exact floats."""

READS = sorted(
    each.id
    for each in API.operations
    if (each.method == "GET" or "/query/" in each.path)
    and each.id not in {"get_openapi", "get_ready"}
)


def mark(number: int) -> float:
    return 77_777 + number / 128


def time_of(row: int) -> str:
    return f"2005-08-{1 + row % 28:02}T{row % 24:02}:00:00Z"


def fill(database: Database, tenant: str, word: str, number: float) -> None:
    """The same shape for both tenants: hot and sealed points, keys, attributes, deleted points."""
    made = database.tenant(tenant).create_collection(
        STORMS, dim=4, metric="l2", space=f"{word}-space", history_horizon="365d"
    )
    points = [
        {
            "entity_id": f"{word}-{row % 6}",
            "entity_type": f"{word}type",
            "timestamp": time_of(row),
            "vector": [number + row / 128, 1.0, 2.0, 3.0],
            "metadata": {"name": f"{word}-name", "wind": row},
            **({"key": f"{word}-key"} if row % 5 == 0 else {}),
        }
        for row in range(ROWS)
    ]
    made.ingest(points)
    made.delete_points(points=[{k: v for k, v in points[1].items() if k in POINT}])
    for entity in range(6):
        made.entities.set_entity_attributes(f"{word}-{entity}", {"note": f"{word}-attribute"})
    database.tenant(tenant).create_collection(f"{word}-only", dim=2)
    database.tenant(tenant).admin.create_key(f"{word}-device")


FILTERS = {
    "entities": ['{"note": {"$exists": true}}'],
    "points": ['{"name": {"$in": ["owner-name", "canary-name"]}}'],
}
POINT = {"entity_id", "timestamp", "key"}


@dataclass
class Asker:
    """Calls the application with one key, and remembers cursors."""

    app: Any
    secret: str
    cursors: dict[str, list[str]] = field(default_factory=dict)

    async def ask(self, name: str, path: str, query: str, body: bytes) -> tuple[int, bytes]:
        scope = {
            "type": "http",
            "method": EXAMPLES[name].method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [
                (b"x-api-key", self.secret.encode()),
                (b"content-type", b"application/json"),
            ],
        }
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        headers = b"\n".join(b": ".join(pair) for pair in sent[0]["headers"])
        reply = b"".join(message.get("body", b"") for message in sent[1:])
        found = re.search(rb'"next_cursor":"([^"]+)"', reply)
        if found and len(self.cursors.setdefault(name, [])) < 50:
            self.cursors[name].append(found[1].decode())
        return sent[0]["status"], headers + b"\n\n" + reply


class Fuzz:
    """Requests made of what both tenants have."""

    def __init__(self, seed: int, cursors: list[dict[str, list[str]]], key_ids: list[str]) -> None:
        self._random = random.Random(seed)
        self._cursors = cursors
        self._key_ids = key_ids

    def request(self, name: str) -> tuple[str, str, bytes]:
        operation = EXAMPLES[name]
        path, query = operation.path, []
        for parameter in operation.parameters:
            if parameter.place == "path":
                value = quote(str(self._value(parameter.name, name)), safe="")
                path = path.replace(f"{{{parameter.name}}}", value)
            elif parameter.place == "query" and self._random.random() < 0.35:
                value = self._value(parameter.name, name)
                values = value if isinstance(value, list) else [value]
                query += [(parameter.name, each) for each in values]
        body = self._body(name) if operation.bodies else None
        return path, urlencode(query), b"" if body is None else orjson.dumps(body)

    def _word(self) -> str:
        return self._random.choice(["owner", "owner", "canary"])

    def _value(self, name: str, operation: str) -> Any:
        pick, word = self._random.choice, self._word()
        pools: dict[str, list[Any]] = {
            "collection": [STORMS] * 8 + [f"{word}-only", "nothing"],
            "entity_id": [f"{word}-{number}" for number in range(7)],
            "entity_ids": [[f"{word}-0", f"{self._word()}-1"]],
            "entity_types": [[f"{word}type"]],
            "key": [f"{word}-key"],
            "prefix": [word, "c", "o"],
            "timestamp": [time_of(row) for row in range(ROWS)],
            "start_time": [time_of(0)],
            "end_time": [time_of(20), "2007-01-01T00:00:00Z"],
            "as_of": [1, ROWS, ROWS + 1, ROWS + 7],
            "wait_for_seq": [1],
            "limit": [1, 7, 1_000],
            "include": [["metadata", "vector"]],
            "order": ["asc", "desc"],
            "sort": ["entity_id", "last_seen", "points"],
            "every": ["1d"],
            "filter": FILTERS["entities" if operation == "list_entities" else "points"],
            "cursor": pick(self._cursors).get(operation) or ["x"],
            "key_id": self._key_ids,
        }
        return pick(pools[name])

    def _question(self) -> dict[str, Any]:
        pick = self._random.choice
        subject = pick(
            [
                {"query_vector": [pick([mark(3), 10.0]), 1.0, 2.0, 3.0]},
                {"entity_id": f"{self._word()}-{pick(range(6))}"},
            ]
        )
        extra = pick(
            [
                {},
                {"entity_types": [f"{self._word()}type"]},
                {"filter": {"name": {"$ne": "owner-name"}}},
                {"filter": {"$attributes": {"note": {"$exists": True}}}},
            ]
        )
        return subject | extra | {"include": ["metadata", "vector"]}

    def _body(self, name: str) -> dict[str, Any]:
        ranked = {"k": self._random.choice([1, 10, 200])}
        match name:
            case "temporal_knn":
                distinct = self._random.choice([{}, {"distinct": "entity"}, {"explain": True}])
                return self._question() | ranked | distinct
            case "temporal_knn_batch":
                return {"queries": [self._question() | ranked for _ in range(2)]}
            case "temporal_knn_walk":
                return self._question() | ranked | {"as_of_each": [10, ROWS]}
            case "temporal_range":
                return self._question() | {"radius": 1e6}
        spans = {
            "before": {"end_time": "2005-08-14T00:00:00Z"},
            "after": {"start_time": "2005-08-14T00:00:00Z"},
        }
        return self._question() | ranked | spans


def impatient_app(database: Database) -> Any:
    """Some requests wait for changes that do not come."""
    app = create_app(database)
    app.state.services.wait_seconds_max = 0.0
    return app


def partitions(database: Database, tenant: str) -> int:
    return database.tenant(tenant).collection(STORMS).get_collection_stats().partitions


@pytest.fixture(scope="module")
def database(tmp_path_factory) -> Iterator[Database]:
    """Two tenants with as much of the same shape, a part of it sealed."""
    path = tmp_path_factory.mktemp("canaries") / "db"
    with open_database(path, seal_rows=32) as database:
        fill(database, "canary", "canary", mark(0))
        fill(database, "owner", "owner", 10.0)
        wait_until(lambda: all(partitions(database, name) for name in ("owner", "canary")))
        yield database


def test_there_are_canaries_to_be_seen(database):
    """Who owns them sees them, in the answers to most operations: they would be noticed."""
    key = database.tenant("canary").admin.create_key("canary", scopes=SCOPES)
    asker, fuzz = Asker(impatient_app(database), key.secret), Fuzz(1, [{}], ["key_x"])

    async def ask() -> set[str]:
        seen = set()
        for name in READS * 20:
            path, query, body = fuzz.request(name)
            path = path.replace("owner", "canary")
            query, body = query.replace("owner", "canary"), body.replace(b"owner", b"canary")
            _, reply = await asker.ask(name, path, query, body)
            if set(MARK.findall(reply)) - marks_of(path, query, body):
                seen.add(name)
        return seen

    told = {each for each in READS if each.startswith(("list_", "temporal_", "get_entity"))}
    assert told - asyncio.run(ask()) <= {"list_windows"}


def marks_of(path: str, query: str, body: bytes) -> set[bytes]:
    """What the asker knows already, since it is in the request."""
    return set(MARK.findall(f"{path} {query} ".encode() + body))


def test_no_canary_is_seen_in_many_answers(database):
    owner, rival = (
        database.tenant(name).admin.create_key(name, scopes=SCOPES) for name in ("owner", "canary")
    )
    app = impatient_app(database)
    asker, spy = Asker(app, owner.secret), Asker(app, rival.secret)
    answered: Counter[str] = Counter()

    async def ask() -> list[str]:
        for name in ("list_points", "list_entities", "list_collections", "list_keys"):
            for query in ("limit=1", "limit=2"):
                path = EXAMPLES[name].path.replace("{collection}", STORMS)
                await spy.ask(name, path, query, b"")
        fuzz = Fuzz(2, [asker.cursors, spy.cursors], [owner.id, rival.id])
        seen = []
        for number in range(REQUESTS):
            name = READS[number % len(READS)]
            path, query, body = fuzz.request(name)
            status, reply = await asker.ask(name, path, query, body)
            answered[name] += status == 200
            new = set(MARK.findall(reply)) - marks_of(path, query, body)
            seen += [f"{name} {path}?{query} {body!r} -> {new}"] if new else []
        return seen

    assert asyncio.run(ask()) == []
    assert all(answered[name] > 10 for name in READS), answered
    assert sum(answered.values()) > REQUESTS / 2
