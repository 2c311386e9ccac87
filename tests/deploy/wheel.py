"""The wheel: its files, by their path in the wheel."""

from pathlib import Path

from tests.e2e.exporter_process import ROOT
from tests.test_project import committed

SHARED = (
    "rules/",
    "dashboards/session-",
    "deploy/alertmanager/",
    "deploy/grafana/",
    "deploy/prometheus/",
)
"""Beginnings of the paths of files that the wheel contains in exporter/share."""


def package_files() -> dict[str, Path]:
    """Every file of the package `exporter`, and its place in the repository."""
    files = {}
    for path in committed():
        name = str(path.relative_to(ROOT))
        if name.startswith("exporter/"):
            files[name] = path
        elif name.startswith(SHARED):
            files[f"exporter/share/{name}"] = path
    return files
