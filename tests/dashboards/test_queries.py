"""Every query of every panel, variable and annotation, asked of a real Prometheus about a real exporter.

Grafana does not run here: what it does with a query before it is sent (variables, intervals, steps) is
done by `shipped.interpolated` and `asking.Choice`.
"""

import re
import time

import pytest

from exporter import names
from exporter.taxonomy.model import Outcome
from tests.dashboards.asking import CHOICES, Choice, ask, by, excused, last
from tests.dashboards.shipped import (
    UIDS,
    asked,
    dashboards,
    find,
    interpolated,
    of,
)
from tests.dashboards.world import ENDS_PER_HOUR, RENAMED, TAXONOMY, World, history
from tests.e2e.exporter_process import wait_for

CODES = [code for system in TAXONOMY.systems.values() for code in system.codes]


@pytest.mark.parametrize("uid", UIDS)
@pytest.mark.parametrize("chosen", CHOICES)
def test_every_query_gives_data(world: World, uid: str, chosen: str) -> None:
    choice = CHOICES[chosen]
    silent = [
        f"{query.panel} {query.ref}: {choice.of(query.expr)}"
        for query in asked()
        if query.uid == uid and not ask(world, query, choice) and not excused(query, choice)
    ]
    assert silent == []


@pytest.mark.parametrize("chosen", CHOICES)
def test_a_codes_count_is_in_the_colour_of_its_outcome_and_in_no_other(
    world: World, chosen: str
) -> None:
    choice = CHOICES[chosen]
    shown: dict[str, set[str]] = {}
    for query in asked():
        compared = "Ends against threshold" in query.panel and 'outcome="' in query.expr
        if compared and ask(world, query, choice):
            shown.setdefault(query.panel, set()).add(query.ref)
    expected = {
        code.outcome
        for name, system in TAXONOMY.systems.items()
        if re.fullmatch(choice.system, name)
        for code in system.codes
        if code.code == choice.code
    }
    refs = {"ABC"[list(Outcome).index(outcome)] for outcome in expected}
    assert set(map(frozenset, shown.values())) == {frozenset(refs)}
    assert len(shown) == 5


def test_an_outage_is_above_its_threshold_while_it_lasts_and_not_before(world: World) -> None:
    began = world.incident("capacity-large").start
    choice = CHOICES["streampixel"]
    (count,) = ask(world, of("Ends against threshold (5m)", "C"), choice)
    (threshold,) = ask(world, of("Ends against threshold (5m)", "D"), choice)
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


def test_the_timeline_of_codes_shows_each_incident_in_its_time(world: World) -> None:
    query = of("Count against threshold, ", "A")
    for name, system in (
        ("crash-loop", "streampixel"),
        ("capacity-large", "streampixel"),
        ("tls-inspection", "softdrive"),
    ):
        incident = world.incident(name)
        (code,) = incident.codes
        (row,) = [
            one for one in ask(world, query, Choice(system, "")) if one["metric"]["code"] == code
        ]
        worst = {
            when: max(float(value) for at, value in row["values"] if low <= at <= high)
            for when, low, high in (
                ("before", incident.start - 600, incident.start - 1),
                ("during", incident.start + 300, min(incident.end, world.now)),
            )
        }
        assert worst["during"] > 1 > worst["before"], (name, worst)
    rows = ask(world, query, CHOICES["streampixel"])
    assert {"4001 No Worker Node Available", "4006 Application Closed / Crashed"} <= {
        f"{one['metric']['code']} {one['metric']['name']}" for one in rows
    }


def test_the_timeline_has_every_code_that_can_alert(world: World) -> None:
    found = {
        (one["metric"]["system"], one["metric"]["code"])
        for one in ask(world, of("Count against threshold, ", "A"), CHOICES["All"])
    }
    watched = {
        (code.system, code.code)
        for system in TAXONOMY.systems.values()
        for code in (*system.codes, system.unknown)
        if code.severity.value != "none"
    }
    assert found == watched


