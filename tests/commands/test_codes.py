"""`codes`: exit codes and the configured systems."""

import json
import re
from pathlib import Path

from tests.commands.running import call, write
from tests.e2e.exporter_process import ROOT


def test_codes_exits_with_1_without_a_match() -> None:
    shown = call("codes", 4001)
    assert shown.returncode == 0
    assert shown.stdout.startswith("Streampixel 4001  No Worker Node Available\n")
    assert max(map(len, shown.stdout.splitlines())) <= 80
    shown = call("codes", "nonsense")
    assert shown.returncode == 1
    assert shown.stdout.startswith("No code matches 'nonsense'.")
    shown = call("codes", "nonsense", "--json")
    assert (shown.returncode, json.loads(shown.stdout)) == (1, [])


def test_codes_include_configured_systems(tmp_path: Path) -> None:
    folder = own_system(tmp_path)
    config = write(tmp_path / "s.toml", f"taxonomy = ['{folder}']\n")
    for shown in (
        call("codes", "mine", "--taxonomy", folder),
        call("codes", "mine", SESSION_EXPORTER_CONFIG=str(config)),
    ):
        assert (shown.returncode, shown.stderr) == (0, "")
        assert "4001" in shown.stdout


def test_codes_works_with_a_wrong_variable() -> None:
    shown = call("codes", 4001, SESSION_EXPORTER_OPS="nowhere")
    assert shown.returncode == 0
    assert "No Worker Node Available" in shown.stdout
    assert shown.stderr.startswith("warning: SESSION_EXPORTER_OPS = 'nowhere'")
    assert call("codes", 4001, "--config", "/none.toml").returncode == 1


def own_system(tmp_path: Path) -> Path:
    folder = tmp_path / "codes"
    folder.mkdir()
    text = (ROOT / "exporter" / "taxonomy" / "streampixel.yaml").read_text()
    text = re.sub(r"^system: streampixel$", "system: mine", text, flags=re.MULTILINE)
    (folder / "mine.yaml").write_text(text)
    return folder
