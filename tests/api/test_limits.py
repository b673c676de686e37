"""Every limit: what is just allowed works in bounded memory, one more is refused by name.

The cases follow from the record of limits: a limit without a case fails.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest

from tests.api.conftest import URL, AppTransport
from tests.unit.engine.rig import batch_of
from tsvec.engine.database import Database
from tsvec.model.errors import InvalidRequestError
from tsvec.model.limits import LIMITS, WIDEST, Limits
from tsvec.model.settings import Settings
from tsvec.server.app import create_app

MEMORY_BYTES_MAX = 900 << 20
"""What one request at its limit may take beside the database, client and server together."""

C = "/v1/collections/c"
ELSEWHERE = {
    "deadline_seconds": "tests/unit/server/test_protocol.py",
    "wait_seconds_max": "tests/unit/engine/test_published.py",
}
"""Limits of time, and where they are tested."""

LOWERED = dict.fromkeys(Limits.model_fields, 20) | {
    "json_bytes_max": 300,
    "body_bytes_max": 300,
    "delete_rows_max": 5,
    "collections_max": 3,
    "tenants_max": 3,
    "keys_max": 3,
    "filter_depth_max": 4,
    "metadata_depth_max": 5,
}
ONLY_LOWERED = {"delete_rows_max", "reply_bytes_max", "collections_max", "tenants_max", "keys_max"}
"""Those whose default would take a test too long: a million points, a thousand collections."""

Case = Callable[[httpx.Client, int], httpx.Response]
Refused = Callable[[httpx.Response, int, str], dict[str, Any]]
POINT = {"entity_id": "e", "vector": [0.0, 1.0]}


def ask(client: httpx.Client, **fields: Any) -> httpx.Response:
    return client.post(f"{C}/query/temporal-knn", json={"query_vector": [0.0, 0.0]} | fields)


def put(client: httpx.Client, **fields: Any) -> httpx.Response:
    return client.post(f"{C}/points", json={"points": [POINT | fields]})


def make(client: httpx.Client, name: str = "made", **fields: Any) -> httpx.Response:
    return client.post("/v1/collections", json={"name": name, "dim": 2} | fields)


def padded(client: httpx.Client, path: str, kind: str, text: str, size: int) -> httpx.Response:
    return client.post(path, content=text.ljust(size, "\n"), headers={"content-type": kind})


def rows(client: httpx.Client, count: int) -> httpx.Response:
    names = pa.array(["e"] * count).dictionary_encode()
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.ones(2 * count, np.float32)), 2)
    times = pa.array(np.arange(count), pa.timestamp("us", "UTC"))
    table = pa.table({"entity_id": names, "vector": vectors, "timestamp": times})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    kind = "application/vnd.apache.arrow.stream"
    body = sink.getvalue().to_pybytes()
    return client.post(f"{C}/points", content=body, headers={"content-type": kind})


def batch(client: httpx.Client, ks: list[int]) -> httpx.Response:
    queries = [{"query_vector": [0.0, 0.0], "k": k} for k in ks]
    return client.post(f"{C}/query/temporal-knn/batch", json={"queries": queries})


def hits(client: httpx.Client, count: int) -> httpx.Response:
    whole, rest = divmod(count, LIMITS.k_max)
    return batch(client, [LIMITS.k_max] * whole + [rest] * bool(rest))


def delete(client: httpx.Client, count: int) -> httpx.Response:
    rows(client, count)
    return client.post(f"{C}/points/delete", json={"entity_ids": ["e"]})


def nested(depth: int) -> Any:
    found: Any = {"a": 1}
    for _ in range(depth - 1):
        found = {"a": found}
    return found


def negated(depth: int) -> Any:
    found: Any = {"a": 1}
    for _ in range(depth - 1):
        found = {"$not": found}
    return found


def reply(client: httpx.Client, size: int) -> httpx.Response:
    """A reply with so many bytes of metadata, 8 and some x a point."""
    each = min(size, LIMITS.metadata_bytes_max)
    sizes = [each] * (size // each) + ([rest] if (rest := size % each) >= 8 else [])
    for number, wanted in enumerate(sizes):
        put(client, key=str(number), metadata={"a": "x" * (wanted - 8)})
    return ask(client, k=len(sizes), entity_ids=["e"])


def attributes(client: httpx.Client, size: int) -> httpx.Response:
    put(client)
    return client.put(f"{C}/entities/e/attributes", json={"a": "x" * (size - 8)})


def collections(client: httpx.Client, count: int) -> httpx.Response:
    return [make(client, f"n{number}") for number in range(1, count)][-1]


def tenants(client: httpx.Client, count: int) -> httpx.Response:
    made = [
        client.post(
            "/v1/collections", json={"name": "n", "dim": 2}, headers={"x-tenant-id": f"t{number}"}
        )
        for number in range(1, count)
    ]
    return made[-1]


def keys(client: httpx.Client, count: int) -> httpx.Response:
    headers: dict[str, str] = {}
    for number in range(count):
        scopes = {"name": str(number), "scopes": ["admin"]}
        reply = client.post("/v1/keys", json=scopes, headers=headers)
        headers = headers or {"x-api-key": reply.json()["secret"]}
    return reply


CASES: dict[str, Case] = {
    "dim_max": lambda client, n: make(client, dim=n),
    "k_max": lambda client, n: ask(client, k=n),
    "batch_rows_max": rows,
    "json_bytes_max": lambda client, n: padded(
        client, f"{C}/query/temporal-knn", "application/json", '{"query_vector": [0, 0]}', n
    ),
    "body_bytes_max": lambda client, n: padded(
        client, f"{C}/points", "application/x-ndjson", json.dumps(POINT), n
    ),
    "reply_bytes_max": reply,
    "queries_max": lambda client, n: batch(client, [1] * n),
    "batch_hits_max": hits,
    "selector_items_max": lambda client, n: ask(client, entity_ids=["e"] * n),
    "selector_points_max": lambda client, n: client.post(
        f"{C}/points/delete",
        json={"points": [{"entity_id": "e", "timestamp": "2020-01-01T00:00:00Z"}] * n},
    ),
    "delete_rows_max": delete,
    "filter_depth_max": lambda client, n: ask(client, filter=negated(n)),
    "filter_terms_max": lambda client, n: ask(client, filter={"a": {"$in": list(range(n - 2))}}),
    "filter_bytes_max": lambda client, n: ask(client, filter={"a": "x" * (n - 1)}),
    "page_items_max": lambda client, n: client.get(f"{C}/points?limit={n}"),
    "entity_id_bytes_max": lambda client, n: put(client, entity_id="x" * n),
    "key_bytes_max": lambda client, n: put(client, key="x" * n),
    "entity_type_bytes_max": lambda client, n: put(client, entity_type="x" * n),
    "metadata_bytes_max": lambda client, n: put(client, metadata={"a": "x" * (n - 8)}),
    "metadata_depth_max": lambda client, n: put(client, metadata=nested(n)),
    "attributes_bytes_max": attributes,
    "space_bytes_max": lambda client, n: make(client, space="x" * n),
    "collections_max": collections,
    "tenants_max": tenants,
    "keys_max": keys,
}
"""Requests with so much of what is limited, `c` being there with nothing in it."""


@contextmanager
def serving(directory: Path, limits: Limits) -> Iterator[httpx.Client]:
    with Database(directory, settings=Settings(limits=limits)) as database:
        database.create_collection("c", dim=2, metric="l2")
        with httpx.Client(transport=AppTransport(create_app(database)), base_url=URL) as client:
            yield client


def peak_bytes(work: Callable[[], Any]) -> tuple[Any, int]:
    """What comes of some work, and by how much it raised the memory of this process, at most."""

    def read(name: str) -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith(name))

    Path("/proc/self/clear_refs").write_text("5")
    before = read("VmRSS")
    return work(), read("VmHWM") - before


def values_of(name: str) -> list[int]:
    if name in ONLY_LOWERED:
        return [LOWERED[name]]
    default, bound = getattr(LIMITS, name), getattr(WIDEST, name)
    return [LOWERED[name], default, *([default + 1] if default < bound else [])]


def test_every_limit_has_a_case():
    assert CASES.keys() | ELSEWHERE.keys() == set(Limits.model_fields)
    root = Path(__file__).parents[2]
    assert all((root / path).exists() for path in ELSEWHERE.values())


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name in CASES for value in values_of(name)]
)
def test_a_limit_is_reached_and_not_exceeded(tmp_path, refused: Refused, name, value):
    limits = Limits(**{name: value})
    with serving(tmp_path / "at", limits) as client:
        reply, grown = peak_bytes(lambda: CASES[name](client, value))
        assert reply.status_code < 300, reply.text[:500]
        assert grown < MEMORY_BYTES_MAX
    with serving(tmp_path / "beyond", limits) as client:
        reply = CASES[name](client, value + 1)
        body = reply.json()
        refused(reply, body["status"], body["code"])
        assert reply.status_code in (400, 413)
        assert name in body["message"]
        assert str(value) in body["message"]


def test_the_limits_in_force_are_told(tmp_path):
    limits = Limits(k_max=7, dim_max=5_000)
    with serving(tmp_path, limits) as client:
        assert client.get("/v1/info").json()["limits"] == limits.model_dump()


def test_replies_as_large_as_they_get_take_bounded_memory(tmp_path, refused: Refused):
    """The same points ten times over: five replies of them fit, ten don't."""
    count, text = 400, b'{"a":"' + b"x" * (LIMITS.metadata_bytes_max - 8) + b'"}'
    with Database(tmp_path) as database:
        database.create_collection("c", dim=2, metric="l2")
        database.collection("c").ingest(batch_of(count, metadata=text))
        with httpx.Client(transport=AppTransport(create_app(database)), base_url=URL) as client:
            fits, grown = peak_bytes(lambda: batch(client, [count] * 5))
            assert (fits.status_code, len(fits.content) > 120 << 20) == (200, True)
            assert grown < MEMORY_BYTES_MAX
            beyond, grown = peak_bytes(lambda: batch(client, [count] * 10))
            assert "reply_bytes_max" in refused(beyond, 413, "too_large")["message"]
            assert grown < MEMORY_BYTES_MAX


def test_what_was_stored_under_wider_limits_can_still_be_read(tmp_path):
    """Limits are about requests: a collection is opened and read, whatever they are."""
    with Database(tmp_path, settings=Settings(limits=Limits(dim_max=5_000))) as database:
        database.create_collection("wide", dim=5_000, space="x" * 100)
        point = {"entity_id": "e" * 200, "vector": np.ones(5_000), "metadata": nested(20)}
        database.collection("wide").ingest([point])
    narrow = Limits(dim_max=10, entity_id_bytes_max=10, metadata_depth_max=2, space_bytes_max=5)
    for _ in range(2):
        with Database(tmp_path, settings=Settings(limits=narrow)) as database:
            assert database.get_health().status == "ok"
            assert database.get_collection("wide").dim == 5_000
            points = database.collection("wide").list_points(include=["vector", "metadata"]).items
            assert [(point.entity_id, len(point.vector)) for point in points] == [
                ("e" * 200, 5_000)
            ]
            with pytest.raises(InvalidRequestError, match="entity_id_bytes_max"):
                database.collection("wide").ingest([{"entity_id": "e" * 11, "vector": [0.0]}])
