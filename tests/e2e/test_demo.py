"""`tsvec demo` as a process: its answers are those of brute force over the data it ships."""

from __future__ import annotations

import json
import re
import signal
from datetime import datetime
from importlib.resources import files

import httpx
import numpy as np
import pytest

SECONDS_MAX = 60
KATRINA = "KATRINA-2005"


@pytest.fixture(scope="module")
def storms():
    """Every state with its storm, straight from the file."""
    with (files("tsvec.cli") / "storms.npz").open("rb") as opened, np.load(opened) as file:
        arrays = dict(file)
    lengths = np.diff(arrays["offsets"])
    latitude, longitude, wind, pressure = arrays["values"].astype(np.float64).round(1).T
    return {
        "entity": np.repeat(np.char.upper(arrays["names"]), lengths),
        "major": np.repeat(arrays["label"] >= 3, lengths),
        "time": arrays["unix_seconds"],
        "vector": np.stack(
            [latitude / 10, longitude / 10, wind / 25, (1013 - pressure) / 25], axis=1
        ),
    }


def seconds(text):
    return datetime.fromisoformat(text).timestamp()


def expected(storms, request):
    """(entity, time, distance) of the nearest states, by brute force."""
    chosen = np.ones(len(storms["time"]), bool)
    query = request.get("query_vector")
    if query is None:
        mine = storms["entity"] == request["entity_id"]
        earlier = np.flatnonzero(mine & (storms["time"] <= seconds(request["at"])))
        query = storms["vector"][earlier[np.argmax(storms["time"][earlier])]]
        chosen &= ~mine
    if "start_time" in request:
        chosen &= storms["time"] >= seconds(request["start_time"])
        chosen &= storms["time"] < seconds(request["end_time"])
    if "entity_types" in request:
        assert request["entity_types"] == ["MAJOR_HURRICANE"]
        chosen &= storms["major"]
    rows = np.flatnonzero(chosen)
    distance = np.linalg.norm(storms["vector"][rows] - query, axis=1)
    order = np.lexsort((-storms["time"][rows], distance))
    found = [
        (str(storms["entity"][rows[i]]), int(storms["time"][rows[i]]), distance[i]) for i in order
    ]
    if "distinct" in request:
        seen = {}
        for hit in found:
            seen.setdefault(hit[0], hit)
        found = list(seen.values())
    return found[: request["k"]]


def test_the_answers_are_those_of_brute_force(tsvec, storms):
    run = tsvec("demo", "--json")
    assert (run.returncode, run.stderr) == (0, "")
    document = json.loads(run.stdout)
    assert len(document["answers"]) == 5
    for answer in document["answers"]:
        found = [
            (hit["entity_id"], seconds(hit["timestamp"]), hit["distance"])
            for hit in answer["reply"]["hits"]
        ]
        wanted = expected(storms, answer["request"])
        assert [hit[:2] for hit in found] == [hit[:2] for hit in wanted], answer["question"]
        assert [hit[2] for hit in found] == pytest.approx(
            [hit[2] for hit in wanted], rel=1e-5, abs=1e-6
        )
        assert answer["reply"]["exact"] is True


def test_the_storms_load_into_few_partitions(tsvec, tmp_path):
    document = json.loads(tsvec("demo", "--json", "--data", tmp_path / "storms").stdout)
    assert document["load_seconds"] > 0
    stats = document["stats"]
    assert (stats["points"], stats["entities"]) == (20_524, 654)
    assert 1 <= stats["partitions"] <= 8
    info = json.loads(tsvec("info", "--json", "--data", tmp_path / "storms").stdout)
    (stored,) = info["collections"]
    assert stored["stats"]["points"] == 20_524
    assert stored["stats"]["partitions"] <= 8


def test_the_demo_is_pleasant_to_read(tsvec, tmp_path):
    run = tsvec("demo")
    assert (run.returncode, run.stderr) == (0, "")
    assert "20,524 states of 654 Atlantic storms" in run.stdout
    assert "Katrina 2005" in run.stdout
    assert run.stdout.count("POST /v1/collections/storms/query/temporal-knn") == 5
    assert run.stdout.endswith("The server has stopped.\n")
    assert "\x1b" not in run.stdout
    assert max(len(line) for line in run.stdout.splitlines()) <= 100
    assert not (tmp_path / "tsvec-data").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_demo_that_is_kept_serves_until_it_is_told_to_stop(started, number):
    with started("demo", "--keep") as process:
        text = ""
        while "Ctrl-C" not in text:
            line = process.stdout.readline()
            assert line, f"it ended and said only {text!r}"
            text += line
        url = re.search(r"http://127\.0\.0\.1:\d+", text)[0]
        stats = httpx.get(
            f"{url}/v1/collections/storms/stats", trust_env=False, timeout=SECONDS_MAX
        ).json()
        assert stats["points"] == 20_524
        process.send_signal(number)
        out, err = process.communicate(timeout=SECONDS_MAX)
        assert (process.returncode, err) == (0, "")
        assert out.endswith("The server has stopped.\n")
