"""Numbers of single queries on made series, by promtool: what a live installation shows only on a bad day."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.dashboards.shipped import dashboards, find, interpolated, of

VALUES = {"system": ".+", "code": "4001", "instance": ".+", "__rate_interval": "5m"}
SAMPLES = "x10"


def query(title: str, ref: str, uid: str = "") -> str:
    return interpolated(of(title, ref, uid).expr, VALUES)


def evaluated(folder: Path, series: Mapping[str, str], expr: str, *expected: Any) -> str:
    """promtool's complaint when the query, after ten minutes, does not give exactly `expected`, which are
    pairs of labels and value."""
    document = {
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": one, "values": values} for one, values in series.items()
                ],
                "promql_expr_test": [
                    {
                        "expr": expr,
                        "eval_time": "10m",
                        "exp_samples": [
                            {"labels": labels, "value": value} for labels, value in expected
                        ],
                    }
                ],
            }
        ],
    }
    path = folder / "test.yml"
    path.write_text(yaml.safe_dump(document))
    ran = subprocess.run(
        ["promtool", "test", "rules", str(path)], capture_output=True, text=True, check=False
    )
    return "" if ran.returncode == 0 else ran.stdout + ran.stderr


OBJECTIVE = {'system:session_end_objective:max{system="softdrive"}': f"0.995{SAMPLES}"}


def test_a_system_in_which_nothing_ended_has_no_ratio_instead_of_nan(tmp_path: Path) -> None:
    """Nothing divided by nothing is NaN, which Grafana shows instead of the words for no data."""
    counts = 'system_outcome:session_ends:increase5m{system="softdrive",outcome='
    quiet = {
        'system:session_ends:error_ratio1h{system="softdrive"}': "NaN " * 11,
        f'{counts}"failure"}}': f"0{SAMPLES}",
        f'{counts}"success"}}': f"0{SAMPLES}",
        **OBJECTIVE,
    }
    for title, uid, refs in (
        ("Success ratio", "session-ends", "AB"),
        ("Error budget remaining", "session-ends", "A"),
        ("Success ratio", "session-ends-slo", "AB"),
        ("Burn rate (1h)", "session-ends-slo", "A"),
    ):
        for ref in refs:
            assert evaluated(tmp_path, quiet, query(title, ref, uid)) == "", title


def test_the_error_budget_is_what_the_objective_leaves(tmp_path: Path) -> None:
    """2 failures among 1,000 are 0.2 %: of the 0.5 % that 99.5 % allow, 60 % are left."""
    counts = 'system_outcome:session_ends:increase5m{system="softdrive",outcome='
    ends = {
        f'{counts}"failure"}}': f"2{SAMPLES}",
        f'{counts}"success"}}': f"998{SAMPLES}",
        f'{counts}"neutral"}}': f"500{SAMPLES}",
        **OBJECTIVE,
    }
    left = evaluated(
        tmp_path,
        ends,
        f"round({query('Error budget remaining', 'A', 'session-ends')}, 0.0001)",
        ('{system="softdrive"}', 0.6),
    )
    assert left == ""


@pytest.mark.parametrize(("failures", "met"), [(5, True), (6, False)])
def test_a_success_ratio_is_green_from_the_objective_of_its_system_on(
    tmp_path: Path, failures: int, met: bool
) -> None:
    """Another system with a lower objective does not change the color."""
    series = dict(OBJECTIVE)
    for system in ("softdrive", "other"):
        counts = f'system_outcome:session_ends:increase5m{{system="{system}",outcome='
        series |= {
            f'system:session_ends:error_ratio1h{{system="{system}"}}': f"{failures / 1000}{SAMPLES}",
            f'{counts}"failure"}}': f"{failures}{SAMPLES}",
            f'{counts}"success"}}': f"{1000 - failures}{SAMPLES}",
        }
    series['system:session_end_objective:max{system="other"}'] = f"0.9{SAMPLES}"
    for uid in ("session-ends", "session-ends-slo"):
        green, red = (f"({query('Success ratio', ref, uid)}) > bool 0" for ref in "AB")
        others = ('{system="other"}', 1)
        ours = ('{system="softdrive"}', 1)
        assert evaluated(tmp_path, series, green, others, *([ours] if met else [])) == "", uid
        assert evaluated(tmp_path, series, red, *([] if met else [ours])) == "", uid


def test_durations_of_a_ledger_that_two_replicas_show_count_once(tmp_path: Path) -> None:
    """10 short sessions a minute on ledger a, which is shown twice, 15 long ones on b: the median is long."""
    series: dict[str, str] = {
        'system_code:session_end_code_info:newest{system="streampixel",code="4001",outcome="failure"}': (
            f"1{SAMPLES}"
        )
    }
    for instance, ledger, short, every in (
        ("one", "a", "0+10x10", "0+10x10"),
        ("two", "a", "0+10x10", "0+10x10"),
        ("three", "b", f"0{SAMPLES}", "0+15x10"),
    ):
        series[f'instance_code:session_ends:sum{{instance="{instance}",ledger="{ledger}"}}'] = (
            f"1{SAMPLES}"
        )
        for bound, values in (("1", short), ("100", every), ("+Inf", every)):
            labels = f'system="streampixel",outcome="failure",instance="{instance}",le="{bound}"'
            series[f"session_duration_seconds_bucket{{{labels}}}"] = values
    median = query("Session duration", "B")
    complaint = evaluated(
        tmp_path,
        series,
        f"{median} > bool 1",
        ('{system="streampixel", outcome="failure"}', 1),
    )
    assert complaint == ""


def test_the_alert_list_has_shipped_alerts_with_title_and_runbook(tmp_path: Path) -> None:
    """Alerts of other rule files are not in it."""
    of_code = 'alertname="SessionEndSpike",signal="spike",severity="page",system="softdrive"'
    of_code += ',code="01",name="Connection lost"'
    of_exporter = 'alertname="SessionEndExporterDown",signal="exporter",severity="page"'
    series = {}
    for labels in (of_code, of_exporter, 'alertname="Theirs",severity="page"'):
        series[f'ALERTS{{alertstate="firing",{labels}}}'] = f"1{SAMPLES}"
        series[f"ALERTS_FOR_STATE{{{labels}}}"] = f"100{SAMPLES}"
    expr = interpolated(find("session-ends", "Alert list")["targets"][0]["expr"], VALUES)
    expr = f"sum by (severity, signal, system, code, title, runbook) ({expr})"
    code = '{severity="page", signal="spike", system="softdrive", code="01",'
    code += ' title="01 Connection lost", runbook="/codes/softdrive/01"}'
    exporter = '{severity="page", signal="exporter", title="SessionEndExporterDown",'
    exporter += ' runbook="/alerts/SessionEndExporterDown"}'
    assert evaluated(tmp_path, series, expr, (code, 100_000), (exporter, 100_000)) == ""
    assert evaluated(tmp_path, series, query("Alerts firing", "A"), ("{}", 2)) == ""


def test_codes_spiking_is_0_without_spikes_and_empty_without_rules(tmp_path: Path) -> None:
    share = {'system_code:session_ends:share{system="softdrive",code="01"}': f"0.1{SAMPLES}"}
    expr = query("Codes spiking", "A")
    assert evaluated(tmp_path, share, expr, ("{}", 0)) == ""
    assert evaluated(tmp_path, {"up": f"1{SAMPLES}"}, expr) == ""
    spike = 'ALERTS{alertname="SessionEndSpike",alertstate="firing",system="softdrive",code="01"}'
    assert evaluated(tmp_path, {**share, spike: f"1{SAMPLES}"}, expr, ("{}", 1)) == ""


def test_runbook_links_use_the_exporter_s_setting_or_the_default_address(tmp_path: Path) -> None:
    (variable,) = (
        found
        for found in dashboards()["session-ends"]["templating"]["list"]
        if found["name"] == "runbooks"
    )
    expr = variable["query"].removeprefix("query_result(").removesuffix(")")
    assert variable["hide"] == 2
    default = '{runbooks="http://127.0.0.1:10401"}'
    assert variable["current"]["value"] in default
    assert evaluated(tmp_path, {"up": f"1{SAMPLES}"}, expr, (default, 1)) == ""
    links = {
        'session_exporter_links_info{runbooks="https://r.example",dashboards="",instance="a"}': "1x10"
    }
    assert evaluated(tmp_path, links, expr, ('{runbooks="https://r.example"}', 1)) == ""
