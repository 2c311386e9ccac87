"""Strict reading of a system's file: every mistake is reported with its line and rule."""

from pathlib import Path

import pytest

from exporter.taxonomy.loader import merge
from exporter.taxonomy.model import System
from exporter.taxonomy.system import read_system
from exporter.yaml_mapping import read
from tests.taxonomy.mistakes import KINDS, TESTDATA, invalid


def system_in(path: Path, mistakes: list[str]) -> System | None:
    document = read(path, "the system", mistakes)
    return None if document is None else read_system(document, merge(document, ()))


@pytest.mark.parametrize("kind", KINDS)
def test_mistake_is_reported_with_line_and_rule(kind: str, tmp_path: Path) -> None:
    path, expected = invalid(kind, tmp_path)
    mistakes: list[str] = []
    system_in(path, mistakes)
    assert mistakes == [f"{path}:{mistake}" for mistake in expected]
    assert mistakes


def test_valid_file_has_no_mistake() -> None:
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
