"""Loading is strict: every mistake is found in one run and named with its place."""

import shutil
from pathlib import Path

import pytest

from exporter.errors import ConfigError
from exporter.taxonomy.loader import load

TESTDATA = Path(__file__).parents[1] / "testdata" / "taxonomy"
VALID = (TESTDATA / "valid.yaml").read_text()
OWNERS = "customer_network, client, platform, capacity, application, policy, user, nobody"


def mistakes_of(*folders: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(folders)
    return list(caught.value.mistakes)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of an operator's, with one correct system in it."""
    made = tmp_path / "operator"
    made.mkdir()
    (made / "acme.yaml").write_text(VALID)
    return made


def test_without_folders_the_shipped_systems_are_loaded() -> None:
    assert list(load().systems) == ["softdrive", "streampixel"]


def test_a_folders_systems_come_after_the_shipped_ones(folder: Path) -> None:
    loaded = load([folder])
    assert list(loaded.systems) == ["softdrive", "streampixel", "acme"]


def test_files_ending_in_yml_are_loaded_and_other_and_hidden_files_are_not(folder: Path) -> None:
    (folder / "apex.yml").write_text(VALID.replace("system: acme", "system: apex"))
    (folder / "README.md").write_text("not a taxonomy")
    (folder / ".acme.yaml").write_text("an editor's copy")
    assert list(load([folder]).systems)[2:] == ["acme", "apex"]


def test_a_byte_order_mark_is_not_a_mistake(folder: Path) -> None:
    (folder / "acme.yaml").write_text(VALID, encoding="utf-8-sig")
    assert "acme" in load([folder]).systems


def test_a_system_in_two_files_is_refused_naming_both(folder: Path) -> None:
    (folder / "again.yaml").write_text(VALID)
    assert mistakes_of(folder) == [
        f"{folder}/again.yaml:1: system 'acme' is loaded already, from {folder}/acme.yaml; "
        'to change it, write "extends: acme" in place of "system: acme", and only what differs'
    ]


def test_a_shipped_system_is_not_silently_replaced(folder: Path) -> None:
    (folder / "acme.yaml").write_text(VALID.replace("system: acme", "system: softdrive"))
    (mistake,) = mistakes_of(folder)
    assert mistake.startswith(f"{folder}/acme.yaml:1: system 'softdrive' is loaded already, from /")
    assert mistake.endswith('in place of "system: softdrive", and only what differs')


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    assert mistakes_of(missing) == [
        f"{missing}: the folder can't be read: No such file or directory"
    ]


def test_a_file_in_place_of_a_folder_is_named(folder: Path) -> None:
    path = folder / "acme.yaml"
    assert mistakes_of(path) == [f"{path}: the folder can't be read: Not a directory"]


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    assert mistakes_of(tmp_path) == [f"{tmp_path}: the folder holds no .yaml or .yml file"]


def test_a_file_that_cannot_be_read_is_named(folder: Path) -> None:
    (folder / "trap.yaml").mkdir()
    assert mistakes_of(folder) == [f"{folder}/trap.yaml: can't be read: Is a directory"]


def test_mistakes_of_all_files_and_folders_are_found_in_one_run(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "bad.yaml").write_text(
        VALID.replace("system: acme", "system: bad").replace("owner: nobody", "owner: bob")
    )
    (folder / "worse.yaml").write_text("- nothing\n")
    assert mistakes_of(tmp_path / "nowhere", folder) == [
        f"{tmp_path}/nowhere: the folder can't be read: No such file or directory",
        f"{folder}/worse.yaml:1: the system must be a mapping of keys, not a list",
        f"{folder}/bad.yaml:15: owner 'bob' in code 'ok' is not allowed; allowed are {OWNERS}",
    ]


def test_the_error_prints_one_mistake_a_line(tmp_path: Path) -> None:
    shutil.copy(TESTDATA / "invalid-everything.yaml", tmp_path)
    with pytest.raises(ConfigError) as caught:
        load([tmp_path])
    assert str(caught.value).count("\n") == len(caught.value.mistakes) - 1 == 4


def test_a_text_may_be_shared_by_anchor(folder: Path) -> None:
    shared = VALID.replace("fix: Nothing to fix.", "fix: &fix Nothing to fix.")
    (folder / "acme.yaml").write_text(shared.replace("fix: Replace the cable.", "fix: *fix"))
    assert load([folder]).systems["acme"].match("07").fix == "Nothing to fix."
