"""`backtest`: exit codes, JSON, standard input, and simulated incidents."""

import gzip
import json
import re
import shutil
import sys
from datetime import datetime, timedelta, timezone
from io import StringIO
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml
from rich.console import Console

from exporter.backtest.command import backtest
from exporter.errors import ConfigError
from exporter.rule_files import RULES
from exporter.simulate.history import DAY
from exporter.simulate.scenario import MONDAY
from exporter.timestamps import rfc3339
from tests.backtest.histories import NOW, event, run, write
from tests.commands.running import call
from tests.taxonomy.mistakes import VALID


def alerts_of(
    path: Path, capsys: pytest.CaptureFixture[str], **options: Any
) -> list[dict[str, Any]]:
    done = run([path], json=True, **options)
    assert (done.code, done.text) == (0, ""), done.errors
    alerts: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return alerts


def test_report_is_complete_without_a_writable_standard_error(tmp_path: Path) -> None:
    """The progress was written to it although it is no terminal."""
    path, report = write(tmp_path / "a.ndjson", [event(0.0), event(60.0)]), StringIO()
    full = mock.Mock(spec=StringIO, **{"isatty.return_value": False, "write.side_effect": OSError})
    assert backtest([path], Console(file=report), Console(file=full), now=lambda: NOW) == 0
    assert "2 ends counted" in report.getvalue()


def outage(
    system: str = "streampixel", failing: str = "4001", start: float = 0.0
) -> list[dict[str, Any]]:
    """An end every 20 s: an hour of successes, then an hour of failures."""
    codes = ["1000"] * 180 + [failing] * 180
    return [event(start + 20.0 * number, code, system=system) for number, code in enumerate(codes)]


def test_json_has_an_object_per_alert_with_times_in_utc(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alerts = alerts_of(write(tmp_path / "a.ndjson", outage()), capsys)
    spike, stopped = (
        next(alert for alert in alerts if alert["labels"]["signal"] == signal)
        for signal in ("spike", "stopped")
    )
    assert re.fullmatch(r"2026-01-05T01:0\d:[03]0Z", spike["start"])
    assert spike == {
        "labels": {
            "alertname": "SessionEndSpike",
            "signal": "spike",
            "severity": "page",
            "system": "streampixel",
            "code": "4001",
            "name": "No Worker Node Available",
            "phase": "connect",
            "category": "capacity",
            "owner": "capacity",
        },
        "start": spike["start"],
        "end": None,
        "notified": spike["notified"],
    }
    waited = datetime.fromisoformat(spike["notified"]) - datetime.fromisoformat(spike["start"])
    assert waited == timedelta(seconds=40)
    assert stopped["labels"]["alertname"] == "SessionEndsStopped"
    assert "code" not in stopped["labels"]


def test_alerts_of_several_systems_are_in_order_of_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "a.ndjson", [*outage(), *outage("softdrive", "18", 305.0)])
    starts = [alert["start"] for alert in alerts_of(path, capsys)]
    assert starts == sorted(starts)
    pages, _, codes = re.split("Would have opened|Noisy codes", run([path]).text)
    times = re.findall(r"\d\d:\d\d(?=  )", pages)
    assert times == sorted(times)
    assert len(times) == 3
    assert codes.split()[0] == "System"


def test_system_that_stops_before_the_others_is_reported(tmp_path: Path) -> None:
    """Fails when the history of each system ends with its own last event."""
    events = [event(at * 10.0, "1000") for at in range(1800)]
    events += [event(at * 10.0, None, id=f"s-{at}", system="softdrive") for at in range(2520)]
    text = run([write(tmp_path / "a.ndjson", events)]).text
    assert "SessionEndsStopped on streampixel" in text
    assert "Stopped on softdrive" not in text


def test_json_names_unknown_codes_in_their_alert(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = [event(at * 20.0, f"4001 n{at % 12:02}", **{"Error Code": "x"}) for at in range(360)]
    path = write(tmp_path / "a.ndjson", events)
    alerts = {alert["labels"]["alertname"]: alert for alert in alerts_of(path, capsys)}
    alert = alerts["SessionEndExporterUnknownCodes"]
    assert alert["labels"]["severity"] == "ticket"
    assert alert["labels"]["system"] == "streampixel"
    shown = [f"4001 n{number:02}" for number in range(10)]
    assert alert["unknown_codes"] == dict.fromkeys(shown, 30)
    assert alerts["SessionEndElevated"]["unknown_codes"] == dict.fromkeys(shown, 30)
    errors = run([path], json=True).errors
    assert errors.splitlines()[-2:] == [
        "ignored fields: Error Code (near code)",
        "360 ends of streampixel with unknown codes, the most frequent: "
        + ", ".join(f"{code} (30)" for code in shown),
    ]


RULE = {"alert": "Mine", "expr": 'sum(rate({__name__=~"session_ends_total"}[5m])) > 0'}


def rule_folder(path: Path, **rule: Any) -> Path:
    path.mkdir()
    group = {"name": "own", "rules": [RULE | rule]}
    (path / "own.yaml").write_text(yaml.safe_dump({"groups": [group]}))
    return path


def test_rules_with_other_labels_are_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "a.ndjson", outage())
    rules = rule_folder(tmp_path / "rules", labels={"code": "unknown"})
    (alert,) = alerts_of(path, capsys, rules=rules)
    assert alert["unknown_codes"] == {}
    done = run([path], rules=rules)
    assert (done.code, done.errors) == (0, "")
    assert re.search(r"1  1h 59m\+  unknown Mine on all", done.text)
    assert "Would have paged: 0" in done.text


