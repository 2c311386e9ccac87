"""The bar on a terminal: input read, events acknowledged, their rate, retries."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from exporter.send.report import Report

if TYPE_CHECKING:
    from rich.console import Console


@contextmanager
def progress(
    console: "Console", report: Report, size: int, position: Callable[[], int]
) -> Iterator[Callable[[], None]]:
    """Gives what to call whenever `report` has changed; `position` of `size` are bytes of input.

    With `size` 0 (standard input) the bar only shows that something goes on.
    """
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        BarColumn(bar_width=30),
        TextColumn("{task.fields[events]:,} events"),
        TextColumn("{task.fields[rate]:,.0f}/s"),
        TextColumn("{task.fields[retries]} retries"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("send", total=size or None, events=0, rate=0.0, retries=0)

        def show() -> None:
            elapsed = bar.tasks[0].elapsed or 0.0
            bar.update(
                task,
                completed=position(),
                events=report.acknowledged,
                rate=report.acknowledged / elapsed if elapsed else 0.0,
                retries=report.retries,
            )

        yield show
