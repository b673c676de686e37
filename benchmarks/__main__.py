"""`python -m benchmarks [SCENARIO ...]`: measure, print a table, write one JSON file a scenario."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from benchmarks.catalog import BY_NAME, SCENARIOS
from benchmarks.data import Datasets
from benchmarks.machine import describe_machine
from benchmarks.measure import Context, Scenario
from benchmarks.processes import ROOT
from benchmarks.report import print_report, write_docs
from benchmarks.result import Result
from tsvec.cli.serve import unwind_on_sigterm

PAGE = ROOT / "docs" / "benchmarks.md"
_RESULTS = ROOT / "benchmarks" / "results"
_ROWS, _QUICK_ROWS = 1_000_000, 20_000
_BLOCKS, _QUICK_BLOCKS = 5, 2
_WIDTH = 120
"""Columns of the table where it is not shown on a terminal."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what the command line asks for."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.quick and options.write_docs:
        parser.error("--quick figures do not belong in the documentation")
    if unknown := sorted({*options.scenarios} - BY_NAME.keys()):
        parser.error(f"no scenario {unknown[0]!r}; known are {', '.join(BY_NAME)}")
    unwind_on_sigterm()
    console = Console() if sys.stdout.isatty() else Console(width=_WIDTH)
    if options.list:
        for scenario in SCENARIOS:
            console.print(f"{scenario.name:20}{scenario.question}", highlight=False)
        return
    scenarios = [BY_NAME[name] for name in options.scenarios or BY_NAME]
    results = list(_run(scenarios, options))
    print_report(console, results)
    console.print(f"JSON: {options.out}", style="dim", soft_wrap=True)
    if options.write_docs:
        write_docs(PAGE, _with_earlier(results, options.out))
        console.print(f"written: {PAGE}", style="dim", soft_wrap=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("scenarios", nargs="*", metavar="SCENARIO", help="default: all")
    add("--list", action="store_true", help="name the scenarios and run none")
    add("--data", type=_path, metavar="DIR", help="real data for the scenario `commits`")
    add("--rows", type=int, metavar="N", help=f"rows of the largest data set ({_ROWS:,})")
    add("--blocks", type=int, metavar="N", help=f"interleaved blocks ({_BLOCKS})")
    add("--out", type=_path, default=_RESULTS, metavar="DIR", help="where the JSON goes")
    add("--quick", action="store_true", help="small and rough: only to see that all of it runs")
    add("--scratch", type=_path, metavar="DIR", help="where databases are made (the system's /tmp)")
    add("--keep", action="store_true", help="keep those databases")
    add("--write-docs", action="store_true", help=f"write the table of {PAGE.relative_to(ROOT)}")
    return parser


def _path(text: str) -> Path:
    return Path(text).resolve()


def _run(scenarios: Sequence[Scenario], options: argparse.Namespace) -> Iterator[Result]:
    rows = options.rows or (_QUICK_ROWS if options.quick else _ROWS)
    blocks = options.blocks or (_QUICK_BLOCKS if options.quick else _BLOCKS)
    with _scratch(options.scratch, keep=options.keep) as scratch, _telling() as tell:
        datasets = Datasets(scratch)
        for number, scenario in enumerate(scenarios, 1):
            say = _titled(tell, f"{scenario.name} ({number} of {len(scenarios)})")
            context = Context(
                rows=rows,
                blocks=blocks,
                scratch=scratch,
                datasets=datasets,
                data=options.data,
                say=say,
            )
            say(scenario.question)
            machine, started_at, begun = describe_machine(scratch), _now(), time.perf_counter()
            result = Result(
                scenario=scenario.name,
                question=scenario.question,
                outcome=scenario.run(context),
                machine=machine,
                started_at=started_at,
                seconds=time.perf_counter() - begun,
                blocks=blocks,
                rows=rows,
                quick=options.quick,
            )
            result.write(options.out)
            yield result


def _now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def _scratch(parent: Path | None, *, keep: bool) -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="tsvec-bench-", dir=parent))
    try:
        yield path
    finally:
        if not keep:
            shutil.rmtree(path)


@contextmanager
def _telling() -> Iterator[Callable[[str], None]]:
    """Shows what is being done: a line that changes on a terminal, else a line each."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda text: console.print(text, soft_wrap=True, highlight=False)
        return
    with console.status("starting") as status:
        yield status.update


def _titled(tell: Callable[[str], None], title: str) -> Callable[[str], None]:
    return lambda text: tell(f"{title}: {text}")


def _with_earlier(results: Sequence[Result], directory: Path) -> list[Result]:
    """These results and, of the other scenarios, the last full ones of earlier runs."""
    found = {result.scenario: result for result in results}
    for path in sorted(directory.glob("*.json")):
        earlier = Result.read(path)
        if not earlier.quick:
            found.setdefault(earlier.scenario, earlier)
    return [found[name] for name in BY_NAME if name in found]


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("stopped")
