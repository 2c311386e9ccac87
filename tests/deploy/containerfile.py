"""The instructions of deploy/Containerfile."""

import re

from tests.e2e.exporter_process import ROOT

PATH = ROOT / "deploy/Containerfile"
Stage = list[tuple[str, str]]
"""Instruction and its text, with continued lines joined."""


def _stages() -> list[Stage]:
    text = re.sub(r"^\s*#.*\n", "", PATH.read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    stages: list[Stage] = []
    for word, _, rest in (line.partition(" ") for line in lines if line):
        if word == "FROM":
            stages.append([])
        if stages:
            stages[-1].append((word, rest.strip()))
    return stages


BUILD, IMAGE = _stages()


def texts(word: str, stage: Stage) -> list[str]:
    """The texts of the instructions `word`."""
    return [text for instruction, text in stage if instruction == word]
