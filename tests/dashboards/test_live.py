"""Queries, variables, annotations and links of the dashboards, with a real Prometheus and exporter.

Grafana does not run here: `Choice` writes a query as Grafana does before it sends the query.
"""

import json
import re
import time
from collections.abc import Iterator

import pytest

from dashboards.source import links
from tests.dashboards.shipped import (
    DASHBOARDS,
    PANELS,
    QUERIES,
    UIDS,
    Json,
    query_of,
    variables,
)
from tests.dashboards.world import (
    ALL,
    CHOICES,
    RUNBOOKS,
    SOFTDRIVE,
    STREAMPIXEL,
    TAXONOMY,
    Choice,
    World,
    last,
)
from tests.e2e.exporter_process import wait_for

CODES = [code for system in TAXONOMY.systems.values() for code in system.codes]
WITHOUT_DATA = {
    "no ledger was ever damaged": ("Damaged ledger", ""),
    "both systems miss their objective, over the last hour": ("Success ratio (1h)", "<= on"),
    "and over the whole period": ("Success ratio (30d)", ">= on"),
    "Streampixel has no code in that phase": ("Failures by phase", 'phase="pre_session"'),
    "1001 is as frequent as expected on both systems": ("Alert list", 'code="1001"'),
    "a code has one of the three outcomes": ("Ends against threshold", 'outcome="'),
    "so its share has one color": ("Share of all ends (5m)", 'outcome="'),
    "and its rate": ("Ends per minute", 'outcome="'),
    "and its ends beside the queue": ("Queued users", 'outcome="'),
    "Softdrive has no live stats": ("Users streaming", '=~"softdrive"'),
    "nor a queue": ("Queued users", 'session_queued_users{system=~"softdrive"'),
    "fewer than 10,000 sessions ended": ("Sessions ended (1h)", ">= 10000"),
    "no end of 1001 has a label in the last hour": ("label", "session_ends_by_label_total"),
    "every end has a region": ("Ends per minute by", "(none)"),
}
"""Queries that may be empty, by reason: a part of the panel's title and a part of the query."""
FIELD = re.compile(r"\$\{__data\.fields\.(\w+)\}")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("world")) as running:
        seen: set[float] = set()

        def settled() -> bool:
            """Whether a spike fires; sends a few events after each scrape, far fewer than the simulated
            traffic."""
            scrapes = sum(running.prometheus.query("count_over_time(up[5m])").values())
            if scrapes not in seen:
                seen.add(scrapes)
                running.send()
            page = 'ALERTS{alertstate="firing", alertname="SessionEndSpike"}'
            return len(seen) > 5 and bool(running.prometheus.query(page))

        wait_for(settled, 60, "a page and some scrapes")
        yield running


# --- queries -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_every_query_gives_data(world: World, choice: Choice) -> None:
    silent = []
    for query in QUERIES:
        expr = choice.of(query.expr)
        expected = not any(
            title in query.panel and part in expr for title, part in WITHOUT_DATA.values()
        )
        if expected and not world.ask(query, choice):
            silent.append(query)
    assert silent == []


def test_timeline_shows_every_code_that_can_alert(world: World) -> None:
    rows = world.ask(query_of("Count against threshold, "), ALL)
    watched = {
        (code.system, code.code)
        for system in TAXONOMY.systems.values()
        for code in (*system.codes, system.unknown)
        if code.severity.value != "none"
    }
    assert {(row["metric"]["system"], row["metric"]["code"]) for row in rows} == watched
    assert "No Worker Node Available" in {row["metric"]["name"] for row in rows}


def test_top_codes_have_the_outages_code_with_its_name_owner_and_fix(world: World) -> None:
    columns = {ref: world.ask(query_of("Top 10 codes", ref), ALL) for ref in "ABCD"}
    keys = [{row["metric"]["key"] for row in rows} for rows in columns.values()]
    assert len(keys[0]) == 10
    assert keys == [keys[0]] * 4
    assert max(columns["A"], key=last)["metric"] == {
        "system": "streampixel",
        "code": "4001",
        "name": "No Worker Node Available",
        "title": "4001 No Worker Node Available",
        "outcome": "failure",
        "key": "streampixel/4001",
        "owner": "capacity",
        # The first sentences, which fit into two lines.
        "fix": next(code.fix for code in CODES if code.code == "4001"),
    }
    assert max(columns["C"], key=last)["metric"]["key"] == "streampixel/4001"
    neutral = {
        code.code: f"{code.code} {code.name} (neutral)"
        for code in CODES
        if code.outcome == "neutral"
    }
    titles = {row["metric"]["code"]: row["metric"]["title"] for row in columns["A"]}
    marked = {code: title for code, title in titles.items() if "(" in title}
    assert marked == {code: title for code, title in neutral.items() if code in titles}
    assert marked


def test_builds_are_annotations_at_their_time_within_the_range(world: World) -> None:
    """Fails without `$__from`: marks also appear for a missing event and for an event of last year."""
    for uid in ("session-ends", "session-end-code"):
        _, annotation = DASHBOARDS[uid]["annotations"]["list"]
        assert annotation["useValueForTime"] is True
        for since, shown in ((world.now, 1), (time.time() + 60, 0)):
            expr = STREAMPIXEL.of(annotation["expr"], __from=f"{1000 * since:.0f}")
            marks = world.prometheus.query(expr)
            assert len(marks) == shown, uid
            for labels, milliseconds in marks.items():
                assert dict(labels) == {"system": "streampixel", "event": "build.approved"}
                assert 1000 * world.now < milliseconds <= 1000 * time.time()
        assert not world.prometheus.query(SOFTDRIVE.of(annotation["expr"], __from="0"))


