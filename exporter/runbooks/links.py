"""Links that open a query in Prometheus or Grafana."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode


@dataclass(frozen=True, slots=True)
class QueryLinks:
    """Base URLs without a trailing slash; "" for no link."""

    prometheus: str = ""
    grafana: str = ""

    def of(self, query: str) -> Iterator[tuple[str, str]]:
        """Text and URL of each link to the query's graph over three hours."""
        if self.prometheus:
            # Prometheus 3 redirects /graph to /query and still accepts `tab=0`, the graph of version 2.
            panel = {"g0.expr": query, "g0.tab": 0, "g0.range_input": "3h"}
            yield "Open in Prometheus", f"{self.prometheus}/graph?{urlencode(panel)}"
        if self.grafana:
            # Explore uses the default data source.
            pane = {
                "queries": [{"refId": "A", "expr": query}],
                "range": {"from": "now-3h", "to": "now"},
            }
            explore = {"schemaVersion": 1, "panes": json.dumps({"run": pane})}
            yield "Open in Grafana", f"{self.grafana}/explore?{urlencode(explore)}"
