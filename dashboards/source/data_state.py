"""The panel that tells a fresh installation, missing rules and missing traffic apart."""

from typing import Final

from dashboards.source.panels import Panel, number
from dashboards.source.queries import Query
from dashboards.source.style import mappings
from exporter import names

STATES: Final = ("No exporter", "No rules", "No traffic", "Complete")
"""The texts of the values 1, 2, 3 and 4."""
PRESENT: Final = (
    f"last_over_time({names.BUILD_INFO}[5m])",
    names.RULE_CODE_INFO,
    f"(sum({names.RULE_COUNT}1h) > 0)",
)
"""The series whose absence means each state but the last."""


def data_state(states: int = len(STATES)) -> Panel:
    """`states` are 2 on a dashboard that reads no rules: the exporter is there or not."""
    missing = [
        f"(vector({value}) unless on () group({present}))"
        for value, present in enumerate(PRESENT[: states - 1], start=1)
    ]
    expr = "\nor on () ".join([*missing, f"vector({len(STATES)})"])
    color = dict.fromkeys(STATES, "orange") | {"Complete": "text"}
    shown = {str(i): {"text": text, "color": color[text]} for i, text in enumerate(STATES, start=1)}
    panel = number(
        "Data",
        "Why other panels may be empty. No exporter: Prometheus scrapes none. No rules: Prometheus has not "
        "loaded rules/*.yml, or has not evaluated them yet. No traffic: no session ended in the last hour.",
        Query(expr, "state", instant=True),
        size=16,
    )
    panel["fieldConfig"]["defaults"] |= mappings(shown)
    return panel
