"""The rules of Grafana's dashboard-linter, and the project's own, over the committed JSON."""

import re
from collections import Counter
from itertools import combinations

import pytest

from dashboards.source.breakdown import PHASES as SHOWN_PHASES
from dashboards.source.latency import LATE_QUANTILE, LATE_SECONDS
from dashboards.source.layout import MARK
from dashboards.source.queries import SHIPPED
from dashboards.source.slo import BURN_RATES
from dashboards.source.style import SEVERITIES
from exporter import names
from exporter.taxonomy.model import PHASES, Outcome
from tests.dashboards import promql
from tests.dashboards.shipped import (
    FOLDER,
    UIDS,
    Json,
    PanelQuery,
    dashboards,
    find,
    interpolated,
    panel_queries,
    panels,
    variables,
)
from tests.rule_groups import alerts, recording

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
UNITS = {"short", "percentunit", "s", "bytes", "dateTimeFromNow"}
LONGEST_TITLE = 32
CORE = {"stat", "timeseries", "bargauge", "table", "state-timeline"}
BUILT_IN = {"__rate_interval", "__data", "__url_time_range", "__from"}
INTERVALS = {"__rate_interval": "1m", "label": "region"}
"""For the parser, which takes a duration or a label where Grafana writes a variable."""
PROMETHEUS = {"ALERTS", "ALERTS_FOR_STATE"}
COUNTERS = {names.SESSION_ENDS, names.SESSION_ENDS_LATE, names.SESSION_INTERRUPTIONS}
"""Of a ledger, which replicas share; all other counters are of one exporter."""
QUERIES = panel_queries()
BOARDS = dashboards()


def name(query: PanelQuery) -> str:
    return f"{query.uid} {query.panel} {query.ref}"


def test_each_dashboard_is_in_the_file_of_its_uid_and_says_not_to_edit_it() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(BOARDS) == set(UIDS)
    assert len({board["title"] for board in BOARDS.values()}) == len(UIDS)
    for path in FOLDER.glob("*.json"):
        assert MARK in path.read_text()[:400], path


def test_queries_read_known_metrics() -> None:
    constants = {value for value in vars(names).values() if isinstance(value, str)}
    scraped = {text for text in constants if re.match(r"session_\w+$", text)}
    known = scraped | {f"{metric}_bucket" for metric in scraped} | recording().keys() | PROMETHEUS
    for query in QUERIES:
        expr = interpolated(query.expr, INTERVALS)
        assert promql.metrics(expr) <= known, name(query)
        # Without configured labels, the variable is empty.
        promql.parsed(interpolated(query.expr, {**INTERVALS, "label": ""}))


def test_rates_are_of_counters_in_grafanas_interval_or_a_recorded_window() -> None:
    for query in QUERIES:
        ranges = re.findall(r"\b(rate|increase|irate|delta)\((\w+)[^[]*\[([^]]+)\]", query.expr)
        for function, metric, window in ranges:
            assert metric.endswith(("_total", "_bucket")), name(query)
            recorded = function == "increase" and f"{names.RULE_COUNT}{window}" in recording()
            assert recorded or window == "$__rate_interval", name(query)
            # Replicas count once.
            if metric in COUNTERS or metric == f"{names.SESSION_DURATION}_bucket":
                assert f"max by ({names.LEDGER}, " in query.expr, name(query)


def test_neither_job_nor_instance_nor_cluster_is_written_out() -> None:
    for query in QUERIES:
        assert not re.search(r"\bjob\s*[=!]", query.expr), name(query)
        assert not re.search(r'\b(?:instance|cluster)\s*[=!]~?\s*"(?!\$)', query.expr), name(query)


def test_exemplars_are_asked_for_where_there_are_any() -> None:
    """The collector gives them with its three counters; a recorded series has none."""
    for query in QUERIES:
        counted = promql.metrics(interpolated(query.expr, INTERVALS)) & COUNTERS
        drawn = bool(counted) and not query.instant and query.expr.startswith("60 *")
        assert query.target["exemplar"] == drawn, name(query)
    assert sum(query.target["exemplar"] for query in QUERIES) == 5


@pytest.mark.parametrize("uid", UIDS)
def test_every_variable_of_a_dashboard_is_declared(uid: str) -> None:
    board = BOARDS[uid]
    texts = [text for panel in panels(board) for text in (panel["title"], str(panel["targets"]))]
    texts += [str(variable["query"]) for variable in variables(board).values()]
    texts += [annotation["expr"] for annotation in board["annotations"]["list"]]
    # $1 is a group of label_replace; Grafana leaves it as it is.
    pairs = re.findall(r"\$(?:\{(\w+)|([a-z_]\w*))", " ".join(texts))
    assert {braced or plain for braced, plain in pairs} <= set(variables(board)) | BUILT_IN


@pytest.mark.parametrize("uid", UIDS)
def test_everything_asks_the_chosen_prometheus(uid: str) -> None:
    board = BOARDS[uid]
    asking = [
        *panels(board),
        *(target for panel in panels(board) for target in panel["targets"]),
        *board["annotations"]["list"],
        *(variable for variable in variables(board).values() if variable["type"] == "query"),
    ]
    assert all(part["datasource"] == SOURCE for part in asking)
    assert variables(board)["datasource"]["query"] == "prometheus"


