"""The process ends at each named step, as if it had been killed right there."""

from __future__ import annotations

import random

import pytest

from tests.crash.processes import (
    FORGETFUL,
    IS_LONG,
    KILLED_BY_FAILPOINT,
    Ledger,
    Writer,
)
from tsvec.storage.failpoints import FAILPOINTS

ROUNDS = 3 if IS_LONG else 1
HITS = {
    "collection.directory_made": 8,
    "collection.manifest_written": 8,
    "delete.renamed": 6,
    "log.before_write": 60,
    "log.after_write": 60,
    "log.sync": 60,
    "log.after_sync": 60,
    "log.roll_created": 6,
    "log.roll_linked": 6,
    "log.truncate": 6,
    "commit.before_acknowledge": 60,
    "seal.start": 6,
    "seal.truth_written": 6,
    "seal.columns_written": 6,
    "seal.partition_renamed": 6,
    "seal.state_written": 6,
    "seal.window_set_swapped": 6,
    "manifest.before_rename": 10,
    "manifest.after_rename": 10,
    "recovery.opened": 1,
    "recovery.replayed": 1,
}
"""Each step, and the greatest of its hits to end at."""


def test_every_step_is_here():
    assert HITS.keys() == FAILPOINTS


@pytest.mark.parametrize("step", HITS)
def test_a_crash_at_a_step_loses_nothing_that_was_acknowledged(ledger: Ledger, step: str):
    chance = random.Random(step)
    if step.startswith("recovery."):
        Writer(ledger, failpoints="log.after_sync=exit@20", settings=FORGETFUL).wait()
    for _ in range(ROUNDS):
        rule = f"{step}=exit@{chance.randint(1, HITS[step])}"
        writer = Writer(ledger, failpoints=rule, settings=FORGETFUL, batches=400, side=True)
        assert writer.wait() == KILLED_BY_FAILPOINT, f"{rule} was not met: {writer.errors}"
        ledger.check()
