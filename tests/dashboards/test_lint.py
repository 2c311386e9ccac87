"""The rules of Grafana's dashboard-linter, and the house's own, over the committed JSON."""

import re
from collections import Counter
from itertools import combinations, pairwise

import pytest

from dashboards.source.breakdown import PHASES as SHOWN_PHASES
from dashboards.source.latency import LATE_QUANTILE, LATE_SECONDS
from dashboards.source.layout import MARK
from dashboards.source.queries import SHIPPED
from dashboards.source.slo import BURN_RATES
from dashboards.source.style import SEVERITIES
from exporter import names
from exporter.builds.events import TEST
from exporter.taxonomy.model import PHASES, Outcome
from tests.dashboards import promql
from tests.dashboards.recording import alerts, recording
from tests.dashboards.shipped import (
    FOLDER,
    UIDS,
    Asked,
    Json,
    asked,
    dashboards,
    find,
    interpolated,
    mappings,
    panels,
    variables,
)

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
UNITS = {"short", "percentunit", "s", "bytes", "dateTimeFromNow"}
LONGEST_TITLE = 32
CORE = {"stat", "timeseries", "bargauge", "table", "state-timeline"}
FIXED = "1m"
INTERVALS = {"__rate_interval": FIXED, "label": "region"}
"""For the parser, which takes a duration or a label where Grafana writes one."""
RESULT_LABELS = {
    "alertname",
    "alertstate",
    "severity",
    "signal",
    "le",
    "instance",
    "region",
    "window",
}
"""Of Prometheus itself, of the alerts, and what a label of somebody's own and a union of windows add."""
PROMETHEUS = {"ALERTS", "ALERTS_FOR_STATE"}
COUNTERS = {names.SESSION_ENDS, names.SESSION_ENDS_LATE, names.SESSION_INTERRUPTIONS}
"""Of a ledger, which replicas share; what else counts is an exporter's own."""
QUERIES = asked()
BOARDS = dashboards()


def metric_names() -> set[str]:
    """Metrics of names.py, and the records of the shipped rules."""
    own = {
        value
        for name, value in vars(names).items()
        if isinstance(value, str) and re.match(r"[a-z_]+$", value) and name.isupper()
    }
    scraped = {one for one in own if one.startswith(("session_", "session_exporter_"))}
    histograms = {f"{one}_bucket" for one in scraped}
    return scraped | histograms | recording().keys()


def label_names() -> set[str]:
    return {*names.SERIES_LABELS, *names.RESERVED_LABELS, "reason", "status", "bound", "label"} | {
        names.VERSION,
        names.PROJECT,
        names.FIX,
    }


def name(query: Asked) -> str:
    return f"{query.uid} {query.panel} {query.ref}"


def every(values: dict[str, str]) -> dict[str, str]:
    return {name(one): interpolated(one.expr, values) for one in QUERIES}


def test_the_folder_has_the_four_dashboards_each_in_a_file_of_its_uid() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(BOARDS) == set(UIDS)
    assert len({one["title"] for one in BOARDS.values()}) == len(UIDS)


def test_every_file_says_in_its_first_line_not_to_edit_it() -> None:
    for path in FOLDER.glob("*.json"):
        assert MARK in path.read_text()[:400], path


def test_every_metric_and_record_in_every_query_is_one_of_ours() -> None:
    known = metric_names() | PROMETHEUS
    unknown = {one: promql.metrics(expr) - known for one, expr in every(INTERVALS).items()}
    assert {one: found for one, found in unknown.items() if found} == {}


def test_every_label_in_every_query_is_one_of_ours() -> None:
    known = label_names() | RESULT_LABELS
    unknown = {
        one: promql.labels(expr) - known - promql.made(expr)
        for one, expr in every(INTERVALS).items()
    }
    assert {one: found for one, found in unknown.items() if found} == {}


def test_queries_are_promql_when_no_label_is_configured() -> None:
    for expr in every({**INTERVALS, "label": ""}).values():
        promql.parsed(expr)


