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
    "seal.state_written": 10,
    "seal.window_set_swapped": 6,
    "overlay.written": 10,
    "checkpoint.start": 16,
    "compact.start": 4,
    "compact.truth_written": 6,
    "compact.columns_written": 6,
    "compact.partition_renamed": 6,
    "compact.swapped": 3,
    "drop.start": 2,
    "drop.logged": 2,
    "drop.unlinked": 10,
    "manifest.before_rename": 16,
    "manifest.after_rename": 16,
    "requests.before_rename": 6,
    "requests.after_rename": 6,
    "recovery.opened": 1,
    "recovery.replayed": 1,
}
"""Each step, and the greatest of its hits to end at."""


ELSEWHERE = {"keys.before_rename", "keys.after_rename"}
"""Steps that no point passes: `tests/security/test_revocation.py` ends at them."""


def test_every_step_is_here():
    assert HITS.keys() | ELSEWHERE == FAILPOINTS


@pytest.mark.parametrize("step", HITS)
def test_a_crash_at_a_step_loses_nothing_that_was_acknowledged(ledger: Ledger, step: str):
    chance = random.Random(step)
    kind = step.partition(".")[0]
    if kind in ("recovery", "drop"):
        # What is recovered or dropped must be there first.
        Writer(ledger, settings=FORGETFUL, threads=1, batches=20, changes=120).wait()
    for _ in range(ROUNDS):
        rule = f"{step}=exit@{chance.randint(1, HITS[step])}"
        writer = Writer(
            ledger,
            failpoints=rule,
            settings=FORGETFUL,
            threads=2,
            batches=400,
            changes=400,
            side=kind in ("collection", "delete", "manifest", "requests"),
            frugal=kind != "seal" and chance.random() < 0.5,
        )
        assert writer.wait() == KILLED_BY_FAILPOINT, f"{rule} was not met"
        ledger.check()
