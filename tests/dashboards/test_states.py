"""All queries in each state of an installation, and with two clusters whose exporters two jobs scrape."""

import re
import time

import pytest

from dashboards.source.shared import STATES as DATA_STATES
from exporter import names
from tests.dashboards.conftest import STATES, States
from tests.dashboards.shipped import DASHBOARDS, QUERIES, interpolated, query_of
from tests.rules.series import CODES

WITHOUT_TRAFFIC = ("Data", "Alerts firing", "Count against threshold, $system")
"""Panels that show a result even with an empty Prometheus."""
WITHOUT_DATA = {
    ("Success ratio (1h)", "A"): "the objective is missed",
    ("Success ratio (30d)", "A"): "the objective is missed",
    ("Sessions ended (1h)", "B"): "fewer than 10,000",
    ("Ends per minute by $label (5m)", "B"): "every end has a region",
    ("Damaged ledger moved aside", "A"): "no ledger was ever damaged",
}
CODE = CODES["streampixel", "4001"]
"""The code with an outage, a failure."""
OF_OUTCOME = re.compile(r"Ends against|Share of all ends \(5m|Ends per minute$|Queued users")
"""Panels of a code with queries A to C for success, neutral and failure."""


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


@pytest.mark.parametrize("system", [CODE.system, "(softdrive|streampixel)", ".+"])
def test_every_query_has_data_with_two_clusters_and_two_jobs(states: States, system: str) -> None:
    """Panels of a code have a query, and so a color, for each outcome; the code is a failure."""
    for query in QUERIES:
        of_other = query.ref in "AB" and OF_OUTCOME.match(query.panel)
        other_phase = "Failures by phase" in query.panel and CODE.phase not in query.expr
        silent = of_other or other_phase or (query.panel, query.ref) in WITHOUT_DATA
        assert bool(states.ask(query, "traffic", system=system)) != bool(silent), query


def column(label: str, rows: dict[frozenset, float]) -> dict[str, float]:
    return {dict(row).get(label, ""): value for row, value in rows.items()}


def ask(states: States, title: str, ref: str = "A", uid: str = "") -> dict[frozenset, float]:
    return states.ask(query_of(title, ref, uid), "traffic")


def test_totals_add_clusters_up_and_count_replicas_and_jobs_once(states: States) -> None:
    """In an hour, each cluster has 1,080 successes, 60 neutral ends and 100 failures without repeats."""
    ((share, *_), (threshold, *_)) = (
        [*states.ask(f'{record}{{system="$system", code="$code"}}', "traffic").values()]
        for record in (names.RULE_SHARE, f"{names.RULE_THRESHOLD}5m")
    )
    expected = {
        ("Sessions ended (1h)", "A"): 2480,
        ("Failures by category (1h)", "A"): 200,
        ("Failures by owner (1h)", "A"): 200,
        # Phases are in the counters, which include repeats.
        ("Failures by phase (1h)", "B"): 240,
        ("Top 10 codes (1h)", "A"): 200,
        ("Top 10 codes (1h)", "B"): 200 / 2480,
        ("Top 10 codes (1h)", "C"): 200 / (share * 2480),
        ("Codes spiking", "A"): 1,
        ("Burn rate (1h)", "A"): 100 / 1180 / 0.005,
        # Of 2.5 hours.
        ("Error budget remaining (30d)", "A"): 1 - 100 / (1080 * 2.5 + 100) / 0.005,
        ("Budget used by code (30d)", "A"): 100 / (1080 * 2.5 + 100) / 0.005,
        ("Ends against threshold (5m)", "C"): 25,
        ("Ends against threshold (5m)", "D"): threshold,
        ("Ends against threshold (5m)", "E"): share * (90 + 5 + 25),
        ("Ends per minute", "C"): 12,
        ("Users streaming", "A"): 7,
        ("Queued users and ends (5m)", "D"): 2,
        ("Repeats per minute (5m)", "A"): 6,
    }
    for (title, ref), value in expected.items():
        query = next(query for query in QUERIES if (query.panel, query.ref) == (title, ref))
        counts = states.ask(query, "traffic").items()
        rows = [count for row, count in counts if count and "4004" not in str(row)]
        assert rows == pytest.approx([value] * len(rows), rel=0.02), title
        assert rows, title


def test_breakdowns_have_titles_of_categories_and_names_of_owners(states: States) -> None:
    assert list(column("title", ask(states, "Failures by category"))) == ["Capacity"]
    assert list(column("owner", ask(states, "Failures by owner (1h)"))) == [CODE.owner]


