"""A process that counts one id after the other and says on stdout what became of each.

`python -m tests.ledger.child FOLDER FIRST COUNT [--unsynced]`: a line `ack N`, `refused N` or `broken`
each, written at once. `--unsynced` is the mutant that does not wait for the disk.
"""

import asyncio
import os
import sys
from pathlib import Path

from exporter.errors import LedgerError, LedgerUnavailable
from exporter.ledger.recovery import Plan
from exporter.ledger.sqlite import SqliteLedger
from exporter.ledger.store import Store
from tests.ledger.batches import batch


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


class Unsynced(Store):
    """The default store, told not to sync."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._execute("PRAGMA synchronous=OFF")


async def count(folder: Path, first: int, events: int) -> int:
    try:
        ledger = await SqliteLedger.open(Plan(folder), on_broken=lambda: say("broken"))
    except LedgerError as error:
        say(f"unopened {error}")
        return 1
    failed = False
    for number in range(first, first + events):
        try:
            await ledger.commit(batch([number]))
            say(f"ack {number}")
        except LedgerUnavailable:
            failed = True
            say(f"refused {number}")
    await ledger.close()
    return int(failed)


if __name__ == "__main__":
    if "--unsynced" in sys.argv:
        from exporter.ledger import recovery

        recovery.Store = Unsynced  # type: ignore[attr-defined]
    sys.exit(asyncio.run(count(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
