"""deploy/kubernetes/README.md: its overlay, its commands, its names."""

import re
from pathlib import Path

import exporter
from exporter.settings import PREFIX
from exporter.taxonomy.loader import load
from tests.deploy.kubernetes.conftest import (
    FOLDER,
    NAME,
    Objects,
    assert_valid,
    of_kind,
    overlay,
)
from tests.deploy.kubernetes.kustomize import Object
from tests.e2e.exporter_process import ROOT

README = (FOLDER / "README.md").read_text(encoding="utf-8")


def test_readme_overlay_builds_with_its_changes(tmp_path: Path) -> None:
    objects = overlay(README, tmp_path)
    spec = objects["StatefulSet", NAME]["spec"]["template"]["spec"]
    image = f"registry.example.com/session-end-exporter:{exporter.__version__}"
    assert spec["containers"][0]["image"] == image
    ingress = objects["Ingress", NAME]["spec"]
    assert ingress["tls"][0]["hosts"] == ["ends.example.org"]
    assert ingress["rules"][0]["host"] == "ends.example.org"
    for item in objects.values():
        assert item["metadata"]["labels"]["release"] == "kube-prometheus-stack"
    assert_valid(objects)


def test_own_codes_are_mounted_where_the_setting_says(tmp_path: Path) -> None:
    objects = overlay(README, tmp_path)
    pod = objects["StatefulSet", NAME]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (volume,) = (item for item in pod["volumes"] if "configMap" in item)
    (mount,) = (item for item in container["volumeMounts"] if item["name"] == volume["name"])
    settings = {item["name"]: item["value"] for item in container["env"]}
    assert settings[f"{PREFIX}TAXONOMY"] == mount["mountPath"]
    data = objects["ConfigMap", volume["configMap"]["name"]]["data"]
    for name, text in data.items():
        (tmp_path / "mounted" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "mounted" / name).write_text(text)
    assert "acme" in load([tmp_path / "mounted"]).systems


def test_readme_secret_is_mounted_by_the_pod(pod: Object) -> None:
    ((name, key),) = re.findall(r"create secret generic (\S+) --from-literal=(\w+)=", README)
    (volume,) = pod["volumes"]
    assert (name, key) == (volume["secret"]["secretName"], "ingest")


def test_names_of_the_readme_exist(objects: Objects) -> None:
    services = {*re.findall(r"Service `([\w-]+)`", README), *re.findall(r"svc/([\w-]+)", README)}
    assert services == of_kind(objects, "Service").keys()
    for folder in re.findall(r"apply -[kf] ([\w/.-]+)", README):
        assert (ROOT / folder).exists(), folder
    assert 'session-end-exporter/sender: "true"' in README
