"""`render` as people run it."""

from pathlib import Path

from tests.commands.running import run


def test_render_writes_a_pack_and_its_check_sees_an_edit(tmp_path: Path) -> None:
    out = ("render", "--out", str(tmp_path / "pack"))
    assert run(*out).returncode == 0
    assert run(*out, "--check").returncode == 0
    rules = tmp_path / "pack" / "rules" / "windows.yml"
    rules.write_text(rules.read_text().replace("0.02", "0.2"))
    checked = run(*out, "--check")
    assert checked.returncode == 1
    assert "rules/windows.yml" in checked.stdout + checked.stderr
