"""Exporters over one shared ledger, and senders that use them in turn."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Self

from exporter.ledger.redis.ledger import READ_INTERVAL
from exporter.names import SESSION_ENDS
from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.faults.senders import Load


class Replicas:
    """`number` exporters over the ledger at `url`; they end when the `with` block does."""

    def __init__(
        self, folder: Path, url: str, number: int, mutant: str = "", **settings: object
    ) -> None:
        settings = {"ledger": url, **settings}
        self.exporters = [
            ExporterProcess(folder / f"replica-{index}", settings=settings, mutant=mutant)
            for index in range(number)
        ]
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with self._stack:
            for exporter in self.exporters:
                self._stack.enter_context(exporter)
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _ports(self) -> Callable[[], int | None]:
        """The ports for one sender: running exporters in turn, so that a retry goes to another one."""
        turn = count()

        def port() -> int | None:
            up = [each.ports["ingest"] for each in self.exporters if "ingest" in each.ports]
            return up[next(turn) % len(up)] if up else None

        return port

    def load(self, senders: int = 4, batch: int = 20) -> Load:
        load = Load(lambda: None, senders, batch)
        for sender in load.senders:
            sender.port = self._ports()
        return load

    def counts(self) -> list[int]:
        """The total that each replica shows."""
        return [int(exporter.total(SESSION_ENDS)) for exporter in self.exporters]

    def agree(self) -> int:
        """The total that all replicas show, unchanged for two of their reads of the ledger.

        Earlier, two replicas may each lack equally many events that the other counted.
        """
        shown: list[int] = []
        since = time.monotonic()

        def settled() -> bool:
            nonlocal since
            now = self.counts()
            if now != shown or len(set(now)) > 1:
                shown[:], since = now, time.monotonic()
            return time.monotonic() - since > 2 * READ_INTERVAL

        wait_for(settled, what="replicas that agree")
        return shown[0]
