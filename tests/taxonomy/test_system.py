"""Strict reading of a system's file: every mistake is reported with its line and rule."""

import re
from pathlib import Path

import pytest

from exporter.taxonomy.loader import merge
from exporter.taxonomy.model import System
from exporter.taxonomy.system import read_system
from exporter.yaml_mapping import read

TESTDATA = Path(__file__).parents[1] / "testdata" / "taxonomy"
INVALID = sorted(TESTDATA.glob("invalid-*.yaml"))


def system_in(path: Path, mistakes: list[str]) -> System | None:
    document = read(path, "the system", mistakes)
    return None if document is None else read_system(document, merge(document, ()))


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_a_mistake_is_reported_with_line_and_rule(path: Path) -> None:
    """Comments at the end of each file are the mistakes in it."""
    text = path.read_text(encoding="utf-8", errors="replace")
    expected = re.findall(r"^# (\d+: .*)$", text, re.MULTILINE)
    mistakes: list[str] = []
    system_in(path, mistakes)
    assert mistakes == [f"{path}:{mistake}" for mistake in expected]
    assert mistakes


def test_the_valid_file_has_no_mistake() -> None:
    mistakes: list[str] = []
    system = system_in(TESTDATA / "valid.yaml", mistakes)
    assert mistakes == []
    assert system is not None
    assert (system.system, system.title, system.source) == ("acme", "Acme", "Session errors")
    assert system.phase_source == "derived"
    assert system.categories == {"closure": "Ordinary closures", "network": "Network"}
    assert [code.code for code in system.codes] == ["ok", "07"]
    assert system.normal is system.codes[0]
    assert system.unknown.code == "unknown"
    assert system.match("link down") is system.codes[1]
