"""All scenarios, in the order they are run."""

from __future__ import annotations

from benchmarks.measure import Scenario
from benchmarks.scenarios import (
    amplification,
    as_of,
    batch,
    commits,
    compaction_p99,
    drop,
    filtering,
    hit_metadata,
    http_knn,
    http_writers,
    idempotency_memory,
    ingest,
    knn_ranges,
    late,
    memory,
    noisy_neighbour,
    opening,
    storms,
)

SCENARIOS = (
    Scenario("ingest", "How close is durable ingest to bare DuckDB commits?", ingest.run),
    Scenario("http_writers", "What do 64 concurrent HTTP writers cost?", http_writers.run),
    Scenario("http_knn", "What does a kNN over 1 % of the rows cost over HTTP?", http_knn.run),
    Scenario("noisy_neighbour", "Does a flooding key slow down others?", noisy_neighbour.run),
    Scenario("batch", "What does a batch save over single calls over HTTP?", batch.run),
    Scenario("open", "Does opening depend on how much is stored?", opening.run),
    Scenario("memory", "How much memory do queries on a large database take?", memory.run),
    Scenario(
        "idempotency",
        "How much memory do replies take that are kept to be repeated?",
        idempotency_memory.run,
    ),
    Scenario("knn_ranges", "How close are exact queries to bare scans?", knn_ranges.run),
    Scenario("late", "What do late rows and replacements cost the writer?", late.run),
    Scenario("amplification", "How often does compaction rewrite a row?", amplification.run),
    Scenario("drop", "How long does a large expired partition take to go?", drop.run),
    Scenario("compaction_p99", "Do queries notice that partitions are merged?", compaction_p99.run),
    Scenario("as_of", "What do earlier states and deleted rows cost a query?", as_of.run),
    Scenario("filter", "What does a filter cost?", filtering.run),
    Scenario("metadata", "What do the metadata of hits cost?", hit_metadata.run),
    Scenario("storms", "Does sparse data make tiny partitions?", storms.run),
    Scenario("commits", "Do late data answer like data in order?", commits.run),
)
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
