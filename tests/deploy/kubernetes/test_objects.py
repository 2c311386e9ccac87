"""deploy/kubernetes: the objects, those that are rendered too, as far as it can be told without a cluster."""

from copy import deepcopy

import kubernetes_validate
import pytest
import yaml

from exporter.render import generate, operator
from exporter.render.dashboards.files import CONFIGMAPS, SIDECAR
from tests.deploy.kubernetes.kustomize import Builder
from tests.deploy.kubernetes.manifests import CUSTOM, FOLDER, VERSIONS, Objects, of_kind, valid
from tests.e2e.exporter_process import ROOT
from tests.render.test_generate import POLICY, TAXONOMY


def test_kubectl_apply_k_makes_the_exporter_its_scrape_rules_and_dashboards(build: Builder) -> None:
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


def test_the_base_needs_nothing_but_kubernetes(build: Builder) -> None:
    assert not {one["kind"] for one in build(FOLDER / "base")} & {*CUSTOM, "ConfigMap"}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid_for_kubernetes(everything: Objects, version: str) -> None:
    assert len(valid(everything, version)) >= 12


def test_a_misspelt_key_is_not_valid(everything: Objects) -> None:
    broken = deepcopy(everything["StatefulSet", "session-end-exporter"])
    broken["spec"]["template"]["spec"]["securityContext"]["runAsNonroot"] = True
    with pytest.raises(kubernetes_validate.ValidationError, match="runAsNonroot"):
        kubernetes_validate.validate(broken, VERSIONS[-1], strict=True)


def test_the_rendered_objects_are_the_rendered_files(
    everything: Objects,
) -> None:
    rendered = generate.texts(
        generate.pack_of(TAXONOMY, POLICY, generate.RUNBOOK_BASE_URL, generate.DASHBOARD_BASE_URL)
    )
    for path in (operator.PATH, CONFIGMAPS):
        assert (ROOT / path).read_bytes() == rendered[path].encode(), path
    rules = everything["PrometheusRule", "session-end-exporter"]
    assert rules["apiVersion"] == "monitoring.coreos.com/v1"
    assert rules["spec"] == yaml.safe_load(rendered[operator.PATH])["spec"]
    boards = {
        name: text
        for one in of_kind(everything, "ConfigMap").values()
        if SIDECAR.items() <= one["metadata"]["labels"].items()
        for name, text in one["data"].items()
    }
    files = (ROOT / "dashboards").glob("*.json")
    assert boards == {file.name: file.read_text(encoding="utf-8") for file in files}
    assert boards