def test_the_range_of_a_rate_is_what_grafana_finds_right_for_the_scrape_interval() -> None:
    """Fixed windows are those of the alerts, whose numbers they repeat."""
    for query in QUERIES:
        for call in re.findall(r"\b(?:rate|irate|delta|idelta)\([^[]*\[([^]]+)\]", query.expr):
            assert call == "$__rate_interval", name(query)
        for call in re.findall(r"\bincrease\([^[]*\[([^]]+)\]", query.expr):
            assert f"{names.RULE_COUNT}{call}" in recording(), name(query)


def test_only_counters_have_a_rate() -> None:
    for query in QUERIES:
        for metric in re.findall(r"\b(?:rate|increase)\((\w+)", query.expr):
            assert metric.endswith(("_total", "_bucket")), name(query)


def test_sums_over_counters_of_a_ledger_take_replicas_once() -> None:
    """And not what an exporter counts for itself, which replicas share."""
    found = 0
    for query in QUERIES:
        for metric in re.findall(r"\b(?:rate|increase)\((\w+)", query.expr):
            if metric in COUNTERS or metric == f"{names.SESSION_DURATION}_bucket":
                assert f"max by ({names.LEDGER}, " in query.expr, name(query)
                found += 1
    assert found >= 10


def test_neither_job_nor_instance_nor_cluster_is_written_out() -> None:
    for query in QUERIES:
        assert not re.search(r"\bjob\s*[=!]", query.expr), name(query)
        assert not re.search(r'\b(?:instance|cluster)\s*[=!]~?\s*"(?!\$)', query.expr), name(query)


def test_every_variable_in_a_query_or_title_is_one_of_its_dashboard() -> None:
    built_in = {"__rate_interval", "__data", "__url_time_range", "__from"}
    for uid, board in BOARDS.items():
        known = set(variables(board)) | built_in
        texts = [
            text
            for panel in panels(board)
            for text in (panel["title"], *(str(target) for target in panel["targets"]))
        ]
        texts += [str(one["query"]) for one in variables(board).values()]
        texts += [one["expr"] for one in board["annotations"]["list"]]
        for text in texts:
            # $1 is a group of label_replace; Grafana leaves it as it is.
            used = {
                found[0] or found[1] for found in re.findall(r"\$(?:\{(\w+)|([a-z_]\w*))", text)
            }
            assert used <= known, (uid, text, used - known)


@pytest.mark.parametrize("uid", UIDS)
def test_everything_asks_the_chosen_prometheus(uid: str) -> None:
    board = BOARDS[uid]
    assert variables(board)["datasource"]["type"] == "datasource"
    assert variables(board)["datasource"]["query"] == "prometheus"
    sources = [panel["datasource"] for panel in panels(board)]
    sources += [target["datasource"] for panel in panels(board) for target in panel["targets"]]
    sources += [one["datasource"] for one in board["annotations"]["list"]]
    sources += [one["datasource"] for one in variables(board).values() if one["type"] == "query"]
    assert sources
    assert all(one == SOURCE for one in sources)


