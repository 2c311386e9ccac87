"""Every query of every panel, variable and annotation, asked of a real Prometheus about a real exporter.

Grafana does not run here: `shipped.interpolated` and `choices.Choice` do what Grafana does with a query
before it is sent (variables, intervals, steps).
"""

import re
import time

import pytest

from exporter import names
from exporter.taxonomy.model import Outcome
from tests.dashboards.choices import ALL, CHOICES, SOFTDRIVE, STREAMPIXEL, Choice, ask, by, last
from tests.dashboards.shipped import dashboards, find, interpolated, panel_queries, query_of
from tests.dashboards.world import RENAMED, TAXONOMY, World, history
from tests.e2e.exporter_process import wait_for

CODES = [code for system in TAXONOMY.systems.values() for code in system.codes]
WITHOUT_DATA = {
    "no ledger was ever damaged": ("Damaged ledger", ""),
    "both systems miss their objective, over the last hour": ("Success ratio (1h)", "<= on"),
    "and over the whole period": ("Success ratio (30d)", ">= on"),
    "Streampixel has no code in that phase": ("Failures by phase", 'phase="pre_session"'),
    "1001 is as frequent as expected on both systems": ("Alert list", 'code="1001"'),
    "a code has one of the three outcomes": ("Ends against threshold", 'outcome="'),
    "Softdrive has no live stats": ("Users streaming", '=~"softdrive"'),
    "nor a queue": ("Queued users", 'session_queued_users{system=~"softdrive"'),
}
"""Queries that may give nothing, by the reason: a part of the panel's title, and a part of the query."""


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_every_query_gives_data(world: World, choice: Choice) -> None:
    silent = []
    for query in panel_queries():
        expr = choice.of(query.expr)
        expected = not any(
            title in query.panel and part in expr for title, part in WITHOUT_DATA.values()
        )
        if expected and not ask(world, query, choice):
            silent.append(f"{query.uid} {query.panel} {query.ref}: {expr}")
    assert silent == []


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_the_count_of_a_code_has_the_color_of_its_outcome(world: World, choice: Choice) -> None:
    shown: dict[str, set[str]] = {}
    for query in panel_queries():
        compared = "Ends against threshold" in query.panel and 'outcome="' in query.expr
        if compared and ask(world, query, choice):
            shown.setdefault(query.panel, set()).add(query.ref)
    refs = {
        "ABC"[list(Outcome).index(code.outcome)]
        for code in CODES
        if code.code == choice.code and re.fullmatch(choice.system, code.system)
    }
    assert list(shown.values()) == [refs] * 5


def test_an_outage_is_above_its_threshold_while_it_lasts_and_not_before(world: World) -> None:
    began = world.incident("capacity-large").start
    (count,) = ask(world, query_of("Ends against threshold (5m)", "C"), STREAMPIXEL)
    (threshold,) = ask(world, query_of("Ends against threshold (5m)", "D"), STREAMPIXEL)
    thresholds = dict(threshold["values"])
    above = {
        at: float(value) > float(thresholds[at])
        for at, value in count["values"]
        if at in thresholds
    }
    assert not any(high for at, high in above.items() if at < began)
    during = [high for at, high in above.items() if began + 300 <= at <= world.now]
    assert len(during) > 25
    assert all(during)


@pytest.mark.parametrize(
    ("name", "system"),
    [
        ("crash-loop", "streampixel"),
        ("capacity-large", "streampixel"),
        ("tls-inspection", "softdrive"),
    ],
)
def test_the_timeline_shows_each_incident_in_its_time(world: World, name: str, system: str) -> None:
    incident = world.incident(name)
    rows = ask(world, query_of("Count against threshold, ", "A"), Choice(system, ""))
    (row,) = [row for row in rows if (row["metric"]["code"],) == tuple(incident.codes)]

    def worst(low: float, high: float) -> float:
        return max(float(value) for at, value in row["values"] if low <= at <= high)

    assert worst(incident.start - 600, incident.start - 1) < 1
    assert worst(incident.start + 300, min(incident.end, world.now)) > 1


