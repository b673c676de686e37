"""All scenarios, in the order they are run."""

from __future__ import annotations

from benchmarks.measure import Scenario
from benchmarks.scenarios import (
    commits,
    http_knn,
    http_writers,
    ingest,
    knn_ranges,
    memory,
    opening,
    storms,
)

SCENARIOS = (
    Scenario("ingest", "How close is durable ingest to bare DuckDB commits?", ingest.run),
    Scenario("http_writers", "What do 64 concurrent HTTP writers cost?", http_writers.run),
    Scenario("http_knn", "What does a kNN over 1 % of the rows cost over HTTP?", http_knn.run),
    Scenario("open", "Does opening depend on how much is stored?", opening.run),
    Scenario("memory", "How much memory do queries on a large database take?", memory.run),
    Scenario("knn_ranges", "How close are exact queries to bare scans?", knn_ranges.run),
    Scenario("storms", "Does sparse data make tiny partitions?", storms.run),
    Scenario("commits", "Do late data answer like data in order?", commits.run),
)
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
