"""Names that try to lead elsewhere: refused, or kept as mere text; no file leaves its place."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest

TRICKS = [
    "../x",
    "..",
    ".",
    "a/../../x",
    "/etc/passwd",
    "a\\..\\x",
    "x\0y",
    "x\n",
    "x\r\nInjected: yes",
    '"quoted"',
    "'; DROP TABLE points; --",
    "$(touch x)",
    "x" * 300,
    "x" * 129,
    "",
    " x",
    "x ",
    "-x",
    "_x",
    ".hidden",
    "cølle",
    "\u0441ollection",
    "\uff0e\uff0e\uff0fx",
    "con:aux",
    "~root",
    "%2e%2e%2fx",
]
TAILS = ["", "/stats", "/windows", "/compact", "/points/deleted"]
TAILS += ["/entities/e", "/entities/e/history", "/entities/e/attributes"]


@pytest.fixture(scope="module")
def outside(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("outside")


@pytest.fixture(scope="module")
def data(outside: Path) -> Path:
    (outside / "a" / "b").mkdir(parents=True)
    return outside / "a" / "b" / "data"


@pytest.fixture(scope="module")
def client(data: Path, serving):
    with serving(data) as client:
        yield client


@pytest.fixture(autouse=True)
def nothing_appears_outside(outside: Path, data: Path):
    yield
    found = [path for path in outside.rglob("*") if not path.is_relative_to(data)]
    assert sorted(found) == [data.parents[1], data.parents[0]]


@pytest.mark.parametrize("name", TRICKS, ids=ascii)
def test_a_collection_cannot_be_made_so(client, refused, data, name):
    before = sorted(data.rglob("*"))
    reply = client.post("/v1/collections", json={"name": name, "dim": 2})
    answer = refused(reply, 400, "invalid_request")
    assert answer["details"][0]["field"] == "name"
    assert sorted(data.rglob("*")) == before


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("name", TRICKS, ids=ascii)
def test_a_collection_cannot_be_asked_for_so(client, name, tail):
    escaped = quote(name, safe="").replace(".", "%2E")
    reply = client.get(f"/v1/collections/{escaped}{tail}")
    assert reply.headers["content-type"] == "application/problem+json"
    if name:
        assert (reply.status_code, reply.json()["details"][0]["field"]) == (400, "collection")
    else:
        assert reply.status_code == 404


@pytest.mark.parametrize("name", TRICKS, ids=ascii)
def test_points_and_deletion_cannot_go_there(client, refused, name):
    escaped = quote(name, safe="").replace(".", "%2E")
    points = {"points": [{"entity_id": "e", "vector": [1]}]}
    for reply in (
        client.post(f"/v1/collections/{escaped}/points", json=points),
        client.delete(f"/v1/collections/{escaped}"),
        client.post(f"/v1/collections/{escaped}/points/delete", json={"entity_ids": ["e"]}),
        client.post(f"/v1/collections/{escaped}/points/restore", json={"entity_ids": ["e"]}),
        client.post(f"/v1/collections/{escaped}/compact"),
        client.delete(f"/v1/collections/{escaped}/entities/e"),
        client.put(f"/v1/collections/{escaped}/entities/e/attributes", json={}),
    ):
        assert reply.status_code in ({400} if name else {404})
        assert reply.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("name", [trick for trick in TRICKS if trick], ids=ascii)
def test_text_fields_take_it_as_text_or_refuse_it(client, name):
    client.post("/v1/collections", json={"name": "c", "dim": 2, "metric": "l2"})
    for field in ("entity_id", "entity_type", "key"):
        row = {"entity_id": "e", "vector": [1, 2]} | {field: name}
        reply = client.post("/v1/collections/c/points", json={"points": [row]})
        assert reply.status_code in {200, 400, 409}, reply.text
    question = {"query_vector": [1, 2], "entity_ids": [name], "entity_types": [name]}
    reply = client.post("/v1/collections/c/query/temporal-knn", json=question)
    assert reply.status_code in {200, 400}
    row = {"entity_id": "m", "vector": [1, 2], "metadata": {name: name}}
    assert client.post("/v1/collections/c/points", json={"points": [row]}).status_code == 200
    assert client.get("/v1/collections/c/entities/m").json()["latest"]["metadata"] == {name: name}
