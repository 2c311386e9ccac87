"""What a pack is rendered from: every builder is a function from a `Pack` to texts by relative path."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode

from exporter.names import ALERTS_PATH, CODES_PATH
from exporter.policy.model import Policy
from exporter.render.catalog import Signal, Subject
from exporter.taxonomy.model import Taxonomy

RUNBOOK_BASE_URL: Final = "http://127.0.0.1:10401"
"""The ops listener's default address; it serves a page per code."""
DASHBOARD_BASE_URL: Final = "http://127.0.0.1:3000"
"""Grafana's default address."""
DASHBOARD_PATH: Final = "/d/session-end-code"
DASHBOARD_PATHS: Final = {
    Signal.STOPPED: "/d/session-ends",
    Signal.BUDGET: "/d/session-ends-slo",
    Signal.PIPELINE: "/d/session-end-exporter",
}
"""Of the alerts that are of no code."""


@dataclass(frozen=True, slots=True)
class Pack:
    """The inputs of one rendering; `subjects` are all alerts, in the order they are written.

    The base URLs have no slash at the end.
    """

    taxonomy: Taxonomy
    policy: Policy
    subjects: tuple[Subject, ...]
    runbook_base_url: str
    dashboard_base_url: str

    def runbook_url(self, subject: Subject) -> str:
        """A code's page on the ops listener; a page of its own for a system's and a pipeline alert."""
        if subject.code is None:
            return f"{self.runbook_base_url}{ALERTS_PATH}/{subject.alert}"
        system, code = quote(subject.code.system, safe=""), quote(subject.code.code, safe="")
        return f"{self.runbook_base_url}{CODES_PATH}/{system}/{code}"

    def dashboard_url(self, subject: Subject) -> str:
        """The dashboard that answers the alert, its variables set: a code's own, or the one of its signal."""
        variables = {}
        if subject.system is not None:
            variables["var-system"] = subject.system.system
        if subject.code is not None:
            variables["var-code"] = subject.code.code
        query = f"?{urlencode(variables)}" if variables else ""
        path = DASHBOARD_PATH if subject.code else DASHBOARD_PATHS[subject.signal]
        return f"{self.dashboard_base_url}{path}{query}"
