"""Versions: correct and delete points, ask what was known before, and take the delete back."""

import tempfile

import tsvec

MORNING = "2026-01-31T06:00:00Z"
NOON = "2026-01-31T12:00:00Z"

with tempfile.TemporaryDirectory() as directory, tsvec.connect(directory) as database:
    buoys = database.create_collection("buoys", dim=2, metric="l2", window_size="1d")
    first = buoys.ingest(
        entity_id=["north", "west"], timestamp=NOON, vector=[[4.3, 12.5], [8.4, 4.5]]
    )

    # The instrument of `north` was off: other content for the same entity and time replaces it.
    fixed = buoys.ingest(entity_id="north", timestamp=NOON, vector=[4.3, 4.4])
    print(f"{fixed.replaced} version replaced by change {fixed.seq}")

    now = buoys.temporal_knn([8.0, 4.4], k=2)
    then = buoys.temporal_knn([8.0, 4.4], k=2, as_of=first.seq)
    for told, reply in (("now", now), ("as of change 2", then)):
        print(told, [(hit.entity_id, round(hit.distance, 2)) for hit in reply.hits])

    # Sent again after a broken connection: equal content changes nothing.
    again = buoys.ingest(entity_id="west", timestamp=NOON, vector=[8.4, 4.5])
    assert (again.unchanged, again.seq) == (1, fixed.seq)

    # A correction for the morning comes after noon; only who asks as of now sees it.
    buoys.ingest(entity_id="west", timestamp=MORNING, vector=[8.1, 4.0])
    assert buoys.entities.get_entity("west").points == 2
    assert buoys.entities.get_entity("west", as_of=fixed.seq).points == 1

    gone = buoys.delete_points(entity_ids=["west"])
    print(f"{gone.deleted} points deleted, {buoys.get_collection_stats().points} left")
    back = buoys.restore_points(first_seq=gone.first_seq, last_seq=gone.seq)
    print(f"{back.restored} points restored, {buoys.get_collection_stats().points} there again")
