"""Strict loading of files and folders: every mistake is reported with its line and rule."""

import time
from pathlib import Path

import pytest

from exporter.errors import ConfigError
from exporter.taxonomy.loader import load, read_system
from exporter.taxonomy.model import System
from exporter.yaml_file import read
from tests.taxonomy.mistakes import KINDS, VALID, invalid

OWNERS = "'customer_network', 'client', 'platform', 'capacity', 'application', 'policy', 'user' or 'nobody'"


def mistakes_of(*folders: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(folders)
    return list(caught.value.mistakes)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An operator's folder with the system `acme`."""
    folder = tmp_path / "operator"
    folder.mkdir()
    (folder / "acme.yaml").write_text(VALID)
    return folder


def test_systems_of_a_folder_come_last_and_other_files_are_ignored(folder: Path) -> None:
    anchored = VALID.replace("fix: Nothing to fix.", "fix: &fix Nothing to fix.")
    anchored = anchored.replace("fix: Replace the cable.", "fix: *fix")
    # With a byte order mark.
    text = anchored.replace("system: acme", "system: apex")
    (folder / "apex.yml").write_text(text, encoding="utf-8-sig")
    (folder / "README.md").write_text("not a taxonomy")
    (folder / ".acme.yaml").write_text("an editor's copy")
    systems = load([folder]).systems
    assert list(systems) == ["softdrive", "streampixel", "acme", "apex"]
    assert systems["apex"].match("07").fix == "Nothing to fix."


def test_system_in_two_files_is_refused(folder: Path) -> None:
    (folder / "again.yaml").write_text(VALID)
    assert mistakes_of(folder) == [
        f"{folder}/again.yaml:1: system: is loaded already, from {folder}/acme.yaml; to change it, "
        "write extends: acme in place of this line, and only what differs"
    ]


def test_wrong_folder_is_reported(folder: Path, tmp_path: Path) -> None:
    missing, file, empty = tmp_path / "nowhere", folder / "acme.yaml", tmp_path / "empty"
    empty.mkdir()
    assert mistakes_of(missing, file, empty) == [
        f"{missing}: the folder can't be read: No such file or directory",
        f"{file}: the folder can't be read: Not a directory",
        f"{empty}: the folder holds no .yaml or .yml file",
    ]


def test_all_mistakes_are_reported_in_one_run(folder: Path, tmp_path: Path) -> None:
    (folder / "bad.yaml").write_text(
        VALID.replace("system: acme", "system: bad").replace("owner: nobody", "owner: bob")
    )
    nameless = [folder / "first.yaml", folder / "second.yaml"]
    for path in nameless:
        path.write_text(VALID.removeprefix("system: acme\n"))
    (folder / "trap.yaml").mkdir()
    (folder / "worse.yaml").write_text("- nothing\n")
    assert mistakes_of(tmp_path / "nowhere", folder) == [
        f"{tmp_path}/nowhere: the folder can't be read: No such file or directory",
        f"{folder}/trap.yaml: can't be read: Is a directory",
        f"{folder}/worse.yaml:1: must be a mapping of keys",
        f"{folder}/bad.yaml:15: code 'ok' owner: must be {OWNERS}",
        *(f"{path}:1: system: is required" for path in nameless),
    ]


@pytest.mark.parametrize("value", ['!!int ""', "!!bool maybe", "!!timestamp today"])
def test_value_that_its_tag_does_not_allow_is_a_mistake(value: str, folder: Path) -> None:
    """PyYAML raises three kinds of errors for them, which ended `check` with a traceback."""
    path = folder / "acme.yaml"
    path.write_text(VALID.replace("fix: Replace the cable.", f"fix: {value}"))
    assert mistakes_of(folder) == [f"{path}:30: code '07' fix: must be text in quotes"]


def test_long_texts_are_checked_in_linear_time(folder: Path) -> None:
    """Fails with a pattern that tries each place of a text: 80 kB took half a minute."""
    path = folder / "acme.yaml"
    path.write_text(VALID.replace("Replace the cable.", '"' + "fix " * 20_000 + '\\u202e."'))
    began = time.process_time()
    (mistake,) = mistakes_of(folder)
    assert mistake.endswith("must be a text that is not empty, without invisible characters")
    assert time.process_time() - began < 10


def test_list_that_contains_itself_is_refused(folder: Path) -> None:
    path = folder / "acme.yaml"
    path.write_text(VALID.replace("[link down]", "&aliases [*aliases]"))
    assert mistakes_of(folder) == [f"{path}: contains itself"]


def test_aliases_that_multiply_values_are_refused(folder: Path) -> None:
    """Fails without the limit: these eight lines took all memory."""
    lines = ["extends: acme", "a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 30)}]" for i in range(1, 7)]
    (folder / "bomb.yaml").write_text("\n".join(lines))
    (mistake,) = mistakes_of(folder)
    assert mistake.endswith(": more than 200,000 keys and items in this file")


def system_in(path: Path) -> System:
    """Read a system without the shipped systems, which take most of the time."""
    mistakes: list[str] = []
    document = read(path, mistakes)
    system = document and read_system(document, ())
    if mistakes or system is None:
        raise ConfigError(*mistakes)
    return system


@pytest.mark.parametrize("kind", KINDS)
def test_mistake_is_reported_with_line_and_rule(kind: str, tmp_path: Path) -> None:
    path, expected = invalid(kind, tmp_path)
    with pytest.raises(ConfigError) as caught:
        system_in(path)
    assert [*caught.value.mistakes] == [f"{path}:{mistake}" for mistake in expected]
