from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO

import pytest
from rich.console import Console

from benchmarks.machine import describe_machine
from benchmarks.report import BEGIN, END, missed, print_report, write_docs
from benchmarks.result import Figure, Outcome, Result, Target


@pytest.fixture
def results(tmp_path):
    slow = Figure.of("share", [0.3, 0.4, 0.5], target=Target(at_least=0.5), cause="it waits")
    fast = Figure.of("rate", [1_234.5], unit="rows/s", target=Target(at_least=1))
    outcomes = {"slow": Outcome(figures=[slow, fast]), "skipped": Outcome(skipped="needs --data")}
    return [
        Result(
            scenario=name,
            question="How?",
            outcome=outcome,
            machine=describe_machine(tmp_path),
            started_at=datetime(2026, 1, 2, tzinfo=UTC),
            seconds=1,
            blocks=3,
            rows=10,
            quick=False,
        )
        for name, outcome in outcomes.items()
    ]


def test_a_missed_figure_is_listed_with_its_reason(results):
    assert missed(results) == ["MISSED slow, share: it waits"]


def test_the_table_shows_figures_verdicts_and_what_was_skipped(results):
    out = StringIO()
    print_report(Console(width=120, file=out), results)
    text = out.getvalue()
    for words in ("0.3 to 0.5", "≥ 0.5", "MISSED", "1,234 rows/s", "needs --data", "3 blocks"):
        assert words in text


def test_the_page_keeps_what_is_around_its_table(tmp_path, results):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    for _ in range(2):
        write_docs(page, results)
    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}\n\n| scenario |")
    assert text.endswith(f"\n\n{END}\nafter\n")
    assert "| `slow` | share | 0.4 | 0.3 to 0.5 | ≥ 0.5 | **MISSED** |" in text
    assert "old" not in text


def test_a_page_without_the_markers_is_refused(tmp_path, results):
    page = tmp_path / "page.md"
    page.write_text("nothing\n")
    with pytest.raises(ValueError, match="figures"):
        write_docs(page, results)
