"""`codes`: exit codes and the configured systems."""

import json
from pathlib import Path

from tests.commands.running import call, write
from tests.taxonomy.mistakes import VALID


def test_codes_exits_with_1_without_a_match() -> None:
    assert call("codes", 4001).returncode == 0
    every = call("codes", "--json")
    assert (every.returncode, len(json.loads(every.stdout))) == (0, 24 + 12)
    shown = call("codes", "nonsense")
    hint = '"codes" lists all codes, "codes softdrive" the codes of one system.'
    assert (shown.returncode, shown.stdout) == (1, f"No code matches 'nonsense'.\n{hint}\n")
    shown = call("codes", "nonsense", "--json")
    assert (shown.returncode, json.loads(shown.stdout)) == (1, [])


def test_codes_include_configured_systems(tmp_path: Path) -> None:
    folder = tmp_path / "codes"
    folder.mkdir()
    write(folder / "acme.yaml", VALID)
    config = write(tmp_path / "s.toml", f"taxonomy = ['{folder}']\n")
    for shown in (
        call("codes", "acme", "--taxonomy", folder),
        call("codes", "acme", "--config", config),
        call("codes", "acme", SESSION_EXPORTER_CONFIG=str(config)),
    ):
        assert (shown.returncode, shown.stderr) == (0, "")
        assert "LinkLost" in shown.stdout


def test_codes_works_with_a_wrong_variable() -> None:
    shown = call("codes", 4001, SESSION_EXPORTER_OPS="nowhere")
    assert shown.returncode == 0
    assert "No Worker Node Available" in shown.stdout
    assert shown.stderr.startswith("warning: SESSION_EXPORTER_OPS = 'nowhere'")
    assert call("codes", 4001, "--config", "/none.toml").returncode == 1
