"""What tests of the manifests look things up with."""

import re
import shutil
from pathlib import Path

import kubernetes_validate

from tests.deploy.kubernetes.kustomize import Builder, Object, builders, identity
from tests.e2e.exporter_process import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
# PodDisruptionBudget's unhealthyPodEvictionPolicy is on by default from 1.27.
VERSIONS = ("1.27", kubernetes_validate.latest_version())
BUILDERS = builders()
Objects = dict[tuple[str, str], Object]
CUSTOM = {"ServiceMonitor", "PrometheusRule"}


def made(build: Builder, folder: Path) -> Objects:
    """All that is built of the folder, by kind and name."""
    return {identity(one): one for one in build(folder)}


def of_kind(found: Objects, kind: str) -> dict[str, Object]:
    """Those of one kind, by name."""
    return {name: one for (its, name), one in found.items() if its == kind}


def valid(found: Objects, version: str) -> list[str]:
    """Kinds of the objects that a version of Kubernetes knows; raises ValidationError for one that is
    not as its schema says."""
    known = [one for one in found.values() if one["kind"] not in CUSTOM]
    for one in known:
        kubernetes_validate.validate(one, version, strict=True)
    return [one["kind"] for one in known]


def copied(folder: Path) -> Path:
    """deploy/kubernetes, where it may be changed."""
    return Path(shutil.copytree(FOLDER, folder / "kubernetes"))


def overlay(readme: str, build: Builder, folder: Path) -> Objects:
    """What the overlay of a README builds, beside a copy of deploy/kubernetes."""
    copied(folder)
    (block,) = re.findall(r"^```yaml\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    (folder / "overlay").mkdir()
    (folder / "overlay" / "kustomization.yaml").write_text(block)
    return made(build, folder / "overlay")


def relative(start: Path, path: Path) -> str:
    """kustomize takes no absolute path."""
    return "../" * (len(start.resolve().parts) - 1) + path.resolve().as_posix().lstrip("/")
