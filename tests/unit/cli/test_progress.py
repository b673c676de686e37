from __future__ import annotations

import re

from tsvec.cli.progress import progress


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
