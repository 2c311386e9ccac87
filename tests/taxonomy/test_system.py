"""Strict reading of a system's file: every mistake is reported with its line and rule."""

from pathlib import Path

import pytest

from exporter.errors import ConfigError
from exporter.taxonomy.loader import merge
from exporter.taxonomy.model import System
from exporter.taxonomy.system import read_system
from exporter.yaml_mapping import read
from tests.taxonomy.mistakes import KINDS, TESTDATA, invalid


def system_in(path: Path) -> System:
    """Read a system without the shipped systems, which take most of the time."""
    mistakes: list[str] = []
    document = read(path, "the system", mistakes)
    system = document and read_system(document, merge(document, ()))
    if mistakes or system is None:
        raise ConfigError(*mistakes)
    return system


@pytest.mark.parametrize("kind", KINDS)
def test_mistake_is_reported_with_line_and_rule(kind: str, tmp_path: Path) -> None:
    path, expected = invalid(kind, tmp_path)
    with pytest.raises(ConfigError) as caught:
        system_in(path)
    assert [*caught.value.mistakes] == [f"{path}:{mistake}" for mistake in expected]


def test_valid_file_has_no_mistake() -> None:
    system = system_in(TESTDATA / "valid.yaml")
    assert (system.system, system.title, system.source) == ("acme", "Acme", "Session errors")
    assert system.phase_source == "derived"
    assert system.categories == {"closure": "Ordinary closures", "network": "Network"}
    assert [code.code for code in system.codes] == ["ok", "07"]
    assert system.normal is system.codes[0]
    assert system.unknown.code == "unknown"
    assert system.match("link down") is system.codes[1]
