"""SQL is answered by one process while another serves and writes the directory."""

from __future__ import annotations

import json
import re

import numpy as np

ROWS = 9_000


def test_a_directory_is_read_beside_the_server_that_writes_it(tsvec, started, tmp_path):
    data, points = tmp_path / "db", tmp_path / "points.npz"
    names = np.array(["north", "west", "east"])[np.arange(ROWS) % 3]
    seconds = np.arange(ROWS) + 1_769_860_800
    np.savez(points, entity_id=names, timestamp=seconds, vector=np.ones((ROWS, 2), np.float32))

    def count(*options):
        statement = "SELECT entity_id, count(*) AS n FROM points GROUP BY ALL ORDER BY ALL"
        done = tsvec("sql", statement, "--data", data, "--json", *options)
        assert done.returncode == 0, done.stderr
        return {row["entity_id"]: row["n"] for row in json.loads(done.stdout)}, done.stderr

    with started("serve", "--data", data, "--port", 0) as server:
        url = re.search(r"http://\S+", server.stdout.readline())[0]
        assert tsvec("ingest", points, "--url", url).returncode == 0
        stats = {"hot_points": ROWS}
        while stats["hot_points"] >= 8_192:
            stats = json.loads(tsvec("collections", "stats", "--url", url, "--json").stdout)
        found, told = count()
        assert sum(found.values()) == stats["sealed_points"]
        if stats["hot_points"]:
            assert f"{stats['hot_points']:,} hot points of 'default' not in here" in told
        deleted = tsvec("delete", "--id", "west", "--yes", "--url", url)
        assert deleted.returncode == 0, deleted.stderr
        assert count()[0].keys() == {"north", "east"}
        assert tsvec("verify", "--data", data).returncode == 1  # it is in use
    assert count()[0].keys() == {"north", "east"}
