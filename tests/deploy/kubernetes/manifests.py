"""What tests of the manifests look things up with."""

from pathlib import Path

import kubernetes_validate

from tests.deploy.kubernetes.kustomize import Object, builders
from tests.e2e.exporter_process import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
# PodDisruptionBudget's unhealthyPodEvictionPolicy is on by default from 1.27.
VERSIONS = ("1.27", kubernetes_validate.latest_version())
BUILDERS = builders()
Objects = dict[tuple[str, str], Object]
CUSTOM = {"ServiceMonitor", "PrometheusRule"}


def relative(start: Path, path: Path) -> str:
    """kustomize takes no absolute path."""
    return "../" * (len(start.resolve().parts) - 1) + path.resolve().as_posix().lstrip("/")