def test_top_codes_have_names_owners_and_fixes_and_mark_neutral_codes(states: States) -> None:
    columns = [column("key", ask(states, "Top 10 codes", ref)) for ref in "ABCD"]
    assert [set(rows) for rows in columns] == [{"streampixel/4001", "streampixel/4004"}] * 4
    failure, neutral = sorted(map(dict, ask(states, "Top 10 codes")), key=lambda row: row["code"])
    shown = (failure["title"], failure["owner"], failure["fix"])
    assert shown == (f"4001 {CODE.name}", CODE.owner, CODE.fix)
    assert neutral["title"] == f"4004 {CODES['streampixel', '4004'].name} (neutral)"


def test_code_dashboard_shows_texts_in_order(states: States) -> None:
    rows = ask(states, "Name, causes")
    shown = [dict(row) for row in sorted(rows, key=rows.__getitem__)]
    texts = [("Name", CODE.name), ("Causes", CODE.causes), ("Fix", CODE.fix), ("Owner", CODE.owner)]
    assert [(row["about"], row["text"]) for row in shown] == texts


def test_counts_against_thresholds_and_ratios_are_shown_per_cluster(states: States) -> None:
    for title, ref in [
        *(("Ends against threshold (5m)", ref) for ref in "CDE"),
        ("Share of all ends (5m)", "C"),
        *((title, "A") for title in ("Burn rate (1h)", "Events per second", "Ledger size")),
    ]:
        assert set(column("cluster", ask(states, title, ref))) == {"a", "b"}, title
    (rate,) = set(ask(states, "Events per second").values())
    assert rate == pytest.approx(1 / 60)


def test_places_have_counts_shares_and_the_share_of_all_ends(states: States) -> None:
    for title in ("Failures by label value", "Ends by label value"):
        counts, shares, every = (column("key", ask(states, title, ref)) for ref in "ABC")
        assert counts == pytest.approx({"region/ap": 180, "region/eu": 60}, rel=0.02)
        assert shares == pytest.approx({"region/ap": 0.75, "region/eu": 0.25})
        assert every == pytest.approx({"region/ap": 0.75, "region/eu": 0.25})


def test_ends_without_the_label_are_shown_as_none(states: States) -> None:
    """No series has the label `project`, so all ends are in "(none)"."""
    rest = query_of("Ends per minute by $label", "B")
    shown = column("value", states.ask(rest, "traffic", label="project"))
    assert shown == pytest.approx({"(none)": 12}, rel=0.02)


def test_alert_list_names_the_cluster_of_each_alert(states: States) -> None:
    titles = column("title", ask(states, "Alert list", uid="session-end-code"))
    assert set(titles) == {f"4001 {CODE.name} spike on streampixel {cluster}" for cluster in "ab"}


@pytest.mark.parametrize("uid", ["session-ends", "session-end-code"])
def test_page_shades_the_graphs(states: States, uid: str) -> None:
    shades = DASHBOARDS[uid]["annotations"]["list"][0]["expr"]
    assert column("code", states.ask(shades, "traffic")) == {"4001": 1}


@pytest.mark.parametrize("uid", ["session-ends", "session-end-code"])
def test_builds_are_annotations_at_their_time_within_the_range(states: States, uid: str) -> None:
    """Fails without `$__from`: marks also appear for a missing event and for an event of last year."""
    _, annotation = DASHBOARDS[uid]["annotations"]["list"]
    assert annotation["useValueForTime"] is True
    assert 'event!="webhook.test"' in annotation["expr"]
    now = 1000 * time.time()
    ((labels, at),) = states.ask(annotation["expr"], "traffic").items()
    assert dict(labels) == {"system": "streampixel", "event": "build.approved"}
    assert now - 24 * 3_600_000 < at <= now
    for values in ({"__from": f"{now + 60_000:.0f}"}, {"system": "softdrive"}):
        assert states.ask(annotation["expr"], "traffic", **values) == {}


def test_timeline_says_that_there_is_no_baseline_only_while_there_is_none(states: States) -> None:
    query = query_of("Count against threshold, ")
    assert list(column("name", states.ask(query, "exporter"))) == ["No code has a baseline yet"]
    window = {"start": states.end("exporter"), "end": states.end("traffic"), "step": 600}
    expr = interpolated(query.expr, system=".+")
    result = states.prometheus.get("query_range", query=expr, **window)["result"]
    shown = [(row["metric"]["system"], row["metric"]["code"]) for row in result]
    assert set(shown) == {key for key, code in CODES.items() if code.severity != "none"}


def test_codes_spiking_is_0_without_spikes_and_empty_without_rules(states: States) -> None:
    spiking = query_of("Codes spiking")
    assert states.ask(spiking, "exporter") == {}
    assert states.ask(spiking, "rules") == {frozenset(): 0}
