"""hadolint on the Containerfile, including its shell commands."""

import subprocess
import sys
from pathlib import Path

from tests.deploy.containerfile import PATH

HADOLINT = Path(sys.executable).with_name("hadolint")


def linted(text: str, folder: Path) -> list[str]:
    """hadolint's messages. Neither a pragma in the file nor a user's configuration turns a rule off."""
    done = subprocess.run(
        [HADOLINT, "--no-color", "--disable-ignore-pragma", "--failure-threshold=style", "-"],
        input=text,
        cwd=folder,
        env={"HOME": str(folder), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    messages = done.stdout.splitlines()
    assert (done.returncode != 0, done.stderr) == (bool(messages), "")
    return messages


def test_hadolint_accepts_the_containerfile(tmp_path: Path) -> None:
    assert linted(PATH.read_text(encoding="utf-8"), tmp_path) == []


def test_hadolint_ignores_pragmas_of_the_containerfile(tmp_path: Path) -> None:
    line = "# hadolint ignore=DL3020\nADD exporter exporter"
    messages = linted(f"{PATH.read_text(encoding='utf-8').rstrip()}\n{line}\n", tmp_path)
    assert any("DL3020" in message for message in messages)
