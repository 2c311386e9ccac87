"""Ends by region, and the place that a description names."""

from dataclasses import replace
from pathlib import Path

import pytest

from exporter.backtest.replay import load_rules
from exporter.promql.run import Run
from tests.lab.cases import CASES
from tests.lab.places import by_region, named_place, place_metrics
from tests.lab.runs import trial

RULE = """
groups:
  - name: g
    rules:
      - record: parts
        expr: sum by (label, value, system, code) (increase(session_ends_by_label_total[15m]))
      - alert: A
        expr: sum by (system, code) (increase(session_ends_total{code="4005"}[5m])) > 3
        labels: {signal: spike}
        annotations:
          description: >-
            {{ with printf "sum(ALERTS{code=%q})" $labels.code | query }}{{ end }}
            {{ $in := printf "{code=%q, cluster=%q}" $labels.code $labels.cluster -}}
            {{ $all := $in | printf "sum(parts%s)" -}}
            {{ range $number, $value := printf "%[2]s > on () group_left () (0.6 * %[1]s)" $all
            (printf "parts%s" $in) | query }}
            {{ printf "parts{label=%q}" .Labels.label | query }}{{ end }}
"""


def test_all_ends_of_a_failing_region_have_the_outages_code() -> None:
    (history,) = CASES["region 10%"].histories(1_000, 1)
    regions = by_region(history)
    assert (sum(regions.values()) == history.ends).all()
    outage = history.incidents[0]
    column = history.codes.index("4005")
    bins = history.bins(outage.start, outage.end)
    failing = regions["region", "ap"]
    assert failing[bins, column].sum() == failing[bins].sum() > 0
    before = history.bins(history.start, outage.start)
    assert failing[before].sum() / history.ends[before].sum() == pytest.approx(0.1, rel=0.05)


def test_place_is_read_from_the_queries_of_the_description(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(RULE)
    groups = load_rules(tmp_path)
    assert place_metrics(groups) == {"parts"}
    (history,) = CASES["region 10%"].histories(1_000, 1)
    item = trial(history, regions=True)
    counters = item.counters
    run = Run(groups, counters.series(item.system), counters.start, counters.end, keep={"parts"})
    outage = history.incidents[0]
    inside, *_ = (firing for firing in run.firings if outage.start < firing.start < outage.end)
    assert named_place(run, inside) == "region ap"
    assert named_place(run, replace(inside, labels={**inside.labels, "code": "none"})) == ""