def test_the_table_of_top_codes_has_the_outages_code_with_its_name_owner_and_fix(
    world: World,
) -> None:
    choice = CHOICES["All"]
    title = "Top 10 codes"
    columns = {ref: ask(world, of(title, ref), choice) for ref in "ABCD"}
    keys = {
        ref: {(one["metric"]["system"], one["metric"]["code"]) for one in rows}
        for ref, rows in columns.items()
    }
    assert len(keys["A"]) == 10
    assert keys["A"] == keys["B"] == keys["C"] == keys["D"]
    first = max(columns["A"], key=last)
    assert first["metric"] == {
        "system": "streampixel",
        "code": "4001",
        "name": "No Worker Node Available",
        "title": "4001 No Worker Node Available",
        "outcome": "failure",
        "owner": "capacity",
        "fix": next(code.fix for code in CODES if code.code == "4001"),
    }
    usual = {one["metric"]["code"]: last(one) for one in columns["C"]}
    assert usual["4001"] == max(usual.values())


def test_where_it_fails_is_the_outages_category_phase_and_owner(world: World) -> None:
    choice = CHOICES["streampixel"]
    for title, expected in (
        ("Failures by category", "capacity"),
        ("Failures by owner (1h)", "capacity"),
    ):
        label = "category" if "category" in title else "owner"
        first, *_ = ask(world, of(title, "A"), choice)
        assert first["metric"][label] == expected, title
    phases: dict[str, float] = {}
    for ref in "ABCDEF":
        phases |= by("phase", ask(world, of("Failures by phase", ref), choice))
    assert max(phases, key=phases.__getitem__) == "connect"
    assert set(phases) == {"connect", "handshake", "stream", "keep_alive", "unknown"}


def test_replicas_of_one_ledger_are_counted_once_in_recorded_and_in_raw_queries(
    world: World,
) -> None:
    """Both replicas show the same counts of the past: without the `max` all numbers are twice as large."""
    choice = CHOICES["streampixel"]
    truth = history(world, "streampixel")
    codes = {code.code: code for code in TAXONOMY.systems["streampixel"].codes}
    hour = truth.bins(world.now - 3600, world.now)
    failed = sum(
        int(truth.ends[hour, column].sum())
        for column, code in enumerate(truth.codes)
        if code == names.UNKNOWN or codes[code].outcome is Outcome.FAILURE
    )
    for title, refs in (
        ("Failures by phase", "ABCDEF"),
        ("Failures by category", "A"),
        ("Failures by owner (1h)", "A"),
    ):
        shown = sum(last(one) for ref in refs for one in ask(world, of(title, ref), choice))
        # A minute or two have gone by, and the exporter has counted some hundred events of its own.
        assert 0.85 * failed < shown < 1.3 * failed, title


def test_failures_pull_the_success_ratio_below_the_objective_and_burn_the_budget(
    world: World,
) -> None:
    ratio = by("system", ask(world, of("Success ratio (1h)", "B"), CHOICES["All"]))
    assert set(ratio) == {"softdrive", "streampixel"}
    assert 0.5 < ratio["streampixel"] < 0.95
    left = by(
        "system", ask(world, of("Error budget remaining", "A", "session-ends"), CHOICES["All"])
    )
    success = by("system", ask(world, of("Success ratio (30d)", "B"), CHOICES["All"]))
    for system, part in left.items():
        assert part == pytest.approx(1 - (1 - success[system]) / 0.005)
        assert part < 0


def test_the_parts_of_the_codes_add_up_to_the_budget_that_is_gone(world: World) -> None:
    """Up to the full hours that the codes are summed in."""
    used = ask(world, of("Budget used by code", "A"), CHOICES["All"])
    gone = by(
        "system", ask(world, of("Error budget remaining", "A", "session-ends"), CHOICES["All"])
    )
    assert {one["metric"]["title"] for one in used} >= {"4001 No Worker Node Available"}
    for system, left in gone.items():
        parts = sum(last(one) for one in used if one["metric"]["system"] == system)
        assert 0.4 * (1 - left) < parts < 1.6 * (1 - left), system
    counts = {
        one["metric"]["code"] for one in ask(world, of("Budget used by code", "B"), CHOICES["All"])
    }
    assert counts == {one["metric"]["code"] for one in used}


def test_ends_per_minute_are_what_was_simulated(world: World) -> None:
    total = sum(
        last(one)
        for ref in "ABC"
        for one in ask(world, of("Ends per minute by outcome", ref), CHOICES["All"])
    )
    assert 0 < total < 3 * 2 * ENDS_PER_HOUR / 60


