"""One process a directory."""

from __future__ import annotations

import pytest

import tsvec
from tests.crash.processes import Ledger, Writer
from tsvec.model.errors import ConflictError


def test_a_second_process_is_refused_at_once_and_the_first_unharmed(ledger: Ledger):
    writer = Writer(ledger, batches=60, held=True)
    writer.wait_until_ready()
    for _ in range(3):
        with pytest.raises(ConflictError, match=rf"in use .*\(pid {writer.process.pid}\)"):
            tsvec.connect(ledger.directory)
    writer.release()
    assert writer.wait() == 0, writer.errors
    found = ledger.check()
    assert set(found["batches"]) == ledger["sent"]


def test_the_lock_of_a_killed_process_holds_nobody_up(ledger: Ledger):
    writer = Writer(ledger, batches=10_000)
    writer.wait_until_ready()
    writer.kill()
    tsvec.connect(ledger.directory).close()
    ledger.check()
