from __future__ import annotations

import json

import numpy as np
import pytest

VECTOR = ["--vector", "0.3,-0.2,0.9"]
QUERY = np.array([0.3, -0.2, 0.9], np.float32)


def away(rows):
    return np.linalg.norm(rows.vector.astype(float) - QUERY.astype(float), axis=1)


def found(ok, *arguments):
    return json.loads(ok(*arguments, "--json"))


def test_a_half_life_prefers_the_new(loaded, ok, rows):
    at = max(rows.timestamp)
    ages = np.array([(at - time).total_seconds() for time in rows.timestamp])
    expected = np.sort(0.5 ** (ages / 3_600) / (1 + away(rows)))[::-1][:5]
    asked = ("knn", *VECTOR, "-k", 5, "--half-life", "1h", "--decay-at", at.isoformat())
    reply = found(ok, *asked, *loaded)
    assert [hit["score"] for hit in reply["hits"]] == pytest.approx(expected.tolist(), rel=1e-6)
    assert "score" in ok(*asked, *loaded)


def test_a_range_counts_all_within(loaded, ok, rows):
    radius = float(np.median(away(rows)))
    inside = int((away(rows) <= radius).sum())
    reply = found(ok, "range", radius, *VECTOR, "--limit", 3, *loaded)
    assert (reply["matched"]["value"], reply["returned"], reply["truncated"]) == (inside, 3, True)
    shown = ok("range", radius, *VECTOR, "--limit", 3, "--explain", *loaded)
    assert f"{inside:,} within the radius of {len(rows):,} to choose from" in shown
    assert "the nearest 3 shown" in shown
    assert "rows scanned" in shown


def test_a_diff_tells_who_came_and_went(loaded, ok, rows):
    middle = sorted(rows.timestamp)[len(rows) // 2].isoformat()
    asked = ("diff", *VECTOR, "--before-end", middle, "--after-start", middle, "-k", 4)
    reply = found(ok, *asked, *loaded)
    assert len(reply["entered"]) + len(reply["moved"]) + reply["stayed"] == 4
    assert len(reply["left"]) == len(reply["entered"])
    shown = ok(*asked, *loaded)
    for kind in ("entered", "left", "moved"):
        assert f"{len(reply[kind])} {kind}" in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["knn", *VECTOR, "--decay-at", "2026-01-31"], "--decay-at goes with --half-life"),
        (["knn", *VECTOR, "--half-life", "soon"], "time_decay.half_life"),
        (["knn", *VECTOR, "--space", "model-2"], "has no space"),
        (["range", *VECTOR], "Missing argument"),
        (["range", "far", *VECTOR], "valid number"),
        (["range", "nan", *VECTOR], "radius"),
        (["range", "0.5"], "give either --vector or --entity"),
        (["range", "0.5", *VECTOR, "--at", "2026-01-31"], "--at goes with --entity"),
        (["diff", "--entity", "nobody"], "no entity 'nobody'"),
        (["diff", *VECTOR, "-k", "0"], "greater than or equal to 1"),
    ],
)
def test_what_is_refused(loaded, run, arguments, words):
    code, out, err = run(*arguments, *loaded)
    assert code
    assert out == ""
    assert words in err


FAST = '{"speed": {"$gt": 10}}'


def test_filters_leave_points_out(loaded, ok, rows):
    fast = sum(speed > 10 for speed in rows.speed)
    asked = ["--vector", "0.3,-0.2,0.9", "--filter", FAST, "--json"]
    reply = json.loads(ok("knn", *asked, "-k", 57, *loaded))
    assert reply["returned"] == fast
    reply = json.loads(ok("range", 100, *asked, *loaded))
    assert reply["matched"]["value"] == fast
    reply = json.loads(ok("diff", *asked, "-k", 5, "--before-end", rows.timestamp[30].isoformat(),
                          "--explain", "--no-metadata", "--vectors", *loaded))  # fmt: skip
    hits = [one["hit"] for one in reply["entered"] + reply["left"]]
    hits += [one["after"]["hit"] for one in reply["moved"]]
    assert hits
    assert all("vector" in hit and "metadata" not in hit for hit in hits)
    assert reply["explain"]


def test_metadata_may_be_left_out(loaded, ok):
    for asked in (["knn"], ["range", 9]):
        reply = json.loads(
            ok(*asked, "--vector", "0.3,-0.2,0.9", "--no-metadata", "--json", *loaded)
        )
        assert all("metadata" not in hit for hit in reply["hits"])


def test_a_change_is_waited_for(loaded, ok):
    asked = ["--vector", "0.3,-0.2,0.9", "--wait-for-seq", 57, "--json"]
    assert json.loads(ok("knn", *asked, *loaded))["as_of_seq"] == 57


def test_an_operator_of_nearly_that_name_is_suggested(run, tmp_path):
    code, _, err = run("knn", "--vector", "1", "--filter", '{"a": {"$gtt": 1}}', "--data", tmp_path)
    assert code == 1
    assert "did you mean '$gt'?" in err
