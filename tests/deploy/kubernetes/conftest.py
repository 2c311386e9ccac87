"""The objects of deploy/kubernetes with the Ingress, and the exporter's container."""

import pytest

from tests.deploy.kubernetes.kustomize import Object
from tests.deploy.kubernetes.manifests import NAME, Objects, built, with_ingress


@pytest.fixture(scope="session")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Objects:
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
