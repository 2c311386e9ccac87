"""deploy/kubernetes: the objects, as far as it can be told without a cluster."""

import json
import subprocess
import sys

import pytest
import yaml

from tests.deploy.kubernetes.kustomize import Builder
from tests.deploy.kubernetes.manifests import CUSTOM, FOLDER, VERSIONS, Objects, of_kind, valid
from tests.e2e.exporter_process import ROOT

SIDECAR = {"grafana_dashboard": "1"}

LONGEST_ANNOTATION = 262_144


def test_kustomization_builds_exporter_scrape_rules_and_dashboards(build: Builder) -> None:
    kinds = sorted(one["kind"] for one in build(FOLDER))
    assert kinds == sorted(
        [
            *("Namespace", "ServiceAccount", "StatefulSet", "NetworkPolicy", "PodDisruptionBudget"),
            *("Service", "Service", "ServiceMonitor", "PrometheusRule"),
            *["ConfigMap"] * len(list((ROOT / "dashboards").glob("*.json"))),
        ]
    )
    assert {one["metadata"].get("namespace") for one in build(FOLDER)} == {
        None,
        "session-end-exporter",
    }


def test_base_needs_only_kubernetes(build: Builder) -> None:
    assert not {one["kind"] for one in build(FOLDER / "base")} & {*CUSTOM, "ConfigMap"}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid_for_kubernetes(everything: Objects, version: str) -> None:
    assert len(valid(everything, version)) >= 12


def test_prometheusrule_has_the_shipped_rules(everything: Objects) -> None:
    """Drift: `make prometheusrule` writes it again."""
    written = subprocess.run(
        [sys.executable, ROOT / "scripts" / "prometheusrule"], capture_output=True, check=True
    ).stdout
    path = ROOT / "deploy/kubernetes/components/rules/prometheusrule.yaml"
    assert path.read_bytes() == written, "run `make prometheusrule`"
    rules = everything["PrometheusRule", "session-end-exporter"]
    groups = [
        group
        for file in sorted((ROOT / "rules").glob("*.yml"))
        for group in yaml.safe_load(file.read_text())["groups"]
    ]
    assert rules["spec"]["groups"] == groups


def test_configmaps_are_the_dashboards_with_the_sidecar_label(everything: Objects) -> None:
    found = {
        name: text
        for config_map in of_kind(everything, "ConfigMap").values()
        if config_map["metadata"]["labels"].get("grafana_dashboard") == "1"
        for name, text in config_map["data"].items()
    }
    files = (ROOT / "dashboards").glob("*.json")
    assert found == {file.name: file.read_text(encoding="utf-8") for file in files}
    assert found


def test_configmaps_fit_into_the_annotation_of_kubectl_apply(everything: Objects) -> None:
    for name, config_map in of_kind(everything, "ConfigMap").items():
        assert len(json.dumps(config_map)) < LONGEST_ANNOTATION, name
