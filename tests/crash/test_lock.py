"""One process a directory."""

from __future__ import annotations

import time

import pytest

import tsvec
from tests.crash.processes import Ledger, Writer
from tsvec.model.errors import ConflictError


def test_a_second_process_is_refused_at_once_and_the_first_unharmed(ledger: Ledger):
    writer = Writer(ledger, batches=60)
    assert writer.is_ready.wait(30)
    for _ in range(3):
        started = time.monotonic()
        with pytest.raises(ConflictError, match=rf"in use .*\(pid {writer.process.pid}\)"):
            tsvec.connect(ledger.directory)
        assert time.monotonic() - started < 1.0
    assert writer.wait() == 0, writer.errors
    found = ledger.check()
    assert set(found["batches"]) == ledger["sent"]


def test_the_lock_of_a_killed_process_holds_nobody_up(ledger: Ledger):
    writer = Writer(ledger, batches=10_000)
    assert writer.is_ready.wait(30)
    writer.kill()
    started = time.monotonic()
    tsvec.connect(ledger.directory).close()
    assert time.monotonic() - started < 5.0
    ledger.check()
