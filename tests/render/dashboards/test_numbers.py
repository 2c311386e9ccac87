"""Numbers of single queries on made series, by promtool: what a live installation shows only on a bad day."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.render.dashboards.shipped import find, interpolated, of

VALUES = {"system": ".+", "code": "4001", "instance": ".+", "__rate_interval": "5m"}
SAMPLES = "x10"


def query(title: str, ref: str) -> str:
    return interpolated(of(title, ref).expr, VALUES)


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


def test_a_system_in_which_nothing_ended_has_no_ratio_instead_of_nan(tmp_path: Path) -> None:
    """Nothing divided by nothing is NaN, which Grafana shows instead of the words for no data."""
    quiet = {
        'system:session_ends:error_ratio1h{system="softdrive"}': "NaN " * 11,
        'system:session_ends:failures5m{system="softdrive"}': f"0{SAMPLES}",
        'system:session_ends:counted5m{system="softdrive"}': f"0{SAMPLES}",
    }
    for title in (
        "Do sessions end well?",
        "Is the objective kept? Error",
        "Is the objective kept? Success",
        "How fast does it burn now?",
    ):
        assert evaluated(tmp_path, quiet, query(title, "A")) == "", title


def test_the_error_budget_is_what_the_objective_leaves(tmp_path: Path) -> None:
    """2 failures among 1,000 are 0.2 %: of the 0.5 % that 99.5 % allow, 60 % are left."""
    ends = {
        'system:session_ends:failures5m{system="softdrive"}': f"2{SAMPLES}",
        'system:session_ends:counted5m{system="softdrive"}': f"1000{SAMPLES}",
    }
    left = evaluated(
        tmp_path,
        ends,
        f"round({query('Is the objective kept? Error', 'A')}, 0.0001)",
        ('{system="softdrive"}', 0.6),
    )
    assert left == ""


def test_durations_of_a_ledger_that_two_replicas_show_count_once(tmp_path: Path) -> None:
    """10 short sessions a minute on ledger a, which is shown twice, 15 long ones on b: the median is long."""
    series: dict[str, str] = {
        'session_end_code_info{system="streampixel",code="4001",outcome="failure"}': f"1{SAMPLES}"
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
    median = query("How long did such sessions last", "B")
    complaint = evaluated(
        tmp_path,
        series,
        f"{median} > bool 1",
        ('{system="streampixel", outcome="failure"}', 1),
    )
    assert complaint == ""


def test_alerts_of_somebody_elses_rules_are_not_in_the_table(tmp_path: Path) -> None:
    labels = 'alertname="Ours",signal="spike",severity="page",system="softdrive"'
    series = {
        f'ALERTS{{alertstate="firing",{labels}}}': f"1{SAMPLES}",
        f"ALERTS_FOR_STATE{{{labels}}}": f"100{SAMPLES}",
        'ALERTS{alertstate="firing",alertname="Theirs",severity="page"}': f"1{SAMPLES}",
        'ALERTS_FOR_STATE{alertname="Theirs",severity="page"}': f"100{SAMPLES}",
    }
    expr = interpolated(
        find("session-ends", "Which alerts are firing?")["targets"][0]["expr"], VALUES
    )
    shown = '{alertname="Ours", severity="page", signal="spike", system="softdrive"}'
    assert evaluated(tmp_path, series, expr, (shown, 100_000)) == ""
    count = query("Was somebody called?", "A")
    assert evaluated(tmp_path, series, count, ("{}", 1)) == ""


def test_a_system_without_spikes_has_none_and_no_rules_have_no_number(tmp_path: Path) -> None:
    share = {'system_code:session_ends:share{system="softdrive",code="01"}': f"0.1{SAMPLES}"}
    expr = query("How many codes spike?", "A")
    assert evaluated(tmp_path, share, expr, ("{}", 0)) == ""
    assert evaluated(tmp_path, {"up": f"1{SAMPLES}"}, expr) == ""
