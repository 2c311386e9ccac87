"""The bar on a terminal: simulated time, what is going on, events acknowledged, their rate, retries."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from exporter.send.report import Report

if TYPE_CHECKING:
    from rich.console import Console


@contextmanager
def progress(
    console: "Console", report: Report, seconds: float, position: Callable[[], tuple[float, str]]
) -> Iterator[Callable[[], None]]:
    """Gives what to call whenever `report` has changed; `position` is how much of the `seconds` of
    simulated time is over, and what to say of it."""
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (
        BarColumn(bar_width=20),
        TextColumn("{task.fields[what]}", markup=False),
        TextColumn("{task.fields[events]:,} events"),
        TextColumn("{task.fields[rate]:,.0f}/s"),
        TextColumn("{task.fields[retries]} retries"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("simulate", total=seconds, what="", events=0, rate=0.0, retries=0)

        def show() -> None:
            elapsed = bar.tasks[0].elapsed or 0.0
            done, what = position()
            bar.update(
                task,
                completed=done,
                what=what,
                events=report.acknowledged,
                rate=report.acknowledged / elapsed if elapsed else 0.0,
                retries=report.retries,
            )

        yield show
