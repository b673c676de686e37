"""When hot rows are sealed."""

from __future__ import annotations

import pytest

from tests.contract.parts import RECORDED_AT, Holding, random_samples
from tsvec.model.settings import Settings
from tsvec.window.seal import choose_sealable

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
