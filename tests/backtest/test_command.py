"""`backtest` as it is used: exit codes, JSON, standard input, and a fortnight whose truth is known."""

import json
import re
import shutil
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.errors import ConfigError
from exporter.rule_files import folder
from exporter.simulate.events import ndjson
from exporter.simulate.history import Incident
from exporter.simulate.scenario import MONDAY, simulate
from exporter.simulate.traffic import DAY, HOUR, Traffic
from tests.backtest.histories import event, rfc3339, run, write

PLAN = (
    ("capacity-large", 3 * DAY + 10 * HOUR),
    ("crash-loop", 5 * DAY + 2 * HOUR),
    ("stop", 8 * DAY + 12 * HOUR),
    ("new-code", 10 * DAY + 15 * HOUR),
)
KEEPING = Traffic(1000.0, failing=0.0025)
"""Half of what the shipped objective allows: with the profile's usual failures of 5 % its budget burns all
the time, and says so. The noise is the usual one, users' retries and restarts among it."""
AFTER = {"budget": 3 * DAY}
"""Seconds: the longest window, in which an outage goes on to burn the budget. Others look back 10 minutes."""


def found(path: Path, capsys: pytest.CaptureFixture[str], **options: Any) -> list[dict[str, Any]]:
    ran = run([path], json=True, **options)
    assert (ran.code, ran.text) == (0, ""), ran.errors
    alerts: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return alerts


def about(incident: Incident, alert: dict[str, Any]) -> bool:
    """Whether the alert began while the incident went on or could still be seen, and is about its codes,
    or about the budget that it used."""
    signal = alert["labels"]["signal"]
    last = incident.end + AFTER.get(signal, 600.0)
    same = alert["labels"].get("code") in incident.codes if incident.codes else signal == "stopped"
    return rfc3339(incident.start) <= alert["start"] <= rfc3339(last) and (
        same or signal == "budget"
    )


def names(incident: Incident, alert: dict[str, Any]) -> bool:
    """Whether the alert says what it should, to whom it should, while the incident went on."""
    during = about(incident, alert) and alert["start"] <= rfc3339(incident.end)
    labels = alert["labels"]
    return (
        during and labels["severity"] == incident.expects and labels["signal"] in incident.signals
    )


def test_a_simulated_fortnight_has_its_incidents_named_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = 11
    history = simulate("streampixel", KEEPING, 14, PLAN, seed)
    path = tmp_path / "fortnight.ndjson"
    with path.open("w") as file:
        file.writelines(ndjson([history], seed))
    alerts = found(path, capsys)
    assert len(history.incidents) == len(PLAN)
    for incident in history.incidents:
        assert [one for one in alerts if names(incident, one)], incident.name
    beside = [one for one in alerts if not any(about(each, one) for each in history.incidents)]
    assert beside == []
    assert sum(one["labels"]["signal"] == "budget" for one in alerts) <= len(PLAN)


def outage(at: float = 0.0) -> list[dict[str, Any]]:
    """Two hours with an end every 20 s, after one of which 4001 begins, for as long as there are any."""
    return [
        event(at + second, "1000" if second < HOUR else "4001")
        for second in (20.0 * one for one in range(360))
    ]


