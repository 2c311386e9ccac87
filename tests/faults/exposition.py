"""What senders can do to /metrics: whether it still parses, and what it shows."""

import re
import subprocess

from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families as text_families

from tests.e2e.exporter_process import ExporterProcess, wait_for

SHOWN_AT_ONCE = {"labels": "region", "first_seen_zero_for": 0}
"""A label, whose new values are shown with their counts as soon as the ledger looks (each second)."""
OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}


def parses(exporter: ExporterProcess, promtool: bool = False) -> str:
    """The text exposition, after both formats were parsed; `promtool` looks at it as well."""
    text = exporter.request("ops", "GET", "/metrics")
    better = exporter.request("ops", "GET", "/metrics", headers=OPENMETRICS)
    assert (text.status, better.status) == (200, 200)
    assert "openmetrics" in better.headers["Content-Type"]
    assert len(list(text_families(text.body.decode()))) > 20
    assert len(list(openmetrics_families(_without_escapes(better.body.decode())))) > 20
    if promtool:
        said = subprocess.run(
            ["promtool", "check", "metrics"], input=text.body, capture_output=True, check=False
        )
        assert (said.returncode, said.stdout, said.stderr) == (0, b"", b"")
    return text.body.decode()


def counted(exporter: ExporterProcess, ends: int) -> None:
    """Wait until /metrics shows that many ends: a new series is shown at 0 first."""
    wait_for(lambda: exporter.total("session_ends_total") == ends, what=f"{ends} ends")


def _without_escapes(text: str) -> str:
    """Exemplars with `_` for each escape: prometheus_client's parser takes the quote of `\\"` for the
    end of a value there (Prometheus reads it right: see the test with a real one)."""
    lines = text.splitlines(keepends=True)
    return "".join(
        line if " # {" not in line else re.sub(r"\\[\\\"n]", "_", line) for line in lines
    )
