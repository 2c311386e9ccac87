"""Row 37 of the fault table: `labels` settings that would break every scrape are refused before the start."""

import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.commands.running import environment
from tests.faults.table import Row, reached

MISTAKES: Final = {
    '["region", "region"]': "'region' is listed twice",
    '["region", "shop", "region"]': "'region' is listed twice",
    '["region", "system"]': "'system': choose another name",
    '["ledger"]': "'ledger': choose another name",
    '["job"]': "'job': choose another name",
    '["9a"]': "'9a': write a label name",
    '["__name__"]': "'__name__': write a label name",
    '["a-b"]': "'a-b': write a label name",
}
"""A `labels` setting, and what the error has to say of it."""
COMMANDS: Final = ("check", "serve")


def accepted(folder: Path, command: str, labels: str, mutant: str = "") -> bool:
    """Whether a command takes the setting. Raises when a refusal does not name file, key and value."""
    config = folder / "exporter.toml"
    config.write_text(f"labels = {labels}\ndata_dir = '{folder / 'data'}'\n")
    done = subprocess.run(
        [
            *(sys.executable, "-c", f"{mutant}\nfrom exporter.cli import main\nmain()"),
            *(command, "--config", str(config)),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(),
        check=False,
    )
    if done.returncode == 0:
        return True
    assert done.returncode == 1, done.stderr
    assert f"{config}: labels" in done.stderr, done.stderr
    assert MISTAKES[labels] in done.stderr, done.stderr
    assert not (folder / "data").exists(), "a refused setting left a ledger behind"
    return False


def label_settings(folder: Path, quick: bool) -> str:
    """The row: each mistake to both commands; quick, a mistake of each kind."""
    mistakes = list(MISTAKES)[::3] if quick else list(MISTAKES)
    passed = [
        f"{command} {labels}"
        for labels in mistakes
        for command in COMMANDS
        if accepted(folder, command, labels)
    ]
    figure = f"{len(mistakes)} settings, refused by {' and '.join(COMMANDS)} with key and value"
    return reached(f"{figure}; accepted: {', '.join(passed) or 'none'}", not passed)


ROW = Row(37, "labels that break a scrape", "refused by check and serve", label_settings)