def test_code_dashboard_shows_texts_example_sessions_and_live_users(world: World) -> None:
    (code,) = (code for code in CODES if (code.system, code.code) == ("streampixel", "4001"))
    rows = world.ask(query_of("Name, causes"), STREAMPIXEL)
    texts = [("Name", code.name), ("Causes", code.causes), ("Fix", code.fix), ("Owner", code.owner)]
    assert [(row["metric"]["about"], row["metric"]["text"]) for row in rows] == texts
    (users,) = world.ask(query_of("Users streaming"), STREAMPIXEL)
    assert (users["metric"]["project"], last(users)) == ("p1", 7)
    (queue,) = world.ask(query_of("Queued users", "D"), STREAMPIXEL)
    assert last(queue) == 2
    window = {"start": world.now - 60, "end": world.now + 600}
    (panel,) = (panel for panel in PANELS if panel["title"] == "Ends per minute")
    expr = STREAMPIXEL.of(panel["targets"][2]["expr"])
    rows = world.prometheus.get("query_exemplars", query=expr, **window)
    labels = [exemplar["labels"] for row in rows for exemplar in row["exemplars"]]
    assert labels
    assert all(label["session_id"].startswith("session-") for label in labels)


# --- variables and links -----------------------------------------------------------------------------


def test_variables_offer_systems_codes_with_names_exporters_and_labels(world: World) -> None:
    expected = {
        "system": ["softdrive", "streampixel"],
        "instance": [f"127.0.0.1:{world.exporter.ports['ops']}"],
        "runbooks": [RUNBOOKS],
    }
    for uid in UIDS:
        for name, variable in variables(uid).items():
            if name == "code":
                values = offered(world, variable)
                # The code that pages is the code furthest above its threshold.
                assert next(iter(values.items())) == ("4001", "4001 No Worker Node Available")
                assert len(values) == 13
            elif name not in ("datasource", "label"):
                assert list(offered(world, variable)) == expected[name]


def offered(world: World, variable: Json) -> dict[str, str]:
    """Values and texts as Grafana reads them from the answer of Prometheus (metric_find_query.ts)."""
    get = world.prometheus.get
    function, query = re.fullmatch(r"(\w+)\((.+)\)", STREAMPIXEL.of(variable["query"])).groups()
    if function == "label_values":
        metric, label = query.split(", ")
        values = get(f"label/{label}/values", **{"match[]": metric})
    else:
        rows = [row["metric"].items() for row in get("query", query=query)["result"]]
        values = ["{" + ",".join(f'{key}="{text}"' for key, text in row) + "} 1 0" for row in rows]
    # JavaScript's named groups; the look-behind of Python is written the same way.
    pattern = re.sub(r"\(\?<(\w)", r"(?P<\1", variable.get("regex") or "/^.+$/").strip("/")
    matches = [match for match in map(re.compile(pattern).search, values) if match]
    named = "?P<text>" in pattern
    return dict(
        match.group("value", "text") if named else (match[match.re.groups],) * 2
        for match in matches
    )


def is_page(world: World, path: str) -> bool:
    return world.exporter.request("ops", "GET", path).status == 200


def test_links_between_dashboards_keep_variables_and_time(world: World) -> None:
    for dashboard in DASHBOARDS.values():
        tagged, runbooks = dashboard["links"]
        assert all(set(tagged["tags"]) <= set(other["tags"]) for other in DASHBOARDS.values())
        assert tagged["includeVars"]
        assert tagged["keepTime"]
        assert is_page(world, runbooks["url"].removeprefix(links.RUNBOOKS))


def displayed(value: str, unit: str) -> str:
    """A cell as Grafana passes it to a link: a text that is a number is formatted, unless it is a string."""
    if unit == "string" or not re.fullmatch(r"\d+", value):
        return value
    return f"{int(value):,}"


def test_links_of_cells_open_the_code_and_its_runbook_for_every_code(world: World) -> None:
    """Fails without the unit "string" for codes: Grafana passes 4001 as "4,001" and 04 as "4"."""
    titles = set()
    for panel in PANELS:
        units = {"system": "locale", "runbook": "locale"}
        for override in panel["fieldConfig"]["overrides"]:
            properties = {item["id"]: item.get("value") for item in override["properties"]}
            units[override["matcher"]["options"].lower()] = properties.get("unit", "locale")
        for url in re.findall(r'"url": "([^"]+__data[^"]+)"', json.dumps(panel)):
            titles.add(panel["title"])
            for system, code in [(code.system, code.code) for code in CODES]:
                cells = {"system": system, "code": code, "runbook": f"/codes/{system}/{code}"}
                shown = {name: displayed(text, units[name]) for name, text in cells.items()}
                filled = FIELD.sub(lambda field, shown=shown: shown[field[1].lower()], url)
                path = filled.removeprefix(links.RUNBOOKS)
                if path.startswith("/d/"):
                    chosen, _, kept = path.removeprefix("/d/session-end-code?").partition("&$")
                    assert chosen == f"var-system={system}&var-code={code}", panel["title"]
                    assert kept == "{datasource:queryparam}&${__url_time_range}"
                else:
                    assert path == cells["runbook"]
                    assert is_page(world, path)
    assert len(titles) == 4
