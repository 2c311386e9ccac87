"""The files of the Helm chart, and what Helm and kustomize, which `make test-helm` builds, make of them."""

import json
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.kubernetes.kustomize import LOADER, identity
from tests.deploy.kubernetes.manifests import NAME, Objects
from tests.e2e.exporter_process import ROOT
from tests.programs import output

CHART = ROOT / "deploy/helm/session-end-exporter"
ABOUT = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
VALUES = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
README = (CHART.parent / "README.md").read_text(encoding="utf-8")
TEMPLATES = {
    path.name: path.read_text(encoding="utf-8") for path in (CHART / "templates").iterdir()
}
FOLDER = ROOT / "build/go"


def run(program: str, *arguments: str | Path) -> str:
    """The standard output of a program that must succeed."""
    return output(FOLDER / program, *arguments)


def by_identity(text: str) -> Objects:
    """The objects of a stream of YAML documents, by kind and name. Fails if two have the same."""
    documents = [item for item in yaml.load_all(text, LOADER) if item]
    objects = {identity(item): item for item in documents}
    assert len(objects) == len(documents)
    return objects


def kustomize(folder: Path) -> Objects:
    return by_identity(run("kustomize", "build", folder))


def rendered(
    folder: Path,
    values: dict[str, Any] | None = None,
    release: str = NAME,
    chart: Path = CHART,
) -> Objects:
    """The objects of a release in a namespace of the exporter's name. Writes the values into `folder`."""
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(values or {}), encoding="utf-8")
    arguments = ("--namespace", NAME, "--values", file)
    return by_identity(run("helm", "template", release, chart, *arguments))
