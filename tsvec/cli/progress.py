"""A progress bar with rate and time left; silent where nobody watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from tsvec.model.collections import CompactionStatus


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.completed / task.elapsed if task.elapsed else 0.0
        return Text(f"{speed:,.0f} rows/s", style="progress.data.speed")


@contextmanager
def progress(title: str, rows: int) -> Iterator[Callable[[int], None]]:
    """Shows a bar on stderr, if that is a terminal; call what it gives with the rows just done.

    `rows` may be an estimate: the bar ends full.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=rows)
        yield lambda done: bar.advance(task, done)
        done = bar.tasks[task].completed
        bar.update(task, total=done, completed=done)


@contextmanager
def compaction_progress(title: str) -> Iterator[Callable[[CompactionStatus], None]]:
    """The same for a compaction; call what it gives with each new status.

    The bar counts the partitions that wait at most: more may be sealed meanwhile.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        TextColumn("{task.fields[told]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=None, told="")
        most = 0

        def show(status: CompactionStatus) -> None:
            nonlocal most
            most = max(most, status.waiting)
            told = f"{status.merges:,} merges, {status.rows:,} rows"
            bar.update(task, total=most, completed=most - status.waiting, told=told)

        yield show
