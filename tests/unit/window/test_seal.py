"""When hot rows are sealed, and the table they become."""

from __future__ import annotations

import numpy as np
import pytest

from tests.contract.parts import RECORDED_AT, Holding, Sample, random_samples
from tsvec.model.settings import Settings
from tsvec.storage.schema import partition_schema
from tsvec.window.seal import choose_sealable, sorted_table

SETTINGS = Settings(seal_age_seconds=60.0, seal_age_rows_min=6)
YOUNG = RECORDED_AT + 59_000_000
OLD = RECORDED_AT + 62_000_000


@pytest.mark.parametrize(
    ("rows", "dropped", "now", "sealed"),
    [
        (0, 0, OLD, []),
        (9, 0, YOUNG, []),
        (10, 0, YOUNG, [10]),
        (19, 0, YOUNG, [10]),
        (25, 0, YOUNG, [10, 10]),
        (100, 0, YOUNG, [10] * 8),
        (13, 4, YOUNG, []),
        (14, 4, YOUNG, [6, 4]),
        (24, 4, YOUNG, [6, 10]),
        (5, 0, OLD, []),
        (6, 0, OLD, [6]),
        (13, 4, OLD, [6, 3]),
        (25, 0, OLD, [10, 10]),
    ],
)
def test_full_blocks_are_sealed_and_old_rows_if_they_are_enough(
    tmp_path, rows, dropped, now, sealed
):
    holding = Holding(tmp_path, block_rows=10)
    if rows:
        holding.commit(random_samples(rows))
    holding.hot.drop_sealed(dropped)
    chosen = choose_sealable(holding.hot.slices(), 10, now, SETTINGS)
    assert [part.rows for part in chosen] == sealed
    assert chosen == () or chosen[0].seq_min == dropped + 1


def test_the_table_is_sorted_by_time_then_seq_and_complete(tmp_path):
    holding = Holding(tmp_path, block_rows=30)
    samples = random_samples(70)
    holding.commit([Sample("a", 0, (1.0,) * 4, entity_type="ship")])
    holding.commit(samples)
    table = sorted_table(holding.hot.slices(), holding.registry, 4)
    assert table.schema == partition_schema(4)
    rows = table.to_pylist()
    assert sorted(row["seq"] for row in rows) == list(range(1, 72))
    places = [(row["timestamp"], row["seq"]) for row in rows]
    assert places == sorted(places)
    for row in rows:
        if row["seq"] > 1:
            sample = samples[row["seq"] - 2]
            assert (row["entity_id"], row["key"]) == (sample.entity_id, sample.key)
            assert row["metadata"].encode() == sample.metadata
            assert tuple(row["vector"]) == sample.vector
            assert row["recorded_at"].timestamp() * 1e6 == pytest.approx(RECORDED_AT + 71, abs=0.5)
        assert row["entity_type"] == ("ship" if row["entity_id"] == "a" else "GENERIC")


def test_leading_slices_alone_make_a_table_of_their_rows(tmp_path):
    holding = Holding(tmp_path, block_rows=30)
    holding.commit(random_samples(70))
    table = sorted_table(holding.hot.slices()[:2], holding.registry, 4)
    assert sorted(table["seq"].to_pylist()) == list(range(1, 61))
    assert np.array(table["vector"].to_pylist()).shape == (60, 4)
