from __future__ import annotations

from datetime import UTC, datetime

import pytest

from benchmarks.machine import describe_machine
from benchmarks.result import Figure, Outcome, Result, Target


@pytest.mark.parametrize(
    ("target", "text", "admitted", "refused"),
    [
        (Target(at_least=0.5), "≥ 0.5", [0.5, 9], [0.49]),
        (Target(at_most=300), "≤ 300", [300, 0], [301]),
        (Target(at_least=0.7, at_most=1.3), "0.7 to 1.3", [0.7, 1.3], [0.6, 1.4]),
    ],
)
def test_a_target_includes_its_ends(target, text, admitted, refused):
    assert str(target) == text
    assert all(map(target.admits, admitted))
    assert not any(map(target.admits, refused))


def test_a_ratio_is_the_median_of_the_ratios_of_its_blocks():
    figure = Figure.ratio("speed", ("ours", [10, 40, 90]), ("theirs", [10, 10, 10]), unit="rows/s")
    assert figure.samples == [1, 4, 9]
    assert (figure.low, figure.value, figure.high) == (1, 4, 9)
    assert figure.basis == "ours 40 rows/s, theirs 10 rows/s"


def test_a_missed_figure_says_why_and_a_met_one_does_not():
    missed = Figure.of("x", [0.3], target=Target(at_least=0.5), basis="3 of 10", cause="waits")
    assert (missed.verdict, missed.reason) == ("MISSED", "3 of 10; waits")
    met = Figure.of("x", [0.6], target=Target(at_least=0.5), basis="6 of 10", cause="waits")
    assert (met.verdict, met.reason) == ("met", "")
    assert Figure.of("x", [0.6]).verdict == ""


def test_a_result_is_read_as_it_was_written(tmp_path):
    result = Result(
        scenario="open",
        question="How?",
        outcome=Outcome(figures=[Figure.of("x", [1.0, 2.0])], facts={"rows": 3, "disk": "slow"}),
        machine=describe_machine(tmp_path),
        started_at=datetime(2026, 1, 2, tzinfo=UTC),
        seconds=1.5,
        blocks=2,
        rows=3,
        quick=False,
    )
    path = result.write(tmp_path / "results")
    assert path.name == "open.json"
    assert Result.read(path) == result
