"""Row 7 of the fault table: a second process on the same ledger."""

from pathlib import Path
from typing import Final

from tests.e2e import test_serve
from tests.faults.table import Row


def _run(folder: Path, quick: bool) -> str:
    rounds = 1 if quick else 10
    for number in range(rounds):
        (folder / str(number)).mkdir()
        test_serve.test_a_second_process_on_the_same_ledger_exits_with_a_clear_message(
            folder / str(number)
        )
    return f"refused {rounds} × with exit code 1"


ROW: Final = Row(7, "second writer on the same file", "exits, clear message", _run)
