"""Embedded: open a directory, store numpy vectors of moving things, ask who was near in time."""

import tempfile
from datetime import UTC, datetime, timedelta

import numpy as np

import tsvec

SHIPS, HOURS, DIM = 20, 48, 16
START = datetime(2026, 1, 1, tzinfo=UTC)

random = np.random.default_rng(1)
# Every ship starts somewhere and drifts a little each hour.
steps = random.normal(scale=0.1, size=(HOURS, SHIPS, DIM))
steps[0] = random.normal(size=(SHIPS, DIM))
tracks = np.cumsum(steps, axis=0, dtype=np.float32)

with tempfile.TemporaryDirectory() as directory, tsvec.connect(directory) as database:
    ships = database.collection()  # the collection `default` is made by the first ingest
    reply = ships.ingest(
        entity_id=[f"ship-{ship:02}" for _ in range(HOURS) for ship in range(SHIPS)],
        timestamp=[START + timedelta(hours=hour) for hour in range(HOURS) for _ in range(SHIPS)],
        vector=tracks.reshape(-1, DIM),
        entity_type=["SHIP"] * (HOURS * SHIPS),
    )
    print(f"{reply.ingested} points on disk, the last change is number {reply.seq}")

    found = ships.temporal_knn(
        tracks[12, 3],  # where ship-03 was at noon of the first day
        start_time=START,
        end_time=START + timedelta(days=1),
        k=3,
        distinct="entity",
    )
    print("nearest ships of the first day:")
    for hit in found.hits:
        print(f"  {hit.entity_id} at {hit.timestamp:%H:%M}, distance {hit.distance:.4f}")

    latest = ships.entities.get_entity("ship-03")
    print(f"{latest.entity_id} was seen {latest.points} times, last at {latest.last_seen:%d %H:%M}")
