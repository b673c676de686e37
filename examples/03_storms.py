"""Storms: ranges of time, types, one hit an entity and the plan, on fifty years of real data."""

import tempfile

import tsvec
from tsvec.cli.storms import COLLECTION, load_storms
from tsvec.model.replies import TemporalKnnReply

KATRINA = {"entity_id": "KATRINA-2005", "at": "2005-08-28T18:00:00Z"}


def show(title: str, reply: TemporalKnnReply) -> None:
    at_least = "" if reply.eligible.relation == "eq" else "at least "
    print(f"\n{title} (of {at_least}{reply.eligible.value})")
    for hit in reply.hits:
        state = hit.metadata
        print(
            f"  {hit.entity_id:14} {hit.timestamp:%Y-%m-%d %H:%M}"
            f"  {state['wind_kt']:3.0f} kt  {state['pressure_hpa']:4.0f} hPa"
            f"  distance {hit.distance:.3f}"
        )


with tempfile.TemporaryDirectory() as directory, tsvec.connect(directory) as database:
    storms = database.create_collection(COLLECTION, dim=4, metric="l2", window_size="365d")
    for batch in load_storms().batches(5_000):
        storms.ingest(batch)
    stats = storms.get_collection_stats()
    print(f"{stats.points} states of {stats.entities} storms in {stats.partitions} partitions")

    # Asking by entity leaves the entity's own points out.
    show("like Katrina at her peak", storms.temporal_knn(**KATRINA, k=5))
    show("one state a storm", storms.temporal_knn(**KATRINA, k=5, distinct="entity"))
    show(
        "before 1990",
        storms.temporal_knn(**KATRINA, k=3, distinct="entity", end_time="1990-01-01T00:00:00Z"),
    )
    show(
        "storms that never became a major hurricane",
        storms.temporal_knn(
            **KATRINA, k=3, distinct="entity", entity_types=["HURRICANE", "TROPICAL_STORM"]
        ),
    )

    year = {"start_time": "2017-01-01T00:00:00Z", "end_time": "2018-01-01T00:00:00Z"}
    explained = storms.temporal_knn(**KATRINA, **year, k=3, explain=True)
    show("in 2017 alone", explained)
    plan = explained.explain
    print(f"  {plan.rows_scanned} rows scanned, {plan.parts_pruned} parts left out by time")
    for step in plan.steps:
        print(f"    {step.part}: {step.method}, {step.rows_scanned} of {step.rows} rows")
