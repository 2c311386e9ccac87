"""Values of variables, and links between dashboards and to runbooks, as Grafana makes them."""

import json
import re

from dashboards.source.variables import RUNBOOKS as RUNBOOKS_VARIABLE
from tests.dashboards.conftest import RUNBOOKS, VALUES, States
from tests.dashboards.shipped import DASHBOARDS, PANELS, UIDS, Json, interpolated, variables
from tests.rules.series import CODES

FIELD = re.compile(r"\$\{__data\.fields\.(\w+)\}")


def offered(states: States, variable: Json, state: str = "traffic") -> dict[str, str]:
    """Values and texts as Grafana reads them from the answer of Prometheus (metric_find_query.ts)."""
    get = states.prometheus.get
    text = interpolated(variable["query"], **VALUES)
    function, query = re.fullmatch(r"(\w+)\((.+)\)", text).groups()
    if function == "label_values":
        metric, label = query.split(", ")
        values = get(f"label/{label}/values", **{"match[]": metric})
    else:
        answer = get("query", query=query, time=states.end(state))
        rows = [row["metric"].items() for row in answer["result"]]
        values = ["{" + ",".join(f'{key}="{text}"' for key, text in row) + "} 1 0" for row in rows]
    # JavaScript's named groups; the look-behind of Python is written the same way.
    pattern = re.sub(r"\(\?<(\w)", r"(?P<\1", variable.get("regex") or "/^.+$/").strip("/")
    matches = [match for match in map(re.compile(pattern).search, values) if match]
    named = "?P<text>" in pattern
    return dict(
        match.group("value", "text") if named else (match[match.re.groups],) * 2
        for match in matches
    )


def test_variables_offer_systems_codes_with_names_exporters_and_labels(states: States) -> None:
    expected = {
        "system": ["softdrive", "streampixel"],
        "instance": ["exporter:1", "exporter:2"],
        "runbooks": [RUNBOOKS],
        "label": ["region"],
    }
    for uid in UIDS:
        for name, variable in variables(uid).items():
            if name in expected:
                assert list(offered(states, variable)) == expected[name]


def test_first_code_of_the_variable_is_furthest_above_its_threshold(states: States) -> None:
    variable = variables("session-end-code")["code"]
    assert variable["sort"] == 0
    values = offered(states, variable)
    assert next(iter(values.items())) == ("4001", "4001 No Worker Node Available")
    assert len(values) == len(offered(states, variable, "rules")) == 13


def test_runbook_links_use_the_default_without_an_exporter(states: States) -> None:
    variable = variables("session-ends")["runbooks"]
    default = "http://127.0.0.1:10401"
    assert list(offered(states, variable, "empty")) == [default]
    assert (variable["hide"], variable["current"]["value"]) == (2, default)


def is_page(states: States, path: str) -> bool:
    return states.exporter.request("ops", "GET", path).status == 200


def test_links_between_dashboards_keep_variables_and_time(states: States) -> None:
    for dashboard in DASHBOARDS.values():
        tagged, runbooks = dashboard["links"]
        assert all(set(tagged["tags"]) <= set(other["tags"]) for other in DASHBOARDS.values())
        assert tagged["includeVars"]
        assert tagged["keepTime"]
        assert is_page(states, runbooks["url"].removeprefix(RUNBOOKS_VARIABLE))


def displayed(value: str, unit: str) -> str:
    """A cell as Grafana passes it to a link: a text that is a number is formatted, unless it is a string."""
    if unit == "string" or not re.fullmatch(r"\d+", value):
        return value
    return f"{int(value):,}"


def test_links_of_cells_open_the_code_and_its_runbook_for_every_code(states: States) -> None:
    """Fails without the unit "string" for codes: Grafana passes 4001 as "4,001" and 04 as "4"."""
    titles = set()
    for panel in PANELS:
        units = dict.fromkeys(("system", "code", "runbook", "dashboard"), "locale")
        for override in panel["fieldConfig"]["overrides"]:
            properties = {item["id"]: item.get("value") for item in override["properties"]}
            units[override["matcher"]["options"].lower()] = properties.get("unit", "locale")
        for url in re.findall(r'"url": "([^"]+__data[^"]+)"', json.dumps(panel)):
            titles.add(panel["title"])
            for system, code in CODES:
                cells = {"system": system, "code": code, "runbook": f"/codes/{system}/{code}"}
                cells["dashboard"] = f"session-end-code?var-system={system}&var-code={code}&"
                shown = {name: displayed(text, units[name]) for name, text in cells.items()}
                filled = FIELD.sub(lambda field, shown=shown: shown[field[1].lower()], url)
                path = filled.removeprefix(RUNBOOKS_VARIABLE)
                if path.startswith("/d/"):
                    chosen, _, kept = path.removeprefix("/d/session-end-code?").partition("&$")
                    assert chosen == f"var-system={system}&var-code={code}", panel["title"]
                    assert kept == "{datasource:queryparam}&${__url_time_range}"
                else:
                    assert path == cells["runbook"]
                    assert is_page(states, path)
    assert len(titles) == 4