def test_the_timeline_has_every_code_that_can_alert_with_its_name(world: World) -> None:
    rows = ask(world, query_of("Count against threshold, ", "A"), ALL)
    watched = {
        (code.system, code.code)
        for system in TAXONOMY.systems.values()
        for code in (*system.codes, system.unknown)
        if code.severity.value != "none"
    }
    assert {(row["metric"]["system"], row["metric"]["code"]) for row in rows} == watched
    assert "No Worker Node Available" in {row["metric"]["name"] for row in rows}


def test_top_codes_have_the_outages_code_with_its_name_owner_and_fix(world: World) -> None:
    columns = {ref: ask(world, query_of("Top 10 codes", ref), ALL) for ref in "ABCD"}
    keys = [
        {(row["metric"]["system"], row["metric"]["code"]) for row in rows}
        for rows in columns.values()
    ]
    assert len(keys[0]) == 10
    assert keys == [keys[0]] * 4
    assert max(columns["A"], key=last)["metric"] == {
        "system": "streampixel",
        "code": "4001",
        "name": "No Worker Node Available",
        "title": "4001 No Worker Node Available",
        "outcome": "failure",
        "owner": "capacity",
        "fix": next(code.fix for code in CODES if code.code == "4001"),
    }
    assert max(columns["C"], key=last)["metric"]["code"] == "4001"


def test_breakdowns_name_the_outages_category_owner_and_phase(world: World) -> None:
    for title, label in (("Failures by category", "category"), ("Failures by owner (1h)", "owner")):
        first, *_ = ask(world, query_of(title, "A"), STREAMPIXEL)
        assert first["metric"][label] == "capacity"
    phases: dict[str, float] = {}
    for ref in "ABCDEF":
        phases |= by("phase", ask(world, query_of("Failures by phase", ref), STREAMPIXEL))
    assert max(phases, key=phases.__getitem__) == "connect"
    assert set(phases) == {"connect", "handshake", "stream", "keep_alive", "unknown"}


def test_replicas_of_a_ledger_are_counted_once_in_recorded_and_in_raw_queries(
    world: World,
) -> None:
    """Both replicas show the same counts of the past: without the `max` all numbers are twice as large."""
    truth = history(world, "streampixel")
    codes = {code.code: code for code in TAXONOMY.systems["streampixel"].codes}
    hour = truth.bins(world.now - 3600, world.now)
    failed = sum(
        int(truth.ends[hour, column].sum())
        for column, code in enumerate(truth.codes)
        if code == names.UNKNOWN or codes[code].outcome is Outcome.FAILURE
    )
    panels = (
        ("Failures by phase", "ABCDEF"),
        ("Failures by category", "A"),
        ("Failures by owner (1h)", "A"),
    )
    for title, refs in panels:
        queries = [query_of(title, ref) for ref in refs]
        shown = sum(last(row) for query in queries for row in ask(world, query, STREAMPIXEL))
        # A minute or two have gone by, and the exporter has counted some hundred events of its own.
        assert 0.85 * failed < shown < 1.3 * failed, title


def test_failures_pull_the_success_ratio_below_the_objective_and_burn_the_budget(
    world: World,
) -> None:
    ratio = by("system", ask(world, query_of("Success ratio (1h)", "B"), ALL))
    assert set(ratio) == {"softdrive", "streampixel"}
    assert 0.5 < ratio["streampixel"] < 0.95
    left = by("system", ask(world, query_of("Error budget remaining", "A", "session-ends"), ALL))
    success = by("system", ask(world, query_of("Success ratio (30d)", "B"), ALL))
    used = ask(world, query_of("Budget used by code", "A"), ALL)
    for system, part in left.items():
        assert part == pytest.approx(1 - (1 - success[system]) / 0.005)
        assert part < 0
        # The shares of the codes add up, but for the full hours that they are summed in.
        parts = sum(last(row) for row in used if row["metric"]["system"] == system)
        assert 0.4 * (1 - part) < parts < 1.6 * (1 - part), system
    assert "4001 No Worker Node Available" in {row["metric"]["title"] for row in used}
    counts = ask(world, query_of("Budget used by code", "B"), ALL)
    assert {row["metric"]["code"] for row in counts} == {row["metric"]["code"] for row in used}


