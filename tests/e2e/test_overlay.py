"""An overlay and a restart change what the exporter counts, exports and shows."""

from pathlib import Path

from exporter import names
from tests.e2e.exporter_process import ExporterProcess

CHANGED = """extends: streampixel
codes:
  - code: "4006"
    severity: ticket
    aliases: [Game Crashed]
  - code: "4242"
    name: Out Of Quota
    phase: connect
    category: capacity
    outcome: failure
    owner: capacity
    severity: page
    description: The account's quota is used up.
    causes: Many sessions.
    fix: Buy more.
"""


def ended(number: int) -> dict[str, object]:
    return {"id": f"e{number}", "system": "streampixel", "code": "Game Crashed"}


def test_overlay_changes_severity_and_its_alias_counts_after_a_restart(tmp_path: Path) -> None:
    """The page of the added code is 500 where a shipped system's codes must all have a runbook."""
    folder = tmp_path / "codes"
    folder.mkdir()
    (folder / "mine.yaml").write_text("extends: streampixel\n")
    of_code = {"system": "streampixel", "code": "4006"}
    of_unknown = {"system": "streampixel", "code": "unknown"}
    with ExporterProcess(tmp_path / "data", "--taxonomy", str(folder)) as exporter:
        assert exporter.post(ended(1)).json["accepted"] == 1
        assert exporter.total(names.SESSION_END_CODE_INFO, **of_code, severity="page") == 1
        assert exporter.total(names.SESSION_ENDS, **of_unknown) == 1
        advice = [
            dict(labels)["fix"]
            for name, labels in exporter.metrics()
            if name == names.SESSION_END_CODE_HELP and of_unknown.items() <= dict(labels).items()
        ]
        assert "extends: streampixel" in advice[0]
        assert exporter.stop() == 0

        (folder / "mine.yaml").write_text(CHANGED)
        exporter.start()
        assert exporter.post([ended(1), ended(2)]).json == {
            "accepted": 1,
            "duplicates": 1,
            "rejected": [],
        }
        assert exporter.total(names.SESSION_END_CODE_INFO, **of_code) == 1
        assert exporter.total(names.SESSION_END_CODE_INFO, **of_code, severity="ticket") == 1
        assert exporter.total(names.SESSION_ENDS, **of_code) == 1
        assert exporter.total(names.SESSION_ENDS, **of_unknown) == 1
        page = exporter.request("ops", "GET", "/codes/streampixel/4006").body.decode()
        assert f"{folder}/mine.yaml:4 (severity, aliases)" in page
        # The runbook written by hand stays.
        assert "go back to the previous build now" in page
        added = exporter.request("ops", "GET", "/codes/streampixel/4242")
        assert (added.status, "Buy more." in added.body.decode()) == (200, True)
        assert "Out Of Quota" in exporter.request("ops", "GET", "/codes").body.decode()
