"""A process that counts ids one after the other: `python -m tests.ledger.child FOLDER COUNT`.

For each id it prints `ack N` or `refused N`, and `broken` when the ledger breaks.
"""

import asyncio
import os
import sys
from pathlib import Path

from exporter.errors import LedgerError, LedgerUnavailable
from exporter.ledger.recovery import LedgerSettings
from exporter.ledger.sqlite import SqliteLedger
from tests.ledger.batches import batch


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


async def count(folder: Path, events: int) -> int:
    try:
        ledger = await SqliteLedger.open(LedgerSettings(folder), on_broken=lambda: say("broken"))
    except LedgerError as error:
        say(f"unopened {error}")
        return 1
    failed = False
    for number in range(events):
        try:
            await ledger.commit(batch([number]))
            say(f"ack {number}")
        except LedgerUnavailable:
            failed = True
            say(f"refused {number}")
    await ledger.close()
    return int(failed)


if __name__ == "__main__":
    sys.exit(asyncio.run(count(Path(sys.argv[1]), int(sys.argv[2]))))
