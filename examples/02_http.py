"""HTTP: start a server, send points as JSON, ask over the wire, stop the server."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

POINTS = [
    {"entity_id": "bus-7", "timestamp": "2026-01-31T08:00:00Z", "vector": [1.0, 0.0, 0.1]},
    {"entity_id": "bus-7", "timestamp": "2026-01-31T09:00:00Z", "vector": [0.9, 0.3, 0.1]},
    {
        "entity_id": "tram-2",
        "entity_type": "TRAM",
        "timestamp": "2026-01-31T08:30:00Z",
        "vector": [0.0, 1.0, 0.2],
        "metadata": {"line": 2},
    },
]


@contextmanager
def server() -> Iterator[str]:
    """The URL of a server on a free port of this machine, stopped at the end."""
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "tsvec", "serve", "--data", directory, "--port", "0"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            # The first line ends with the URL.
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()
            process.communicate(timeout=30)


with server() as url, httpx.Client(base_url=url, trust_env=False) as client:
    print("the server says it is", client.get("/health").json()["status"])

    reply = client.post("/v1/collections/default/points", json={"points": POINTS})
    reply.raise_for_status()
    print("stored and on disk:", reply.json()["ingested"])

    question = {
        "query_vector": [1.0, 0.1, 0.1],
        "start_time": "2026-01-31T08:00:00Z",
        "end_time": "2026-01-31T09:00:00Z",  # excluded: the bus at nine does not count
        "k": 2,
    }
    answer = client.post("/v1/collections/default/query/temporal-knn", json=question).json()
    for hit in answer["hits"]:
        print(f"  {hit['entity_id']} at {hit['timestamp']}, distance {hit['distance']:.4f}")

    wrong = client.post("/v1/collections/default/points", json={"points": [{"vector": [1, 2]}]})
    print("a bad request is told:", wrong.status_code, wrong.json()["message"])
print("the server has stopped")