@pytest.mark.parametrize(
    ("expr", "message"),
    [
        (
            "predict_linear(session_ends_total[1h], 60)",
            "function 'predict_linear' is not supported",
        ),
        (
            "count_over_time(ALERTS[1h:])",
            "a subquery over the rule's own or a later rule's results",
        ),
    ],
    ids=["function", "order"],
)
def test_unsupported_rule_is_named_before_the_events_are_read(
    tmp_path: Path, expr: str, message: str
) -> None:
    rules = rule_folder(tmp_path / "rules", expr=expr)
    with pytest.raises(ConfigError, match=rf"/own\.yaml: group 'own', rule 'Mine': {message}"):
        run([tmp_path / "missing.ndjson"], rules=rules)


def test_metrics_without_a_source_are_named(tmp_path: Path) -> None:
    """Without baseline.yml no spike is found, and the report used to say "Would have paged: 0"."""
    path, rules = write(tmp_path / "a.ndjson", outage()), tmp_path / "rules"
    shutil.copytree(RULES, rules)
    assert run([path], rules=rules).errors == ""
    (rules / "baseline.yml").unlink()
    (rules / "own.yml").write_text(
        "groups: [{name: own, interval: 1m, rules: [{alert: Mine, expr: own_metric > 1}]}]"
    )
    assert run([path], rules=rules).errors == (
        "warning: rules read own_metric, system_code:session_ends:share, which no rule records and "
        "backtest does not know: is a rule file missing?\n"
    )


def test_missing_rules_events_or_times_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ndjson", [event(0.0, occurred_at=None)] * 2)
    with pytest.raises(ConfigError, match="no rule file"):
        run([path], rules=tmp_path)
    with pytest.raises(ConfigError, match="/none: cannot be read: No such file"):
        run([tmp_path / "none"])
    with pytest.raises(ConfigError) as error:
        run([path])
    assert str(error.value) == (
        "no end to replay in 2 events; 1 skipped: without occurred_at; "
        "1 skipped: duplicates of earlier events"
    )


def test_invalid_lines_and_duplicates_are_counted_in_the_report(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ndjson", outage())
    path.write_text(path.read_text() + '{"system": "mine\\u001b[2J[/b]"}\n{"system"\n')
    done = run([path, path])
    assert done.code == 0
    first, second, *_ = done.errors.splitlines()
    assert first.startswith(f"{path}:361: skipped: system: 'mine<U+001B>[2J[/b]' is not loaded")
    assert second.startswith(f"{path}:362: skipped: not JSON")
    lines = [line.strip() for line in done.text.splitlines()]
    assert "360 ends counted of 724 events in 2 files" in lines
    assert "360 skipped: duplicates of earlier events" in lines
    assert "2 skipped: rejected by the exporter (unknown_system)" in lines


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"since": "yesterday"}, "--since = 'yesterday': must be a date such as 2026-01-05"),
        ({"until": "2026-01-05T08:00:00"}, "--until = '2026-01-05T08:00:00': must be a date such"),
        ({"since": "2026-01-06", "until": "2026-01-05"}, "--since 2026-01-06 is not before"),
        ({"since": "2026-01-06"}, "--since, --until: no end of a session between them"),
    ],
    ids=["no time", "no time zone", "reversed", "outside"],
)
def test_invalid_option_exits_with_2_and_its_rule(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    done = run([write(tmp_path / "a.ndjson", outage())], **options)
    assert (done.code, done.text) == (2, "")
    assert done.errors.startswith(f"error: {message}")


def test_since_takes_a_date_in_utc_or_a_time_with_an_offset(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "a.ndjson", [*outage(), event(2 * DAY, "1000")])
    every = alerts_of(path, capsys)
    assert alerts_of(path, capsys, since=rfc3339(MONDAY)[:10]) == every
    first = every[0]["start"]
    later = datetime.fromisoformat(first).astimezone(timezone(timedelta(hours=1)))
    later += timedelta(seconds=1)
    assert alerts_of(path, capsys, since=later.isoformat()) == every
    early = alerts_of(path, capsys, until=later.isoformat())
    assert early == [alert for alert in every if alert["start"] <= first]
    assert 0 < len(early) < len(every)


def test_column_option_names_the_column_of_the_code(tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    table.write_text("system,error_code,Time\nstreampixel,4001,2026-01-05T00:00:00Z\n")
    with pytest.raises(ConfigError, match=r"a\.csv: the header has no column `code`"):
        run([table])
    done = run([table], columns=("code=error_code", "occurred_at=Time"))
    assert (done.code, done.errors) == (0, "")
    assert "1 ends" in done.text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x28\xb5\x2f\xfd", "the file is zstd"),
        (
            gzip.compress(b"system,code,occurred_at\n")[:-8],
            "cannot be read: Compressed file",
        ),
    ],
    ids=["zstd", "truncated"],
)
def test_file_that_cannot_be_read_to_its_end_has_no_report(
    tmp_path: Path, content: bytes, message: str
) -> None:
    """A report on the other files alone was wrong, with exit code 0."""
    path, other = write(tmp_path / "a.ndjson", outage()), tmp_path / "b.csv.gz"
    other.write_bytes(content)
    with pytest.raises(ConfigError, match=rf"b\.csv\.gz: {message}"):
        run([path, other])


def test_taxonomy_option_adds_systems(tmp_path: Path) -> None:
    (tmp_path / "codes").mkdir()
    (tmp_path / "codes" / "acme.yaml").write_text(VALID)
    path = write(tmp_path / "a.ndjson", [event(0.0), event(1.0, "07", system="acme")])
    done = call("backtest", path, "--taxonomy", tmp_path / "codes")
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 ends counted of 2 events" in done.stdout


def test_missing_package_is_named_with_its_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "promql_parser", None)
    done = call("backtest", __file__)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: backtest needs the package promql-parser: "
        "pip install 'session-end-exporter[backtest]'\n"
    )