def test_a_page_is_in_the_alert_list_with_its_start_and_in_the_annotations(world: World) -> None:
    alert_list = find("session-ends", "Alert list")["targets"][0]["expr"]
    rows = world.prometheus.get("query", query=STREAMPIXEL.of(alert_list))["result"]
    (spike,) = [row for row in rows if row["metric"]["alertname"] == "SessionEndSpike"]
    assert spike["metric"]["severity"] == "page"
    assert 1000 * (world.now - 60) < float(spike["value"][1]) < 1000 * (world.now + 600)
    for uid, dashboard in dashboards().items():
        expr = dashboard["annotations"]["list"][0]["expr"]
        shaded = world.prometheus.query(STREAMPIXEL.of(expr))
        if uid in ("session-ends", "session-end-code"):
            assert ("code", "4001") in frozenset().union(*shaded), uid


def test_builds_are_annotations_at_their_time_within_the_range(world: World) -> None:
    """Fails without `$__from`: an event that never happened, at 0, and last year's event are marks too."""
    for uid in ("session-ends", "session-end-code"):
        _, annotation = dashboards()[uid]["annotations"]["list"]
        assert annotation["useValueForTime"] is True
        for since, shown in ((world.now, 1), (time.time() + 60, 0)):
            expr = STREAMPIXEL.of(annotation["expr"])
            marks = world.prometheus.query(interpolated(expr, {"__from": f"{1000 * since:.0f}"}))
            assert len(marks) == shown, uid
            for labels, milliseconds in marks.items():
                assert dict(labels) == {"system": "streampixel", "event": "build.approved"}
                assert 1000 * world.now < milliseconds <= 1000 * time.time()
        softdrive = SOFTDRIVE.of(annotation["expr"])
        assert not world.prometheus.query(interpolated(softdrive, {"__from": "0"}))


def test_live_users_and_the_queue_are_the_platforms(world: World) -> None:
    (users,) = ask(world, query_of("Users streaming", "A"), STREAMPIXEL)
    assert (users["metric"]["project"], last(users)) == ("p1", 7)
    (queue,) = ask(world, query_of("Queued users", "A"), STREAMPIXEL)
    assert last(queue) == 2


def test_alerts_about_the_exporter_are_listed_for_every_system(world: World) -> None:
    """They have no label `system`; the job of the tests' scrape is not the shipped job, so it is absent."""
    alert_list = find("session-ends", "Alert list")["targets"][0]["expr"]
    pending = alert_list.replace('alertstate="firing"', 'alertstate=~".+"')
    for choice in CHOICES:
        rows = wait_for(
            lambda choice=choice: world.prometheus.query(choice.of(pending)), 20, "an alert"
        )
        assert any(("alertname", "SessionEndExporterAbsent") in row for row in rows)


def test_a_code_that_two_releases_name_differently_is_one_row(world: World) -> None:
    """Without the record of the newest info the join fails in every panel that has it."""
    system, code, *spelled = RENAMED
    at = world.now - 600
    both = world.prometheus.query(f'session_end_code_info{{system="{system}", code="{code}"}}', at)
    assert {dict(labels)["name"] for labels in both} == set(spelled)
    expr = SOFTDRIVE.of(query_of("Count against threshold, ", "A").expr)
    assert sum(("code", code) in labels for labels in world.prometheus.query(expr, at)) == 1


def test_exemplars_are_sessions(world: World) -> None:
    for query in panel_queries():
        if query.target["exemplar"] and query.uid == "session-end-code" and query.ref == "A":
            window = {"start": world.now - 60, "end": world.now + 600}
            rows = world.prometheus.get(
                "query_exemplars", query=STREAMPIXEL.of(query.expr), **window
            )
            labels = [exemplar["labels"] for row in rows for exemplar in row["exemplars"]]
            assert labels, query.panel
            assert all(label["session_id"].startswith("session-") for label in labels)


def test_the_texts_of_the_chosen_code_come_in_their_order(world: World) -> None:
    (code,) = (code for code in CODES if (code.system, code.code) == ("streampixel", "4001"))
    rows = ask(world, query_of("Name, causes", "A"), STREAMPIXEL)
    assert [(row["metric"]["about"], row["metric"]["text"]) for row in rows] == [
        ("Name", code.name),
        ("Causes", code.causes),
        ("Fix", code.fix),
        ("Owner", code.owner),
    ]
