"""The files of the Helm chart."""

import json

import yaml

from tests.e2e.exporter_process import ROOT

CHART = ROOT / "deploy/helm/session-end-exporter"
ABOUT = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
VALUES = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
README = (CHART.parent / "README.md").read_text(encoding="utf-8")
TEMPLATES = {
    path.name: path.read_text(encoding="utf-8") for path in (CHART / "templates").iterdir()
}