@pytest.mark.parametrize("uid", UIDS)
def test_every_panel_has_a_title_a_reading_a_unit_and_words_for_when_it_is_empty(uid: str) -> None:
    for panel in panels(BOARDS[uid]):
        defaults = panel["fieldConfig"]["defaults"]
        assert panel["title"], panel["id"]
        assert len(panel["description"]) > 40, panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert len(defaults["noValue"]) > 5, panel["title"]
        assert defaults["unit"] in UNITS, panel["title"]
        assert panel["type"] in CORE, panel["title"]
        assert panel["targets"], panel["title"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def laid(board: Json) -> list[Json]:
    """Rows and panels, those of folded rows too."""
    rows = board["panels"]
    return [*rows, *(one for row in rows for one in row.get("panels", ()))]


@pytest.mark.parametrize("uid", UIDS)
def test_ids_and_titles_are_there_once(uid: str) -> None:
    for key in ("id", "title"):
        counts = Counter(one[key] for one in laid(BOARDS[uid]))
        assert [one for one, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("uid", UIDS)
def test_panels_fill_the_grid_and_do_not_overlap(uid: str) -> None:
    places = [one["gridPos"] for one in laid(BOARDS[uid])]
    for one in places:
        assert one["x"] >= 0
        assert one["x"] + one["w"] <= 24
    for one, other in combinations(places, 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)
    for row in {one["y"] for one in places}:
        assert sum(one["w"] for one in places if one["y"] == row) == 24, row


def test_the_first_screen_of_the_overview_is_22_rows_high() -> None:
    """A row is 30 pixels and 8 between: 22 are 836, which is what 1080 leave under a browser's and
    Grafana's bars."""
    board = BOARDS["session-ends"]
    heading = next(one for one in board["panels"] if one["type"] == "row")
    above = [
        one["gridPos"] for one in board["panels"] if one["gridPos"]["y"] < heading["gridPos"]["y"]
    ]
    assert max(one["y"] + one["h"] for one in above) == 22 == heading["gridPos"]["y"]


def colors(panel: Json) -> dict[str, str]:
    """Fixed colors of series and values by name."""
    found = {}
    for override in panel["fieldConfig"]["overrides"]:
        for one in override["properties"]:
            if one["id"] == "color":
                found[override["matcher"]["options"]] = one["value"]["fixedColor"]
    for values in mappings(panel).values():
        found |= {value: shown["color"] for value, shown in values.items() if "color" in shown}
    return found


def test_an_outcome_has_one_color_in_every_panel() -> None:
    seen: dict[str, set[str]] = {outcome.value: set() for outcome in Outcome}
    for board in BOARDS.values():
        for panel in panels(board):
            for what, color in colors(panel).items():
                if what in seen:
                    seen[what].add(color)
    assert seen == {"success": {"green"}, "neutral": {"#8e8e8e"}, "failure": {"red"}}


def test_phases_come_in_the_order_of_a_sessions_life() -> None:
    phases = find("session-ends", "Failures by phase")["targets"]
    order = [re.search(r'phase="(\w+)"', one["expr"])[1] for one in phases]
    assert order == [*PHASES, "unknown"] == [*SHOWN_PHASES]
    assert all(one < other for one, other in pairwise(one["refId"] for one in phases))


def test_titles_are_short_noun_phrases() -> None:
    for board in BOARDS.values():
        for panel in laid(board):
            title = re.sub(r"\$(\w+)", r"\1", panel["title"])
            assert "?" not in title
            assert len(title) <= LONGEST_TITLE, title


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
    assert {label["signal"] for label in labels} == set(SHIPPED.split(chr(34))[1].split("|"))
    # An alert without a severity takes it from the code: page, ticket or none.
    assert {one["severity"] for one in labels if "severity" in one} == set(SEVERITIES)


def test_the_builds_mark_leaves_out_the_event_that_tests_the_webhook() -> None:
    marks = [
        mark["expr"]
        for board in BOARDS.values()
        for mark in board["annotations"]["list"]
        if mark["name"] == "Builds"
    ]
    assert len(marks) == 2
    assert all(f'event!="{TEST}"' in expr for expr in marks)


def test_exemplars_are_asked_for_where_there_are_any() -> None:
    """The collector gives them with its three counters; a recorded series has none."""
    for query in QUERIES:
        shown = not query.now and bool(
            promql.metrics(interpolated(query.expr, INTERVALS)) & COUNTERS
        )
        drawn = shown and query.expr.startswith("60 *")
        assert query.target["exemplar"] == drawn, name(query)
    assert sum(query.target["exemplar"] for query in QUERIES) == 5


def test_the_trend_of_the_top_codes_is_the_only_query_that_becomes_a_sparkline() -> None:
    """Grafana takes a table of one row for a series, so the change names the query."""
    panel = find("session-ends", "Top 10 codes")
    (trend,) = [one for one in panel["transformations"] if one["id"] == "timeSeriesTable"]
    assert trend["filter"] == {"id": "byRefId", "options": "D"}
    ranges = [one["refId"] for one in panel["targets"] if one["range"]]
    assert ranges == ["D"]
