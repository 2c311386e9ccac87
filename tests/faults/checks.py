"""Tests of rows of the fault table, in seconds; `make faults` runs the rows at full length."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from tests.faults.table import Missed, Mutant, Row, rows_of


def checks(*modules: ModuleType) -> tuple[Callable[..., None], Callable[..., None]]:
    """Two tests of the rows in these modules: a row holds at quick length, and fails without a guard."""
    rows = rows_of(*modules)
    mutants = [
        pytest.param(row, mutant, id=f"{row.number}-{mutant.guard}")
        for row in rows
        for mutant in row.mutants
    ]

    @pytest.mark.parametrize("row", rows, ids=lambda row: f"{row.number}-{row.case}")
    def holds(row: Row, tmp_path: Path) -> None:
        row.run(tmp_path, True)

    @pytest.mark.parametrize(("row", "mutant"), mutants)
    def fails(row: Row, mutant: Mutant, tmp_path: Path) -> None:
        with pytest.raises(Missed, match=mutant.figure):
            row.run(tmp_path, True, mutant.code)

    return holds, fails
