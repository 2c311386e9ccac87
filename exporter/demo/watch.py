"""What Prometheus thinks of the alerts: which are pending, which fire, and since when."""

import http.client
import json
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

PENDING: Final = "pending"
FIRING: Final = "firing"
OVER: Final = "over"


@dataclass(frozen=True, slots=True)
class Change:
    """An alert that is `PENDING`, `FIRING` or `OVER` now, and was not."""

    state: str
    alert: str
    summary: str
    severity: str


class Prometheus:
    """Its HTTP API at `url`. Methods raise `OSError` when it does not answer."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._known: dict[str, Change] = {}

    def has(self, *queries: str) -> bool:
        """Whether each of these has a value."""
        return all(self._get("query", {"query": query})["result"] for query in queries)

    @property
    def quiet(self) -> bool:
        """Whether no alert that wakes somebody was pending or firing at the last look."""
        return not any(one.severity == "page" for one in self._known.values())

    def changes(self) -> Iterator[Change]:
        """What is different since the last time, alert by alert.

        One that fires without having been seen pending was pending between two looks: both are told.
        """
        found = self._alerts()
        for series, now in found.items():
            before = self._known.get(series)
            if before is None and now.state == FIRING:
                yield replace(now, state=PENDING)
            if before is None or before.state != now.state:
                yield now
        for series, before in self._known.items():
            if series not in found:
                yield replace(before, state=OVER)
        self._known = found

    def _alerts(self) -> dict[str, Change]:
        found: dict[str, Change] = {}
        for alert in self._get("alerts", {})["alerts"]:
            labels = alert["labels"]
            summary = alert["annotations"].get("summary", labels["alertname"])
            found[json.dumps(labels, sort_keys=True)] = Change(
                alert["state"], labels["alertname"], summary, labels.get("severity", "")
            )
        return found

    def _get(self, path: str, parameters: dict[str, str]) -> Any:
        url = f"{self._url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310
                return json.load(response)["data"]
        except (http.client.HTTPException, ValueError) as error:
            raise OSError(f"Prometheus: {error}") from None
