"""What variables offer, and where links lead, asked of a real Prometheus and a real exporter."""

import itertools
import json
import re
import urllib.parse
from typing import Any

from dashboards.source import links
from tests.dashboards.asking import CHOICES, Choice
from tests.dashboards.recording import alerts
from tests.dashboards.shipped import UIDS, dashboards, panels, variables
from tests.dashboards.world import RUNBOOKS, TAXONOMY, World


def test_the_variables_offer_systems_codes_with_names_exporters_and_own_labels(
    world: World,
) -> None:
    get = world.prometheus.get
    for uid in UIDS:
        offered = variables(dashboards()[uid])
        for name, variable in offered.items():
            found = _values(get, variable, CHOICES["streampixel"])
            if name == "system":
                assert found == {"softdrive": "softdrive", "streampixel": "streampixel"}
            if name == "code":
                assert found["4001"] == "4001 No Worker Node Available"
                assert len(found) == 13
            if name == "instance":
                assert list(found) == [f"127.0.0.1:{world.exporter.ports['ops']}"]
            if name == "label":
                assert list(found) == ["region"]
            if name == "runbooks":
                assert list(found) == [RUNBOOKS]


def _values(get: Any, variable: dict[str, Any], choice: Choice) -> dict[str, str]:
    """Values and texts as Grafana reads them of what Prometheus answers (metric_find_query.ts)."""
    query = choice.of(variable["query"])
    if found := re.fullmatch(r"label_values\((.+), (\w+)\)", query):
        values = get(f"label/{found[2]}/values", **{"match[]": found[1]})
    elif found := re.fullmatch(r"label_names\((.+)\)", query):
        values = get("labels", **{"match[]": f'{{__name__=~".*{found[1]}.*"}}'})
    elif found := re.fullmatch(r"query_result\((.+)\)", query):
        rows = get("query", query=found[1])["result"]
        values = [
            "{" + ",".join(f'{key}="{one}"' for key, one in row["metric"].items()) + "} 1 0"
            for row in rows
        ]
    else:
        assert variable["type"] == "datasource"
        return {}
    pattern = variable.get("regex", "")
    if not pattern:
        return {one: one for one in values}
    compiled = re.compile(pattern.strip("/").replace("(?<", "(?P<").replace("(?P<!", "(?<!"))
    matched = [one for one in map(compiled.search, values) if one]
    named = "text" in compiled.groupindex
    return (
        {one["value"]: one["text"] for one in matched}
        if named
        else {one[compiled.groups]: one[compiled.groups] for one in matched}
    )


def test_every_alerts_link_leads_to_a_dashboard_with_its_variables() -> None:
    for name, rule in alerts().items():
        found = re.search(
            r"/d/([\w-]+)(?:\?([^{]*.*?))?\{\{ end \}\}", rule["annotations"]["dashboard_url"]
        )
        assert found, name
        given = re.findall(r"var-(\w+)=", found[2] or "")
        assert set(given) <= set(variables(dashboards()[found[1]])), name


def leads_to_a_page(world: World, path: str) -> bool:
    """On the ops listener, where an alert of a code leads on to the code."""
    reply = world.exporter.request("ops", "GET", path)
    if reply.status == 307:
        reply = world.exporter.request("ops", "GET", reply.headers["location"])
    return reply.status == 200


CELLS = {
    "system": "streampixel",
    "System": "streampixel",
    "code": "4001",
    "runbook": "/codes/streampixel/4001",
}
"""A row of the tables, by the names of its columns."""
CODES = [(name, code.code) for name, system in TAXONOMY.systems.items() for code in system.codes]
_FIELD = re.compile(r"\$\{__data\.fields\.(\w+)\}")


def test_the_links_of_cells_and_dashboards_resolve(world: World) -> None:
    for uid, board in dashboards().items():
        for link in board["links"]:
            if link["type"] == "dashboards":
                assert link["includeVars"]
                assert link["keepTime"]
                tagged = [
                    one for one in dashboards().values() if set(link["tags"]) <= set(one["tags"])
                ]
                assert len(tagged) == len(UIDS)
            else:
                assert link["url"].startswith(links.RUNBOOKS)
                assert leads_to_a_page(world, link["url"].removeprefix(links.RUNBOOKS))
        for url in re.findall(r'"url": "([^"]+__data[^"]+)"', json.dumps(board)):
            filled = _FIELD.sub(lambda found: CELLS[found[1]], url.removeprefix(links.RUNBOOKS))
            parts = urllib.parse.urlsplit(filled)
            if parts.path.startswith("/d/"):
                assert parts.path.removeprefix("/d/") in UIDS, uid
                assert "${__url_time_range}" in parts.query
                assert "${datasource:queryparam}" in parts.query
            else:
                assert leads_to_a_page(world, parts.path), filled


def test_the_links_of_tables_have_every_code_as_it_is_written(world: World) -> None:
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
        cells = {**CELLS, "system": system, "System": system, "code": code}
        for url in re.findall(r'"url": "([^"]+__data[^"]+code[^"]*)"', json.dumps(panel)):
            filled = url.removeprefix(links.RUNBOOKS)
            for column in _FIELD.findall(url):
                shown = formatted(panel, column, cells[column])
                filled = filled.replace(f"${{__data.fields.{column}}}", shown)
            parts = urllib.parse.urlsplit(filled)
            if parts.path.startswith("/d/"):
                assert f"?var-system={system}&var-code={code}&" in filled, panel["title"]
            else:
                assert parts.path == f"/codes/{system}/{code}", panel["title"]
                resolved.add(parts.path)
    assert len(resolved) == len(CODES)
    assert all(leads_to_a_page(world, path) for path in resolved)


def formatted(panel: dict[str, Any], column: str, text: str) -> str:
    """A cell in a link as Grafana formats it (getDisplayProcessor): text that looks like a number is
    formatted as a number, with the column's unit or else the panel's, unless that unit is "string"."""
    unit = panel["fieldConfig"]["defaults"]["unit"]
    for override in panel["fieldConfig"]["overrides"]:
        if override["matcher"] == {"id": "byName", "options": column}:
            for changed in override["properties"]:
                unit = changed["value"] if changed["id"] == "unit" else unit
    return text if unit == "string" or not text.isdecimal() else f"{int(text)} {unit}"
