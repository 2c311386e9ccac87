"""The rules of Grafana's dashboard-linter, and the project's own, for the committed JSON."""

import re
from collections import Counter
from itertools import combinations

import pytest

from dashboards.source.layout import MARK
from dashboards.source.queries import REPEATS, SHIPPED
from dashboards.source.self_monitoring import LATE_QUANTILE, LATE_SECONDS
from dashboards.source.shared import DASHBOARDS as OF_ALERTS
from dashboards.source.shared import SUMMARIES
from dashboards.source.slo import BURN_RATES
from dashboards.source.style import SEVERITIES
from exporter import names
from exporter.taxonomy.model import PHASES, Outcome
from tests.dashboards.shipped import (
    DASHBOARDS,
    FOLDER,
    PANELS,
    QUERIES,
    UIDS,
    find,
    metrics,
    panels,
    parsable,
    variables,
)
from tests.rule_groups import alerts, recording

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
UNITS = {"locale", "percentunit", "s", "bytes", "dateTimeFromNow"}
CORE = {"stat", "timeseries", "bargauge", "table", "state-timeline"}
BUILT_IN = {"__rate_interval", "__data", "__url_time_range", "__from"}
EXEMPLARS = {names.SESSION_ENDS, names.SESSION_ENDS_LATE, names.SESSION_INTERRUPTIONS}
COUNTERS = {*EXEMPLARS, names.SESSION_ENDS_BY_LABEL, names.SESSION_END_REPEATS}
"""Counters of a ledger, which replicas share; all other counters belong to one exporter."""


def test_each_dashboard_has_a_title_of_its_own_and_says_not_to_edit_it() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(UIDS)
    assert len({dashboard["title"] for dashboard in DASHBOARDS.values()}) == len(UIDS)
    for uid in UIDS:
        assert MARK in (FOLDER / f"{uid}.json").read_text()[:400], uid


def test_queries_read_known_metrics() -> None:
    constants = {value for value in vars(names).values() if isinstance(value, str)}
    scraped = {text for text in constants if re.match(r"session_\w+$", text)}
    known = scraped | {f"{metric}_bucket" for metric in scraped} | recording().keys()
    for query in QUERIES:
        assert metrics(parsable(query.expr)) <= known | {"ALERTS", "ALERTS_FOR_STATE"}, query
        # Without configured labels, the variable is empty.
        metrics(parsable(query.expr, label=""))


def test_rates_are_of_counters_in_grafanas_interval_or_a_recorded_window() -> None:
    for query in QUERIES:
        ranges = re.findall(r"\b(rate|increase|irate|delta)\((\w+)[^[]*\[([^]]+)\]", query.expr)
        for function, metric, window in ranges:
            assert metric.endswith(("_total", "_bucket")), query
            recorded = f"{names.RULE_COUNT}{window}" in recording() and f"({window})" in query.panel
            assert recorded or window == "$__rate_interval", (function, query)
            # Replicas count once.
            if metric in COUNTERS or metric == f"{names.SESSION_DURATION}_bucket":
                assert re.search(r"max by \((cluster, )?ledger, ", query.expr), query


def test_queries_contain_no_job_instance_or_cluster() -> None:
    for query in QUERIES:
        assert not re.search(r"\bjob\s*[=!]", query.expr), query
        assert not re.search(r'\b(?:instance|cluster)\s*[=!]~?\s*"(?!\$)', query.expr), query


def test_exemplars_are_asked_for_where_there_are_any() -> None:
    """Only the collector's three counters have exemplars; a recorded series has none."""
    for query in QUERIES:
        counted = metrics(parsable(query.expr)) & EXEMPLARS
        drawn = bool(counted) and "instant" not in query.target and query.expr.startswith("60 *")
        assert query.target.get("exemplar", False) == drawn, query
    assert sum("exemplar" in query.target for query in QUERIES) == 5


