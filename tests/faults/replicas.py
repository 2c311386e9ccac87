"""Exporters over one shared ledger."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from exporter.ledger.redis.replica import READ_INTERVAL
from exporter.names import SESSION_ENDS
from tests.e2e.exporter_process import ExporterProcess, wait_for


@contextmanager
def replicas(
    folder: Path, url: str, number: int, mutant: str = "", **settings: object
) -> Iterator[list[ExporterProcess]]:
    """`number` exporters over the ledger at `url`; they end when the `with` block does."""
    # On a busy machine Redis may stall for longer than the default second.
    settings = {"ledger": url, "ledger_timeout": 10, **settings}
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                ExporterProcess(folder / f"replica-{index}", settings=settings, mutant=mutant)
            )
            for index in range(number)
        ]


def agreed(exporters: Sequence[ExporterProcess]) -> int:
    """The total that all replicas show, unchanged for two of their reads of the ledger.

    Earlier, two replicas may each lack equally many events that the other counted.
    """
    shown: list[int] = []
    since = time.monotonic()

    def settled() -> bool:
        nonlocal since
        now = [int(exporter.total(SESSION_ENDS)) for exporter in exporters]
        if now != shown or len(set(now)) > 1:
            shown[:], since = now, time.monotonic()
        return time.monotonic() - since > 2 * READ_INTERVAL

    wait_for(settled, what="replicas that agree")
    return shown[0]