def test_a_page_is_in_the_table_with_when_it_began_and_in_the_annotations(world: World) -> None:
    table = find("session-ends", "Alert list")["targets"][0]["expr"]
    found = world.prometheus.get("query", query=CHOICES["streampixel"].of(table))["result"]
    (spike,) = [one for one in found if one["metric"]["alertname"] == "SessionEndSpike"]
    assert spike["metric"]["severity"] == "page"
    assert 1000 * (world.now - 60) < float(spike["value"][1]) < 1000 * (world.now + 600)
    for uid in ("session-ends", "session-end-code"):
        annotation, _ = dashboards()[uid]["annotations"]["list"]
        shaded = world.prometheus.query(CHOICES["streampixel"].of(annotation["expr"]))
        assert ("code", "4001") in frozenset().union(*shaded), uid
    for uid in ("session-ends-slo", "session-end-exporter"):
        (annotation,) = dashboards()[uid]["annotations"]["list"]
        world.prometheus.query(CHOICES["All"].of(annotation["expr"]))


def test_builds_are_annotations_at_the_time_they_happened_within_the_range(world: World) -> None:
    """Fails without `$__from`: an event that never happened, at 0, and one of last year were marks too."""
    for uid in ("session-ends", "session-end-code"):
        _, annotation = dashboards()[uid]["annotations"]["list"]
        assert annotation["useValueForTime"] is True
        for since, shown in ((world.now, 1), (time.time() + 60, 0)):
            expr = CHOICES["streampixel"].of(annotation["expr"])
            expr = interpolated(expr, {"__from": f"{1000 * since:.0f}"})
            found = world.prometheus.query(expr)
            assert len(found) == shown, uid
            for labels, milliseconds in found.items():
                assert dict(labels) == {"system": "streampixel", "event": "build.approved"}
                assert 1000 * world.now < milliseconds <= 1000 * time.time()
        softdrive = CHOICES["softdrive"].of(annotation["expr"])
        assert not world.prometheus.query(interpolated(softdrive, {"__from": "0"}))


def test_live_users_and_the_queue_are_the_platforms(world: World) -> None:
    (users,) = ask(world, of("Users streaming", "A"), CHOICES["streampixel"])
    assert (users["metric"]["project"], last(users)) == ("p1", 7)
    (queue,) = ask(world, of("Queued users", "A"), CHOICES["streampixel"])
    assert last(queue) == 2


def test_alerts_of_the_exporter_itself_are_in_the_table_whatever_the_system(world: World) -> None:
    """They have no label `system`; the job of the tests' scrape is not the shipped one, so it is absent."""
    table = find("session-ends", "Alert list")["targets"][0]["expr"]
    pending = table.replace('alertstate="firing"', 'alertstate=~".+"')
    for choice in CHOICES.values():
        found = wait_for(
            lambda choice=choice: world.prometheus.query(choice.of(pending)), 20, "an alert"
        )
        assert any(("alertname", "SessionEndExporterAbsent") in one for one in found)


def test_a_code_that_two_releases_name_differently_is_one_row(world: World) -> None:
    """Without the record of the newest words the join fails in every panel that has it."""
    system, code, *spelled = RENAMED
    at = world.now - 600
    both = world.prometheus.query(f'session_end_code_info{{system="{system}", code="{code}"}}', at)
    assert {dict(one)["name"] for one in both} == set(spelled)
    expr = CHOICES["softdrive"].of(of("Count against threshold, ", "A").expr)
    rows = world.prometheus.query(expr, at)
    assert sum(("code", code) in one for one in rows) == 1


def test_exemplars_are_sessions(world: World) -> None:
    for query in asked():
        if query.target["exemplar"] and query.uid == "session-end-code" and query.ref == "A":
            found = world.prometheus.get(
                "query_exemplars",
                query=CHOICES["streampixel"].of(query.expr),
                start=world.now - 60,
                end=world.now + 600,
            )
            sessions = [one["labels"]["session_id"] for row in found for one in row["exemplars"]]
            assert sessions, query.panel
            assert all(one.startswith("session-") for one in sessions)


def test_the_words_of_the_chosen_code_come_in_their_order(world: World) -> None:
    (code,) = (code for code in CODES if (code.system, code.code) == ("streampixel", "4001"))
    rows = ask(world, of("Name, causes", "A"), CHOICES["streampixel"])
    assert [(row["metric"]["about"], row["metric"]["text"]) for row in rows] == [
        ("Name", code.name),
        ("Causes", code.causes),
        ("Fix", code.fix),
        ("Owner", code.owner),
    ]
