"""deploy/Containerfile, read."""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.exporter_process import ROOT

PATH = ROOT / "deploy/Containerfile"
OPTION = re.compile(r"--[\w-]+=\S+\s+")


@dataclass(frozen=True)
class Instruction:
    """`word` in capitals, and what follows it with continued lines put together."""

    word: str
    text: str


def stages(path: Path = PATH) -> list[list[Instruction]]:
    """Instructions by stage, each beginning with its FROM; those before the first are in the first."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    found: list[list[Instruction]] = [[]]
    for line in filter(None, joined.splitlines()):
        word, _, text = line.partition(" ")
        if word == "FROM" and any(one.word == "FROM" for one in found[-1]):
            found.append([])
        found[-1].append(Instruction(word, text.strip()))
    return found


def every(word: str, stage: list[Instruction]) -> list[str]:
    return [one.text for one in stage if one.word == word]
