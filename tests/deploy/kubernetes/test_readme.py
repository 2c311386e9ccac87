"""deploy/kubernetes/README.md: its overlay, its commands, its names."""

import re
from pathlib import Path

import exporter
from tests.deploy.kubernetes.kustomize import Builder, Object
from tests.deploy.kubernetes.manifests import FOLDER, VERSIONS, Objects, of_kind, overlay, valid
from tests.e2e.exporter_process import ROOT

README = (FOLDER / "README.md").read_text(encoding="utf-8")


def test_readme_overlay_builds_with_its_changes(build: Builder, tmp_path: Path) -> None:
    objects = overlay(README, build, tmp_path)
    spec = objects["StatefulSet", "session-end-exporter"]["spec"]["template"]["spec"]
    assert spec["containers"][0]["image"] == (
        f"registry.example.com/session-end-exporter:{exporter.__version__}"
    )
    ingress = objects["Ingress", "session-end-exporter"]["spec"]
    assert ingress["tls"][0]["hosts"] == ["ends.example.org"]
    assert ingress["rules"][0]["host"] == "ends.example.org"
    for one in objects.values():
        assert one["metadata"]["labels"]["release"] == "kube-prometheus-stack"
    assert valid(objects, VERSIONS[-1])


def test_readme_secret_is_mounted_by_the_pod(pod: Object) -> None:
    made = re.search(r"create secret generic (\S+) --from-literal=(\w+)=", README)
    assert made
    (volume,) = pod["volumes"]
    assert made[1] == volume["secret"]["secretName"]
    assert made[2] == "ingest"


def test_names_and_links_of_the_readme_exist(
    everything: Objects,
) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert (FOLDER / target).exists(), target
    named = {*re.findall(r"Service `([\w-]+)`", README), *re.findall(r"svc/([\w-]+)", README)}
    assert named == of_kind(everything, "Service").keys()
    for folder in re.findall(r"apply -[kf] ([\w/.-]+)", README):
        assert (ROOT / folder).exists(), folder
    assert 'session-end-exporter/sender: "true"' in README
