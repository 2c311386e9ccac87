"""Links that open a query in Prometheus or Grafana."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode


@dataclass(frozen=True, slots=True)
class QueryLinks:
    """`prometheus` and `grafana` are base URLs without a slash at the end; "" for no link."""

    prometheus: str = ""
    grafana: str = ""

    def of(self, query: str) -> Iterator[tuple[str, str]]:
        """Text and URL of each link of a query: its graph over three hours."""
        if self.prometheus:
            # Prometheus 3 redirects /graph to /query and still reads `tab=0`, the graph of version 2.
            panel = {"g0.expr": query, "g0.tab": 0, "g0.range_input": "3h"}
            yield "Open in Prometheus", f"{self.prometheus}/graph?{urlencode(panel)}"
        if self.grafana:
            # Without a data source Explore takes the default one.
            pane = {
                "queries": [{"refId": "A", "expr": query}],
                "range": {"from": "now-3h", "to": "now"},
            }
            explore = {"schemaVersion": 1, "panes": json.dumps({"run": pane})}
            yield "Open in Grafana", f"{self.grafana}/explore?{urlencode(explore)}"
