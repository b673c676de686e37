"""Results for people: a table on the terminal, a table in the documentation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.result import Figure, Result

BEGIN = "<!-- figures: written by `python -m benchmarks --write-docs` -->"
END = "<!-- end of figures -->"
_COLOURS = {"met": "green", "MISSED": "bold red", "": "dim"}


def print_report(console: Console, results: Sequence[Result]) -> None:
    """The figures with targets and verdicts, the reasons of those missed, and the machines."""
    table = Table("scenario", "figure", title_justify="left")
    for heading in ("median", "min to max", "target"):
        table.add_column(heading, justify="right")
    table.add_column("verdict")
    for result in results:
        for number, figure in enumerate(result.outcome.figures):
            colour = _COLOURS[figure.verdict]
            table.add_row(
                result.scenario if number == 0 else "",
                escape(figure.name),
                *_numbers(figure),
                f"[{colour}]{figure.verdict}[/]",
            )
        if result.outcome.skipped:
            table.add_row(result.scenario, escape(result.outcome.skipped), "", "", "", "skipped")
        table.add_section()
    console.print(table)
    for line in missed(results):
        console.print(escape(line), style="red", soft_wrap=True)
    for line in circumstances(results):
        console.print(escape(line), style="dim", soft_wrap=True)


def _numbers(figure: Figure) -> tuple[str, str, str]:
    unit = f" {figure.unit}" if figure.unit else ""
    spread = "" if figure.low == figure.high else f"{_short(figure.low)} to {_short(figure.high)}"
    target = "" if figure.target is None else str(figure.target)
    return f"{_short(figure.value)}{unit}", spread, target


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def missed(results: Iterable[Result]) -> list[str]:
    """A line for each figure that misses its target, with the reason."""
    return [
        f"MISSED {result.scenario}, {figure.name}: {figure.reason}"
        for result in results
        for figure in result.outcome.figures
        if figure.verdict == "MISSED"
    ]


def circumstances(results: Iterable[Result]) -> list[str]:
    """A line for each machine, with what was measured there, when and how often."""
    by_machine: dict[str, list[Result]] = {}
    for result in results:
        still = result.machine.model_copy(update={"load": 0.0, "fdatasync_ms": 0.0})
        by_machine.setdefault(repr(still), []).append(result)
    lines = []
    for group in by_machine.values():
        names = ", ".join(result.scenario for result in group)
        blocks = "/".join(map(str, sorted({result.blocks for result in group})))
        rows = "/".join(f"{rows:,}" for rows in sorted({result.rows for result in group}))
        lines.append(
            f"{group[0].started_at:%Y-%m-%d}, {blocks} blocks, at most {rows} rows: "
            f"{group[0].machine} ({names})"
        )
    return lines


def write_docs(page: Path, results: Sequence[Result]) -> None:
    """Put the table of these results between the markers of a page."""
    before, _, rest = page.read_text().partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError(f"{page} does not hold the lines {BEGIN!r} and {END!r}")
    page.write_text(f"{before}{BEGIN}\n\n{_markdown(results)}\n\n{END}{after}")


def _markdown(results: Sequence[Result]) -> str:
    rows = [
        "| scenario | figure | median | min to max | target | verdict |",
        "| --- | --- | ---: | ---: | ---: | --- |",
    ]
    for result in results:
        for figure in result.outcome.figures:
            verdict = f"**{figure.verdict}**" if figure.verdict == "MISSED" else figure.verdict
            cells = (f"`{result.scenario}`", figure.name, *_numbers(figure), verdict)
            rows.append(f"| {' | '.join(cells)} |")
        if result.outcome.skipped:
            rows.append(f"| `{result.scenario}` | {result.outcome.skipped} | | | | skipped |")
    notes = [f"- {line}" for line in (*missed(results), *circumstances(results))]
    return "\n".join([*rows, "", *notes])
