"""What hadolint says of the Containerfile, and of the shell in it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.containerfile import PATH

HADOLINT = Path(sys.executable).with_name("hadolint")


def linted(text: str, folder: Path) -> list[str]:
    """The rules that are broken. Neither a comment in the file nor a configuration of who runs the tests
    turns one off: it is run where there is none."""
    done = subprocess.run(
        [HADOLINT, "--no-color", "--disable-ignore-pragma", "--failure-threshold=style", "-"],
        input=text,
        cwd=folder,
        env={"HOME": str(folder), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    found = done.stdout.splitlines()
    assert (done.returncode != 0, done.stderr) == (bool(found), "")
    return found


def test_hadolint_has_nothing_to_say_about_the_containerfile(tmp_path: Path) -> None:
    assert linted(PATH.read_text(encoding="utf-8"), tmp_path) == []


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("RUN apt-get update && apt-get install curl", "DL3008"),
        ("RUN cd /src && python -m compileall .", "DL3003"),
        ("# hadolint ignore=DL3020\nADD exporter exporter", "DL3020"),
        ("RUN python -m compileall $HOME", "SC2086"),
        ("USER root", "DL3002"),
        ("WORKDIR src", "DL3000"),
        ("CMD session-end-exporter serve", "DL3025"),
        ("COPY exporter", "At least two arguments"),
    ],
)
def test_a_bad_line_would_be_noticed(line: str, rule: str, tmp_path: Path) -> None:
    text = f"{PATH.read_text(encoding='utf-8').rstrip()}\n{line}\n"
    assert [one for one in linted(text, tmp_path) if rule in one]
