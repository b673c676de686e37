from __future__ import annotations

import json


def test_points_ingest_is_ingest(target, ok, write):
    reply = json.loads(ok("points", "ingest", write("points.npz"), "--json", *target))
    assert (reply["ingested"], reply["seq"]) == (57, 57)


def test_vectors_of_another_model_are_refused(target, run, ok, write):
    path = write("points.npz")
    ok("create", "ships", "--dim", 3, "--space", "model-1", *target)
    ok("ingest", path, "-c", "ships", "--space", "model-1", *target)
    code, _, err = run("ingest", path, "-c", "ships", "--space", "model-2", *target)
    assert code == 1
    assert "model-2" in err
