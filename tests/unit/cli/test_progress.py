from __future__ import annotations

import re

from tsvec.cli.progress import compaction_progress, progress
from tsvec.model.collections import CompactionStatus


def test_nobody_watching_means_silence(capfd, monkeypatch):
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    with progress("loading", 10) as advance:
        advance(10)
    assert capfd.readouterr() == ("", "")


def test_a_terminal_sees_rate_and_count(capfd, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    with progress("loading", 5) as advance:
        advance(3)
        advance(3)
    out, shown = capfd.readouterr()
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert out == ""
    assert "100% 6/6" in plain
    assert "rows/s" in plain


def status(waiting, merges):
    known = {"state": "running", "started_at": None, "problem": None, "bytes": 0, "partitions": 9}
    return CompactionStatus(**known, waiting=waiting, merges=merges, rows=1_000 * merges)


def test_a_compaction_is_counted_in_partitions(capfd, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    with compaction_progress("ships") as show:
        show(status(waiting=8, merges=0))
        show(status(waiting=2, merges=3))
    _, shown = capfd.readouterr()
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert "75% 3 merges, 3,000 rows" in plain


def test_nobody_watching_a_compaction_means_silence(capfd, monkeypatch):
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    with compaction_progress("ships") as show:
        show(status(waiting=0, merges=0))
    assert capfd.readouterr() == ("", "")
