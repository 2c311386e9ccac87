"""Values of variables, and targets of links, asked of a real Prometheus and a real exporter."""

import itertools
import json
import re
import urllib.parse
from typing import Any

from dashboards.source import links
from tests.dashboards.choices import STREAMPIXEL
from tests.dashboards.shipped import UIDS, dashboards, panels, variables
from tests.dashboards.world import RUNBOOKS, TAXONOMY, World
from tests.rule_groups import alerts

CELLS = {"system": "streampixel", "code": "4001", "runbook": "/codes/streampixel/4001"}
"""A row of the tables, by the lower-case names of its columns."""
CODES = [(name, code.code) for name, system in TAXONOMY.systems.items() for code in system.codes]
FIELD = re.compile(r"\$\{__data\.fields\.(\w+)\}")


def test_variables_offer_systems_codes_with_names_exporters_and_labels(world: World) -> None:
    for uid in UIDS:
        for name, variable in variables(dashboards()[uid]).items():
            if name == "datasource":
                continue
            values = offered(world.prometheus.get, variable)
            if name == "code":
                assert values["4001"] == "4001 No Worker Node Available"
                assert len(values) == 13
            else:
                expected = {
                    "system": ["softdrive", "streampixel"],
                    "instance": [f"127.0.0.1:{world.exporter.ports['ops']}"],
                    "label": ["region"],
                    "runbooks": [RUNBOOKS],
                }
                assert list(values) == expected[name]


def offered(get: Any, variable: dict[str, Any]) -> dict[str, str]:
    """Values and texts as Grafana reads them from Prometheus' answer (metric_find_query.ts)."""
    function, query = re.fullmatch(r"(\w+)\((.+)\)", STREAMPIXEL.of(variable["query"])).groups()
    if function == "label_values":
        metric, label = query.split(", ")
        values = get(f"label/{label}/values", **{"match[]": metric})
    elif function == "label_names":
        values = get("labels", **{"match[]": f'{{__name__=~".*{query}.*"}}'})
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


def test_the_link_of_every_alert_leads_to_a_dashboard_with_its_variables() -> None:
    for name, rule in alerts().items():
        url = rule["annotations"]["dashboard_url"]
        uid = re.search(r"/d/([\w-]+)", url)[1]
        assert set(re.findall(r"var-(\w+)=", url)) <= set(variables(dashboards()[uid])), name


def is_page(world: World, path: str) -> bool:
    """On the ops listener, where an alert of a code redirects to the code."""
    reply = world.exporter.request("ops", "GET", path)
    if reply.status == 307:
        reply = world.exporter.request("ops", "GET", reply.headers["location"])
    return reply.status == 200


def test_links_of_cells_and_dashboards_resolve(world: World) -> None:
    boards = dashboards().values()
    for board in boards:
        tagged, runbooks = board["links"]
        assert all(set(tagged["tags"]) <= set(other["tags"]) for other in boards)
        assert tagged["includeVars"]
        assert tagged["keepTime"]
        assert is_page(world, runbooks["url"].removeprefix(links.RUNBOOKS))
        for url in re.findall(r'"url": "([^"]+__data[^"]+)"', json.dumps(board)):
            path = url.removeprefix(links.RUNBOOKS)
            filled = FIELD.sub(lambda column: CELLS[column[1].lower()], path)
            parts = urllib.parse.urlsplit(filled)
            if parts.path.startswith("/d/"):
                assert parts.path.removeprefix("/d/") in UIDS
                assert "${__url_time_range}" in parts.query
                assert "${datasource:queryparam}" in parts.query
            else:
                assert is_page(world, parts.path), filled


def test_links_of_tables_have_every_code_as_it_is_written(world: World) -> None:
    """Fails when column `code` has a number's unit: Grafana then passes 4001 as "4.00 K" and 04 as 4."""
    tables = [
        panel
        for board in dashboards().values()
        for panel in panels(board)
        if "__data.fields.code" in json.dumps(panel)
    ]
    assert len({panel["title"] for panel in tables}) == 4
    resolved = set()
    for panel, (system, code) in itertools.product(tables, CODES):
        cells = {**CELLS, "system": system, "code": code}
        for url in re.findall(r'"url": "([^"]+__data[^"]+code[^"]*)"', json.dumps(panel)):
            filled = url.removeprefix(links.RUNBOOKS)
            for column in FIELD.findall(url):
                shown = formatted(panel, column, cells[column.lower()])
                filled = filled.replace(f"${{__data.fields.{column}}}", shown)
            if filled.startswith("/d/"):
                assert f"?var-system={system}&var-code={code}&" in filled, panel["title"]
            else:
                assert filled == f"/codes/{system}/{code}", panel["title"]
                resolved.add(filled)
    assert len(resolved) == len(CODES)
    assert all(is_page(world, path) for path in resolved)


def formatted(panel: dict[str, Any], column: str, text: str) -> str:
    """A cell in a link as Grafana formats it (getDisplayProcessor): text that looks like a number is
    formatted as a number, with the column's unit or else the panel's, unless that unit is "string"."""
    unit = panel["fieldConfig"]["defaults"]["unit"]
    for override in panel["fieldConfig"]["overrides"]:
        if override["matcher"] == {"id": "byName", "options": column}:
            for changed in override["properties"]:
                unit = changed["value"] if changed["id"] == "unit" else unit
    return text if unit == "string" or not text.isdecimal() else f"{int(text)} {unit}"