@pytest.mark.parametrize("uid", UIDS)
def test_dashboard_declares_its_variables_and_queries_the_selected_prometheus(uid: str) -> None:
    dashboard, declared = DASHBOARDS[uid], variables(uid)
    annotations = dashboard["annotations"]["list"]
    texts = [str((panel["title"], panel["targets"])) for panel in panels(dashboard)]
    texts += [str(variable["query"]) for variable in declared.values()]
    texts += [annotation["expr"] for annotation in annotations]
    # $1 is a group of label_replace; Grafana leaves it as it is.
    pairs = re.findall(r"\$(?:\{(\w+)|([a-z_]\w*))", " ".join(texts))
    assert {braced or plain for braced, plain in pairs} <= set(declared) | BUILT_IN
    assert declared["datasource"]["query"] == "prometheus"
    asking = [*panels(dashboard), *annotations]
    asking += [variable for variable in declared.values() if variable["type"] == "query"]
    assert all(part["datasource"] == SOURCE for part in asking)


def test_panels_say_whether_they_count_repeats() -> None:
    """Counters include the repeats of a user, records do not: neighbors that differ must say why."""
    counters = {names.SESSION_ENDS, names.SESSION_ENDS_BY_LABEL}
    said = {}
    for panel in PANELS:
        exprs = [parsable(target["expr"]) for target in panel["targets"]]
        read = {name for expr in exprs if "[" in expr for name in metrics(expr)}
        match = re.search(rf"(With|Without) {REPEATS}", panel["description"])
        said[panel["title"]] = match and match[1]
        assert (said[panel["title"]] == "With") == bool(read & counters), panel["title"]
    assert said["Sessions ended (1h)"] == said["Failures by category (1h)"] == "Without"


def test_every_panel_has_description_unit_and_a_text_for_no_data() -> None:
    for panel in PANELS:
        defaults = panel["fieldConfig"]["defaults"]
        assert re.fullmatch(r".{40,}\.", panel["description"]), panel["title"]
        short = ("–", "Never", "No such code") if panel["type"] == "stat" else ()
        assert len(defaults["noValue"]) > 12 or defaults["noValue"] in short, panel["title"]
        assert defaults["unit"] in UNITS, panel["title"]
        assert panel["type"] in CORE, panel["title"]
        assert panel["targets"], panel["title"]


