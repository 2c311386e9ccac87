"""All queries in each state of an installation, and with two clusters whose exporters two jobs scrape."""

import re
from collections.abc import Iterator

import pytest

from dashboards.source.shared import STATES as DATA_STATES
from tests.dashboards.shipped import DASHBOARDS, QUERIES, query_of, variables
from tests.dashboards.states import STATES, WORDS, States

WITHOUT_TRAFFIC = ("Data", "Alerts firing", "Count against threshold, $system")
"""Panels that show a result even with an empty Prometheus."""
WITHOUT_DATA = {
    ("Success ratio (1h)", "A"): "the objective is missed",
    ("Success ratio (30d)", "A"): "the objective is missed",
    ("Sessions ended (1h)", "B"): "fewer than 10,000",
    ("Ends per minute by $label (5m)", "B"): "every end has a region",
}

OF_OUTCOME = re.compile(r"Ends against|Share of all ends \(5m|Ends per minute$|Queued users")
"""Panels of a code with queries A to C for success, neutral and failure."""


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> Iterator[States]:
    built = States(tmp_path_factory.mktemp("states"))
    with built.prometheus:
        yield built


def test_empty_prometheus_gives_no_error_and_no_data(states: States) -> None:
    full = {query.panel for query in QUERIES if states.ask(query, "empty")}
    assert full == set(WITHOUT_TRAFFIC)


@pytest.mark.parametrize("state", ["exporter", "rules"])
def test_every_query_runs_right_after_installation(states: States, state: str) -> None:
    for query in QUERIES:
        values = states.ask(query, state).values()
        # Grafana writes NaN instead of the text for no data; quantiles of nothing are drawn as a gap.
        assert "histogram_quantile" in query.expr or all(value == value for value in values), query


def test_data_state_distinguishes_missing_exporter_rules_and_traffic(states: States) -> None:
    of_uid = {query.uid: query for query in QUERIES if query.panel == "Data"}
    overview = of_uid["session-ends"]
    shown = [DATA_STATES[int(*states.ask(overview, state).values()) - 1] for state in STATES]
    assert shown == [*DATA_STATES]
    assert states.ask(of_uid["session-end-exporter"], "exporter") == {frozenset(): len(DATA_STATES)}


def test_every_query_has_data_with_two_clusters_and_two_jobs(states: States) -> None:
    """Panels of a code have a query, and so a color, for each outcome; the only code here is a failure."""
    for query in QUERIES:
        of_other = query.ref in "AB" and OF_OUTCOME.match(query.panel)
        other_phase = "Failures by phase" in query.panel and "stream" not in query.expr
        silent = of_other or other_phase or (query.panel, query.ref) in WITHOUT_DATA
        assert bool(states.ask(query, "traffic")) != bool(silent), query


def column(label: str, rows: dict[frozenset, float]) -> dict[str, float]:
    return {dict(row).get(label, ""): value for row, value in rows.items()}


def ask(states: States, title: str, ref: str = "A", uid: str = "") -> dict[frozenset, float]:
    return states.ask(query_of(title, ref, uid), "traffic")


def test_totals_add_clusters_up_and_count_replicas_and_jobs_once(states: States) -> None:
    """Each cluster has 100 ends an hour, 10 of them failures with code 20."""
    expected = {
        ("Sessions ended", "A"): 200,
        ("Failures by category", "A"): 20,
        ("Failures by owner", "A"): 20,
        ("Failures by phase", "D"): 20,
        ("Top 10 codes", "A"): 20,
        ("Top 10 codes", "B"): 0.1,
        # The baseline is 1 % of 200.
        ("Top 10 codes", "C"): 10,
        ("Codes spiking", "A"): 1,
        ("Burn rate", "A"): 0.1 / 0.005,
        ("Budget used by code", "A"): 0.1 / 0.005,
        ("Ends against threshold (5m)", "C"): 10,
        ("Ends against threshold (5m)", "D"): 5,
        # 1 % of 100.
        ("Ends against threshold (5m)", "E"): 1,
        ("Ends per minute", "C"): 20 / 60,
        ("Users streaming", "A"): 3,
        ("Repeats per minute (5m)", "A"): 200 / 60,
    }
    for (title, ref), value in expected.items():
        query = next(
            query
            for query in QUERIES
            if re.sub(r" [(](1h|30d).*", "", query.panel) == title and query.ref == ref
        )
        rows = [row for row in states.ask(query, "traffic").values() if row]
        assert rows == pytest.approx([value] * len(rows), rel=0.02), title
        assert rows, title


