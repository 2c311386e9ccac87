"""`send` to a real exporter."""

from pathlib import Path

from tests.commands.running import call, url, write
from tests.e2e.exporter_process import ExporterProcess


def test_send_prints_field_and_rule_of_each_rejected_event(
    tmp_path: Path, running: ExporterProcess
) -> None:
    """The exporter validates values in every format; an invalid value affects no other event."""
    rules = {
        '"code": 1.5': "code: must be a string or an integer, not a number",
        '"duration_seconds": 1e999': "not JSON: Infinity is not a JSON number",
        f'"id": "{"é" * 65}"': "id: must",
    }
    lines = "".join(f'{{"system": "softdrive", {field}}}\n' for field in rules)
    path = write(tmp_path / "a.ndjson", lines + '{"code": "01"}\n{"system": "softdrive"}\n')
    done = call("send", path, "--url", url(running))
    assert done.returncode == 1
    for line, rule in enumerate([*rules.values(), "system: required"], 1):
        assert f"{path}:{line}: rejected: {rule}" in done.stdout
    assert "5 read, 1 accepted, 0 duplicates, 4 rejected, 0 skipped" in done.stdout
