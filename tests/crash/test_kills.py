"""kill -9 at a random moment, again and again, on one growing directory."""

from __future__ import annotations

import random
import time

import pytest

from tests.crash.processes import FORGETFUL, IS_LONG, SETTINGS, Ledger, Writer

CYCLES = 25 if IS_LONG else 4
SEEDS = (1, 2) if IS_LONG else (1,)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_kill_loses_nothing_that_was_acknowledged(ledger: Ledger, seed: int):
    chance = random.Random(seed)
    for cycle in range(CYCLES):
        settings = FORGETFUL if cycle % 2 else SETTINGS
        writer = Writer(
            ledger,
            settings=settings,
            threads=2,
            batches=10_000,
            changes=10_000,
            side=cycle % 3 == 0,
            frugal=cycle % 4 > 1,
        )
        if chance.random() < 0.8:
            writer.wait_for_acknowledged(chance.randint(20, 400))
        else:
            # While it opens, or just after.
            time.sleep(chance.uniform(0.02, 0.4))
        writer.kill()
        ledger.check()
    assert len(ledger["acked"]) > 5 * CYCLES
    assert all(model.done > 5 * CYCLES for model in ledger.models.values())
    assert ledger["refused"] == set()


def test_a_clean_end_and_a_change_of_settings(ledger: Ledger):
    for settings in (
        SETTINGS | {"seal_rows": 10_000},
        SETTINGS | {"seal_rows": 1, "segment_bytes_max": 1 << 16},
        FORGETFUL | {"segment_bytes_min": 1 << 18, "segment_bytes_max": 1 << 18},
    ):
        writer = Writer(ledger, settings=settings, batches=15, changes=30, side=True)
        assert writer.wait() == 0, writer.errors
        found = ledger.check()
    assert set(found["batches"]) == ledger["sent"] == ledger["acked"]
