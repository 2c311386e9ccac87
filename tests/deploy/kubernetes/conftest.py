"""Built objects of deploy/kubernetes, their exporter's container, and checks for several tests."""

import json
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from exporter.settings import Settings, load
from tests.deploy.kubernetes.kustomize import LOADER, Object, build, identity
from tests.deploy.test_docs import blocks
from tests.e2e.exporter_process import ROOT
from tests.programs import output

FOLDER = ROOT / "deploy" / "kubernetes"
# The package's own validation parses a megabyte for each object, and its import takes seconds.
SCHEMAS = Path(sysconfig.get_path("purelib"), "kubernetes_validate/kubernetes-json-schema")
# PodDisruptionBudget's unhealthyPodEvictionPolicy is on by default from 1.27.
VERSIONS = (27, max(int(path.name.split(".")[1]) for path in SCHEMAS.iterdir()))
CUSTOM = {"ServiceMonitor", "PrometheusRule"}
NAME = "session-end-exporter"
Objects = dict[tuple[str, str], Object]
_SYSTEMS = (ROOT / "docs/add-a-system.md").read_text(encoding="utf-8")
ACME = _SYSTEMS.partition("```yaml\n")[2].partition("```")[0]


# From 1.24 on, kubectl names its kustomize.
_KUBECTL = "kustomizeVersion" in subprocess.getoutput("kubectl version --client --output json")


def built(folder: Path) -> Objects:
    """All objects of the folder, by kind and name; where a current kubectl is installed, it agrees."""
    objects = {identity(item): item for item in build(folder)}
    if _KUBECTL:
        documents = yaml.load_all(output("kubectl", "kustomize", folder), LOADER)
        assert {identity(item): item for item in documents} == objects
    return objects


def of_kind(objects: Objects, kind: str) -> dict[str, Object]:
    """The objects of one kind, by name."""
    return {name: item for (its, name), item in objects.items() if its == kind}


def settings_of(variables: Mapping[str, str]) -> Settings:
    """The settings of an exporter with these variables."""
    with pytest.MonkeyPatch.context() as context:
        for name, value in variables.items():
            context.setenv(name, value)
        return load()


@cache
def _validator(minor: int, file: str) -> jsonschema_rs.Draft202012Validator:
    """The validator of a kind of object. Unknown fields are errors."""
    folder = SCHEMAS / f"v1.{minor}.0-local-strict"
    schema, definitions = (
        json.loads((folder / name).read_text()) for name in (file, "_definitions.json")
    )
    registry = jsonschema_rs.Registry([(definitions["$id"], definitions)])
    return jsonschema_rs.Draft202012Validator(schema, registry=registry)


def assert_valid(objects: Objects) -> None:
    """Raises ValidationError for an object that breaks the schema of a supported Kubernetes."""
    for (kind, _), item in objects.items():
        *group, api = item["apiVersion"].split("/")
        file = "-".join([kind.lower(), *(name.partition(".")[0] for name in group), api])
        for minor in VERSIONS:
            if kind not in CUSTOM:
                _validator(minor, f"{file}.json").validate(item)


def assert_confined(pod: Object) -> None:
    """The pod keeps the restricted Pod Security Standard, and has no access to the Kubernetes API."""
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & pod.keys()
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    context = pod["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] > 0
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert "sysctls" not in context
    for volume in pod["volumes"]:
        assert volume.keys() & {"secret", "configMap", "emptyDir"}, volume
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert all("hostPort" not in port for port in container.get("ports", ()))
    assert "memory" in container["resources"]["limits"]
    assert re.search(r":\d+\.\d+\.\d+$", container["image"])


def with_ingress(folder: Path) -> Path:
    """Writes an overlay of deploy/kubernetes with the Ingress into `folder`."""
    # kustomize takes no absolute path.
    shipped = "../" * len(folder.resolve().parts) + str(FOLDER)[1:]
    (folder / "kustomization.yaml").write_text(
        f"kind: Kustomization\nnamespace: {NAME}\nresources: [{shipped}]\n"
        f"components: [{shipped}/components/ingress]\n"
    )
    return folder


def overlay(readme: str, folder: Path) -> Objects:
    """The objects of the overlay of a README, with its additions, beside a copy of deploy/kubernetes."""
    shutil.copytree(FOLDER, folder / "kubernetes")
    document: dict[str, Any] = {}
    for block in blocks(readme, "yaml"):
        for key, value in yaml.safe_load(block).items():
            document[key] = document[key] + value if key in document else value
    codes = folder / "overlay" / "my-codes"
    codes.mkdir(parents=True)
    codes.joinpath("acme.yaml").write_text(ACME)
    (folder / "overlay" / "kustomization.yaml").write_text(yaml.safe_dump(document))
    return built(folder / "overlay")


@pytest.fixture(scope="session")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Objects:
    """With the Ingress."""
    return built(with_ingress(tmp_path_factory.mktemp("overlay")))


@pytest.fixture
def stateful_set(objects: Objects) -> Object:
    return objects["StatefulSet", NAME]["spec"]


@pytest.fixture
def pod(stateful_set: Object) -> Object:
    return stateful_set["template"]["spec"]


@pytest.fixture
def container(pod: Object) -> Object:
    return pod["containers"][0]


@pytest.fixture
def environment(container: Object) -> dict[str, str]:
    return {variable["name"]: variable["value"] for variable in container["env"]}
