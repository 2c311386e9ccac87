"""Results of single dashboard queries on constant series, evaluated by promtool."""

from collections.abc import Mapping
from pathlib import Path

import yaml

from tests.dashboards.shipped import interpolated, query_of
from tests.programs import output
from tests.rules.rule_test import Case

Check = tuple[Mapping[str, str], str, dict[str, float]]


def query(title: str, ref: str = "A", uid: str = "") -> str:
    values = {"system": ".+", "code": "4001", "instance": ".+", "__rate_interval": "5m"}
    return interpolated(query_of(title, ref, uid).expr, **values)


def check(folder: Path, *checks: Check) -> None:
    """Assert that after ten minutes of the series each query gives exactly these values by labels."""
    tests = [
        Case(series, queries=[(10, expr, expected)]).document() for series, expr, expected in checks
    ]
    path = folder / "test.yml"
    path.write_text(yaml.safe_dump({"evaluation_interval": "1m", "tests": tests}))
    output("promtool", "test", "rules", path)


def test_success_ratio_is_green_from_the_objective_of_its_system_on(tmp_path: Path) -> None:
    """Another system with a lower objective does not change the color."""
    softdrive, other = '{system="softdrive"}', '{system="other"}'
    checks: list[Check] = []
    for failures, met in ((5, True), (6, False)):
        series = {}
        for system, objective in (("softdrive", 0.995), ("other", 0.9)):
            of = f'system="{system}"'
            series |= {
                f"system:session_end_objective:max{{{of}}}": f"{objective}x10",
                f"system:session_ends:error_ratio1h{{{of}}}": f"{failures / 1000}x10",
            }
            for outcome, count in (("failure", failures), ("success", 1000 - failures)):
                record = f'system_outcome:session_ends:increase5m{{{of},outcome="{outcome}"}}'
                series[record] = f"{count}x10"
        for uid in ("session-ends", "session-ends-slo"):
            green, red = (f"({query('Success ratio', ref, uid)}) > bool 0" for ref in "AB")
            checks.append((series, green, {other: 1, softdrive: 1} if met else {other: 1}))
            checks.append((series, red, {} if met else {softdrive: 1}))
    check(tmp_path, *checks)


def test_durations_of_a_ledger_that_two_replicas_show_count_once(tmp_path: Path) -> None:
    """Per minute: 10 short sessions on ledger a, shown by two replicas, and 15 long on b; the median is
    long."""
    info = '{system="streampixel",code="4001",outcome="failure"}'
    series = {f"system_code:session_end_code_info:newest{info}": "1x10"}
    for instance, ledger, short, every in (
        ("first", "a", "0+10x10", "0+10x10"),
        ("second", "a", "0+10x10", "0+10x10"),
        ("third", "b", "0x10", "0+15x10"),
    ):
        total = f'instance_code:session_ends:sum{{instance="{instance}",ledger="{ledger}"}}'
        series[total] = "1x10"
        for bound, values in (("1", short), ("100", every), ("+Inf", every)):
            labels = f'system="streampixel",outcome="failure",instance="{instance}",le="{bound}"'
            series[f"session_duration_seconds_bucket{{{labels}}}"] = values
    median = f"{query('Session duration', 'B')} > bool 1"
    check(tmp_path, (series, median, {'{system="streampixel", outcome="failure"}': 1}))


def test_alert_list_has_summary_links_and_start_of_each_shipped_alert(tmp_path: Path) -> None:
    """The list omits alerts of other rule files. The gap of three minutes is a restart of Prometheus."""
    alerts = {
        'alertname="SessionEndSpike",signal="spike",severity="page",system="s",code="01",name="Lost"': (
            "_x2 1 1 stale _x2 1x5",
            '{severity="page", system="s", code="01", title="01 Lost spike on s", runbook="/codes/s/01",'
            ' dashboard="session-end-code?var-system=s&var-code=01&"}',
            120_000,
        ),
        'alertname="SessionEndNewCode",signal="new",severity="ticket",system="s",code="unknown"'
        ',name="Unknown code"': (
            "_x5 1x5",
            '{severity="ticket", system="s", code="unknown", title="Unknown code is new on s",'
            ' runbook="/codes/s/unknown", dashboard="session-end-code?var-system=s&var-code=unknown&"}',
            300_000,
        ),
        'alertname="SessionEndBudgetBurn",signal="budget",severity="ticket",system="s"': (
            "_x10 1x1",
            '{severity="ticket", system="s", title="Error budget burns too fast on s",'
            ' runbook="/alerts/SessionEndBudgetBurn", dashboard="session-ends-slo?var-system=s&"}',
            600_000,
        ),
        'alertname="SessionEndExporterLedgerNotWritable",signal="exporter",severity="page"'
        ',instance="e:1"': (
            "_x5 1x5",
            '{severity="page", title="Exporter: Ledger Not Writable e:1",'
            ' runbook="/alerts/SessionEndExporterLedgerNotWritable", dashboard="session-end-exporter?"}',
            300_000,
        ),
    }
    series = {
        f'ALERTS{{alertstate="firing",{labels}}}': values for labels, (values, *_) in alerts.items()
    }
    series['ALERTS{alertstate="firing",alertname="Theirs",severity="page"}'] = "1x10"
    shown = {row: began for _, row, began in alerts.values()}
    alert_list = query("Alert list", uid="session-ends")
    columns = f"sum by (severity, system, code, title, runbook, dashboard) ({alert_list})"
    check(tmp_path, (series, columns, shown), (series, query("Alerts firing"), {"{}": 2}))
