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


def crash(number: int) -> dict[str, object]:
    return {"id": f"e{number}", "system": "streampixel", "code": "Game Crashed"}


def test_overlay_changes_severity_and_its_alias_counts_after_a_restart(tmp_path: Path) -> None:
    folder = tmp_path / "codes"
    folder.mkdir()
    (folder / "mine.yaml").write_text("extends: streampixel\n")
    known = {"system": "streampixel", "code": "4006"}
    unknown = {"system": "streampixel", "code": "unknown"}
    with ExporterProcess(tmp_path / "data", "--taxonomy", str(folder)) as exporter:
        assert exporter.post(crash(1)).json["accepted"] == 1
        assert exporter.total(names.SESSION_END_CODE_INFO, **known, severity="page") == 1
        assert exporter.total(names.SESSION_ENDS, **unknown) == 1
        (advice,) = (
            dict(labels)["fix"]
            for name, labels in exporter.metrics()
            if name == names.SESSION_END_CODE_HELP and unknown.items() <= dict(labels).items()
        )
        assert "extends: streampixel" in advice
        assert exporter.stop() == 0

        (folder / "mine.yaml").write_text(CHANGED)
        exporter.start()
        reply = exporter.post([crash(1), crash(2)]).json
        assert reply == {"accepted": 1, "duplicates": 1, "rejected": []}
        assert exporter.total(names.SESSION_END_CODE_INFO, **known) == 1
        assert exporter.total(names.SESSION_END_CODE_INFO, **known, severity="ticket") == 1
        assert exporter.total(names.SESSION_ENDS, **known) == 1
        assert exporter.total(names.SESSION_ENDS, **unknown) == 1
        page = exporter.request("ops", "GET", "/codes/streampixel/4006").body.decode()
        assert f"{folder}/mine.yaml:4" in page
        # The runbook written by hand stays.
        assert "go back to the previous build now" in page
        # A shipped system's added code has no runbook.
        added = exporter.request("ops", "GET", "/codes/streampixel/4242")
        assert (added.status, "Buy more." in added.body.decode()) == (200, True)
        assert "Out Of Quota" in exporter.request("ops", "GET", "/codes").body.decode()