@pytest.mark.parametrize("uid", UIDS)
def test_every_panel_has_title_description_unit_and_a_text_for_no_data(uid: str) -> None:
    for panel in panels(BOARDS[uid]):
        defaults = panel["fieldConfig"]["defaults"]
        assert re.fullmatch(r".{40,}\.", panel["description"]), panel["title"]
        assert len(defaults["noValue"]) > 5, panel["title"]
        assert defaults["unit"] in UNITS, panel["title"]
        assert panel["type"] in CORE, panel["title"]
        assert panel["targets"], panel["title"]


def rows_and_panels(board: Json) -> list[Json]:
    """Rows and panels, including the panels of folded rows."""
    rows = board["panels"]
    return [*rows, *(panel for row in rows for panel in row.get("panels", ()))]


@pytest.mark.parametrize("uid", UIDS)
def test_titles_are_short_distinct_noun_phrases(uid: str) -> None:
    for key in ("id", "title"):
        counts = Counter(panel[key] for panel in rows_and_panels(BOARDS[uid]))
        assert set(counts.values()) == {1}
    for panel in rows_and_panels(BOARDS[uid]):
        assert 0 < len(panel["title"].replace("$", "")) <= LONGEST_TITLE
        assert "?" not in panel["title"]


@pytest.mark.parametrize("uid", UIDS)
def test_panels_fill_the_grid_and_do_not_overlap(uid: str) -> None:
    places = [panel["gridPos"] for panel in rows_and_panels(BOARDS[uid])]
    cells = [
        {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        for at in places
    ]
    assert not any(first & second for first, second in combinations(cells, 2))
    height = max(at["y"] + at["h"] for at in places)
    assert set().union(*cells) == {(x, y) for x in range(24) for y in range(height)}


def test_the_first_screen_of_the_overview_is_22_rows_high() -> None:
    """A row is 30 pixels and 8 between: 22 are 836, the height that browser and Grafana leave of 1080."""
    heading = next(row for row in BOARDS["session-ends"]["panels"] if row["type"] == "row")
    assert heading["gridPos"]["y"] == 22


def colors(panel: Json) -> list[tuple[str, str]]:
    """Fixed colors of series and values by name."""
    result = []
    for override in panel["fieldConfig"]["overrides"]:
        for changed in override["properties"]:
            if changed["id"] == "color":
                result.append((override["matcher"]["options"], changed["value"]["fixedColor"]))
            if changed["id"] == "mappings":
                options = changed["value"][0]["options"]
                result += [(value, shown["color"]) for value, shown in options.items()]
    return result


def test_an_outcome_has_one_color_in_every_panel() -> None:
    shown = {
        color for board in BOARDS.values() for panel in panels(board) for color in colors(panel)
    }
    outcomes = {outcome.value for outcome in Outcome}
    expected = {("success", "green"), ("neutral", "#8e8e8e"), ("failure", "red")}
    assert {(series, color) for series, color in shown if series in outcomes} == expected


def test_phases_come_in_the_order_of_a_sessions_life() -> None:
    phases = find("session-ends", "Failures by phase")["targets"]
    order = [re.search(r'phase="(\w+)"', target["expr"])[1] for target in phases]
    assert order == [*PHASES, "unknown"] == [*SHOWN_PHASES]


def test_numbers_of_alerts_in_panels_are_those_of_the_rules() -> None:
    """Numbers that no record has in its name."""
    burn = " ".join(alerts()["SessionEndBudgetBurn"]["expr"].split())
    for long, short, factor in BURN_RATES:
        for window in (long, short):
            ratio = f"{names.RULE_ERROR_RATIO}{window} > on (system) {factor:g} *"
            assert ratio in burn, f"{ratio}: change BURN_RATES in dashboards/source/slo.py"
    delayed = alerts()["SessionEndExporterEventsDelayed"]["expr"]
    assert delayed.startswith(f"histogram_quantile({LATE_QUANTILE}, ")
    assert delayed.endswith(f"> {LATE_SECONDS}")


def test_signals_and_severities_in_panels_are_those_of_the_rules() -> None:
    labels = [rule["labels"] for rule in alerts().values()]

    assert {label["signal"] for label in labels} == set(SHIPPED.split('"')[1].split("|"))
    # An alert without a severity takes it from the code: page, ticket or none.
    assert {label["severity"] for label in labels if "severity" in label} == set(SEVERITIES)


def test_build_annotations_leave_out_the_event_that_tests_the_webhook() -> None:
    for uid in ("session-ends", "session-end-code"):
        _, builds = BOARDS[uid]["annotations"]["list"]
        assert 'event!="webhook.test"' in builds["expr"]


def test_only_the_trend_of_the_top_codes_becomes_a_sparkline() -> None:
    """Grafana takes a table of one row for a series, so the transformation names the query."""
    panel = find("session-ends", "Top 10 codes")
    trend = panel["transformations"][0]
    assert (trend["id"], trend["filter"]["options"]) == ("timeSeriesTable", "D")
    assert [target["refId"] for target in panel["targets"] if target["range"]] == ["D"]