@pytest.mark.parametrize("uid", UIDS)
def test_titles_are_distinct_noun_phrases_and_panels_fill_the_grid(uid: str) -> None:
    every = DASHBOARDS[uid]["panels"]
    for key in ("id", "title"):
        assert set(Counter(panel[key] for panel in every).values()) == {1}
    for panel in every:
        assert re.fullmatch(r"[^?]+", panel["title"])
    places = [panel["gridPos"] for panel in every]
    cells = [
        {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        for at in places
    ]
    assert not any(first & second for first, second in combinations(cells, 2))
    height = max(at["y"] + at["h"] for at in places)
    assert set().union(*cells) == {(x, y) for x in range(24) for y in range(height)}


def test_outcome_has_one_color_in_every_panel() -> None:
    shown = {
        (override["matcher"]["options"], changed["value"]["fixedColor"])
        for panel in PANELS
        for override in panel["fieldConfig"]["overrides"]
        for changed in override["properties"]
        if changed["id"] == "color" and override["matcher"]["options"] in set(Outcome)
    }
    assert shown == {("success", "green"), ("neutral", "#8e8e8e"), ("failure", "red")}


def test_phases_come_in_lifecycle_order() -> None:
    phases = find("session-ends", "Failures by phase")["targets"]
    order = [re.search(r'phase="(\w+)"', target["expr"])[1] for target in phases]
    assert order == [*PHASES, "unknown"]


def test_thresholds_in_panels_are_those_of_the_rules() -> None:
    burn = " ".join(alerts()["SessionEndBudgetBurn"]["expr"].split())
    for long, short, factor in BURN_RATES:
        for window in (long, short):
            ratio = rf"{names.RULE_ERROR_RATIO}{window} > on \((cluster, )?system\) {factor:g} \*"
            assert re.search(ratio, burn), f"{ratio}: change BURN_RATES in dashboards/source/slo.py"
    delayed = alerts()["SessionEndExporterEventsDelayed"]["expr"]
    assert delayed.startswith(f"histogram_quantile({LATE_QUANTILE}, ")
    assert delayed.endswith(f"> {LATE_SECONDS}")


def test_signals_and_severities_in_panels_are_those_of_the_rules() -> None:
    labels = [rule["labels"] for rule in alerts().values()]
    signals = {label["signal"] for label in labels} - {"watchdog"}
    assert signals == set(SHIPPED.split('"')[1].split("|"))
    # An alert without a severity takes it from the code: page, ticket or none.
    severities = {label["severity"] for label in labels if "severity" in label}
    assert severities - {"none"} == set(SEVERITIES)
    for rule in alerts().values():
        words = SUMMARIES.get(rule["labels"]["signal"], "")
        assert words in rule["annotations"]["summary"]


def test_link_of_every_alert_leads_to_a_dashboard_with_its_variables() -> None:
    for name, rule in alerts().items():
        url = rule["annotations"]["dashboard_url"]
        uid = re.search(r"/d/([\w-]+)", url)[1]
        assert set(re.findall(r"var-(\w+)=", url)) <= set(variables(uid)), name


def test_alert_list_links_each_alert_to_the_dashboard_of_its_notification() -> None:
    for name, rule in alerts().items():
        signal, url = rule["labels"]["signal"], rule["annotations"]["dashboard_url"]
        linked = re.search(r"/d/(.+)\{\{ end", url)[1]
        linked = linked.replace("{{ $labels.system }}", "s").replace("{{ $labels.code }}", "01")
        if signal != "watchdog":
            has_code = "var-code" in linked or signal == "exporter"
            path = f"{signal}/s/{'01' if has_code else ''}"
            # The last match counts, and $1 is a group, as in PromQL's label_replace.
            replaced = [
                match.expand(re.sub(r"\$(\d)", r"\\\1", dashboard))
                for pattern, dashboard in OF_ALERTS.items()
                if (match := re.fullmatch(pattern, path))
            ]
            assert replaced[-1].rstrip("?&") == linked, name


def test_bars_in_tables_have_a_range_of_their_own() -> None:
    """Without min and max, Grafana takes the range of all numbers in a table: bars of shares are empty."""
    bars = 0
    for panel in PANELS:
        for override in panel["fieldConfig"]["overrides"]:
            properties = {item["id"]: item["value"] for item in override["properties"]}
            if properties.get("custom.cellOptions", {}).get("type") == "gauge":
                bars += 1
                assert properties.keys() >= {"min", "max"}, panel["title"]
    assert bars


def test_only_the_trend_of_the_top_codes_becomes_a_sparkline() -> None:
    """Grafana takes a table of one row for a series, so the transformation names the query."""
    panel = find("session-ends", "Top 10 codes")
    trend = panel["transformations"][0]
    assert (trend["id"], trend["filter"]["options"]) == ("timeSeriesTable", "D")
    assert [target["refId"] for target in panel["targets"] if "instant" not in target] == ["D"]


def test_tables_of_several_queries_are_joined_by_a_key_that_each_query_has() -> None:
    """Grafana's transformation "merge" would not join empty results, and would let the user choose one."""
    for panel in PANELS:
        if panel["type"] == "table" and len(panel["targets"]) > 1:
            (joined,) = [item for item in panel["transformations"] if item["id"] == "joinByField"]
            assert joined["options"] == {"byField": "key", "mode": "outer"}
            for target in panel["targets"]:
                assert '"key", "/", "' in target["expr"]