def test_json_has_an_object_for_each_alert_with_times_in_utc(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alerts = found(write(tmp_path / "a.ndjson", outage()), capsys)
    spike, stopped = (
        next(one for one in alerts if one["labels"]["signal"] == signal)
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
    }
    assert stopped["labels"]["alertname"] == "SessionEndsStopped"
    assert "code" not in stopped["labels"]
    assert [one["start"] for one in alerts] == sorted(one["start"] for one in alerts)


def test_a_copy_of_the_rules_with_a_doubled_factor_pages_for_less(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """4001 goes from 1 in 50 ends to 1 in 7, which is above three times its share and below six."""
    ends = [
        event(at, "4001" if at % 500 == 0 else "1000") for at in (10.0 * n for n in range(8640))
    ]
    ends += [
        event(DAY + at, "4001" if at % 70 == 0 else "1000")
        for at in (10.0 * n for n in range(1080))
    ]
    path = write(tmp_path / "a.ndjson", ends)
    rules = tmp_path / "rules"
    shutil.copytree(folder(), rules)
    file = rules / "session-ends.yml"
    factor = "+ 3 * (system_code:session_ends:share"
    assert file.read_text().count(factor) == 3

    def pages(**options: Any) -> list[dict[str, Any]]:
        alerts = found(path, capsys, **options)
        return [one for one in alerts if one["labels"]["severity"] == "page"]

    shipped = pages()
    assert [page["labels"]["code"] for page in shipped] == ["4001"]
    assert pages(rules=rules) == shipped
    file.write_text(file.read_text().replace(factor, factor.replace("3", "6")))
    assert pages(rules=rules) == []


RULE = {"alert": "Mine", "expr": "sum(rate(session_ends_total[5m])) > 0"}


def rule_folder(path: Path, **rule: Any) -> Path:
    path.mkdir()
    group = {"name": "own", "rules": [RULE | rule]}
    (path / "own.yml").write_text(yaml.safe_dump({"groups": [group]}))
    return path


def test_rules_of_ones_own_are_reported_whatever_their_labels(tmp_path: Path) -> None:
    path, rules = write(tmp_path / "a.ndjson", outage()), rule_folder(tmp_path / "rules")
    ran = run([path], rules=rules)
    assert (ran.code, ran.errors) == (0, "")
    assert re.search(r"1  1h 59m\+  Mine on", ran.text)
    assert "Would have paged: 0" in ran.text


def test_a_rule_that_cannot_be_evaluated_is_named_with_what_is_not_supported(
    tmp_path: Path,
) -> None:
    path = write(tmp_path / "a.ndjson", outage())
    rules = rule_folder(tmp_path / "rules", expr="predict_linear(session_ends_total[1h], 60)")
    with pytest.raises(ConfigError) as raised:
        run([path], rules=rules)
    assert str(raised.value).startswith(
        f"{rules}/own.yml: group 'own', rule 'Mine': function 'predict_linear' is not supported"
    )


def test_a_rule_that_prometheus_would_fail_to_evaluate_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ndjson", outage())
    rules = rule_folder(tmp_path / "rules", expr="session_ends_total * on () session_ends_total")
    ran = run([path], rules=rules)
    assert ran.code == 0
    assert ran.errors.startswith(f"{rules}/own.yml: group 'own', rule 'Mine': fails at ")


def test_a_folder_without_rule_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no rule file"):
        run([write(tmp_path / "a.ndjson", outage())], rules=tmp_path)


def test_standard_input_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with write(tmp_path / "a.ndjson", outage()).open() as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert found(Path("-"), capsys)


def test_a_file_that_cannot_be_read_or_has_no_end_with_a_time_exits_with_1(tmp_path: Path) -> None:
    ran = run([tmp_path / "none.ndjson"])
    assert (ran.code, ran.text) == (1, "")
    assert ran.errors == f"error: {tmp_path / 'none.ndjson'}: no such file\n"
    undated = write(tmp_path / "a.ndjson", [event(0.0, occurred_at=None)] * 2)
    ran = run([undated])
    assert (ran.code, ran.text) == (1, "")
    assert ran.errors == (
        "error: no end to replay in 2 events: 1 left out without occurred_at: nothing says when they "
        "happened; 1 left out duplicates of events that came before\n"
    )


def test_what_is_wrong_with_a_line_is_told_beside_the_report(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    write(path, outage())
    path.write_text(path.read_text() + '{"system": "mine\\u001b[2J"}\n{"system"\n')
    ran = run([path])
    assert ran.code == 0
    first, second = ran.errors.splitlines()
    assert first.startswith(f"{path}:361: left out: system: 'mine\\x1b[2J' is not loaded")
    assert second.startswith(f"{path}:362: left out: not JSON")
    assert "1 left out that an exporter rejects (unknown_system)" in ran.text


def test_nothing_in_a_file_moves_the_readers_cursor(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("system,occurred_at,\x1b[2J\nstreampixel,2026-01-05T00:00:00Z,\n")
    ran = run([path])
    assert ran.code == 0
    assert "are ignored: \\x1b[2J" in ran.errors
    assert "\x1b" not in ran.errors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"since": "yesterday"}, "--since = 'yesterday': a day such as 2026-01-05"),
        ({"until": "2026-01-05T08:00:00"}, "--until = '2026-01-05T08:00:00': a day such as"),
        ({"since": "2026-01-06", "until": "2026-01-05"}, "--since 2026-01-06 is not before"),
        ({"since": "2026-01-06"}, "--since, --until: nothing of the history (streampixel is from"),
        ({"system": "mine"}, "--system = 'mine': one of softdrive, streampixel"),
    ],
    ids=["no time", "no zone", "backwards", "outside", "no such system"],
)
def test_a_wrong_option_exits_with_2_and_says_what_it_takes(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    ran = run([write(tmp_path / "a.ndjson", outage())], **options)
    assert (ran.code, ran.text) == (2, "")
    assert ran.errors.startswith(f"error: {message}")


def test_a_day_is_a_day_in_utc_and_an_instant_any_offset(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "a.ndjson", [*outage(), event(2 * DAY, "1000")])
    every = found(path, capsys)
    assert found(path, capsys, since=rfc3339(MONDAY)[:10]) == every
    first = every[0]["start"]
    later = datetime.fromisoformat(first).astimezone(timezone(timedelta(hours=1)))
    later += timedelta(seconds=1)
    late = found(path, capsys, since=later.isoformat())
    assert late == [one for one in every if one["start"] > first]
    assert 0 < len(late) < len(every)