def test_breakdowns_have_titles_of_categories_and_names_of_owners(states: States) -> None:
    assert list(column("title", ask(states, "Failures by category"))) == ["Network"]
    assert list(column("owner", ask(states, "Failures by owner (1h)"))) == [WORDS["owner"]]


def test_counts_against_thresholds_and_ratios_are_shown_per_cluster(states: States) -> None:
    for title, ref in (
        ("Ends against threshold (5m)", "C"),
        ("Ends against threshold (5m)", "D"),
        ("Ends against threshold (5m)", "E"),
        ("Share of all ends (5m)", "C"),
        ("Burn rate (1h)", "A"),
        ("Events per second", "A"),
        ("Ledger size", "A"),
    ):
        assert set(column("cluster", ask(states, title, ref))) == {"a", "b"}, title
    (rate,) = set(ask(states, "Events per second").values())
    assert rate == pytest.approx(1 / 60)


def test_places_have_counts_shares_and_the_share_of_all_ends(states: States) -> None:
    for title in ("Failures by label value", "Ends by label value"):
        counts, shares, every = (column("key", ask(states, title, ref)) for ref in "ABC")
        assert counts == pytest.approx({"region/ap": 15, "region/eu": 5}, rel=0.02)
        assert shares == pytest.approx({"region/ap": 0.75, "region/eu": 0.25})
        assert every == pytest.approx({"region/ap": 0.75, "region/eu": 0.25})


def test_ends_without_the_label_are_shown_as_none(states: States) -> None:
    """No series has the label `project`, so all ends are in "(none)"."""
    rest = query_of("Ends per minute by $label", "B")
    shown = column("value", states.ask(rest, "traffic", label="project"))
    assert shown == pytest.approx({"(none)": 20 / 60}, rel=0.02)


def test_alert_list_names_the_cluster_of_each_alert(states: States) -> None:
    titles = column("title", ask(states, "Alert list", uid="session-ends"))
    assert set(titles) == {f"20 Name spike on alpha {cluster}" for cluster in "ab"}


@pytest.mark.parametrize("uid", ["session-ends", "session-end-code"])
def test_page_shades_the_graphs(states: States, uid: str) -> None:
    shades = DASHBOARDS[uid]["annotations"]["list"][0]["expr"]
    assert column("code", states.ask(shades, "traffic")) == {"20": 1}


def test_timeline_says_that_there_is_no_baseline_only_while_there_is_none(states: States) -> None:
    query = query_of("Count against threshold, ")
    assert list(column("name", states.ask(query, "exporter"))) == ["No code has a baseline yet"]
    assert {row["name"] for row in states.ask_range(query, "exporter", "traffic")} == {"Name"}


def test_codes_spiking_is_0_without_spikes_and_empty_without_rules(states: States) -> None:
    spiking = query_of("Codes spiking")
    assert states.ask(spiking, "exporter") == {}
    assert states.ask(spiking, "rules") == {frozenset(): 0}


def test_runbook_links_use_the_setting_of_the_exporter_or_the_default(states: States) -> None:
    variable = variables("session-ends")["runbooks"]
    expr = variable["query"].removeprefix("query_result(").removesuffix(")")
    shown = [list(column("runbooks", states.ask(expr, at))) for at in ("empty", "traffic")]
    assert shown == [["http://127.0.0.1:10401"], ["http://runbooks.example"]]
    assert (variable["hide"], variable["current"]["value"]) == (2, *shown[0])


def test_first_code_of_the_variable_is_furthest_above_its_threshold(states: States) -> None:
    query = variables("session-end-code")["code"]
    assert query["sort"] == 0
    expr = query["query"].removeprefix("query_result(").removesuffix(")")
    rows = states.ask(expr, "traffic")
    ranked = sorted(rows, key=rows.__getitem__, reverse=True)
    # 90 ends of code 10 and 10 of code 20, each of a threshold of 5.
    assert [dict(row)["title"] for row in ranked] == ["10 Name", "20 Name", "30 Name"]
    before = states.ask(expr, "rules")
    assert len(before) == 3
