"""The objects that a cluster would be given, and the exporter's pod among them."""

from copy import deepcopy

import pytest

from tests.deploy.kubernetes.kustomize import Builder, Object
from tests.deploy.kubernetes.manifests import BUILDERS, FOLDER, Objects, made, relative


@pytest.fixture(scope="session", params=BUILDERS.values(), ids=list(BUILDERS))
def build(request: pytest.FixtureRequest) -> Builder:
    """Ours, and kubectl's where there is one."""
    builder: Builder = request.param
    return builder


@pytest.fixture(scope="session")
def built(build: Builder, tmp_path_factory: pytest.TempPathFactory) -> Objects:
    folder = tmp_path_factory.mktemp("overlay")
    (folder / "kustomization.yaml").write_text(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
        f"resources: [{relative(folder, FOLDER)}]\n"
        f"components: [{relative(folder, FOLDER / 'components/ingress')}]\n"
    )
    return made(build, folder)


@pytest.fixture
def everything(built: Objects) -> Objects:
    """All objects, those of the Ingress too, by kind and name; a copy, for tests that change them."""
    return deepcopy(built)


@pytest.fixture
def stateful_set(everything: Objects) -> Object:
    return everything["StatefulSet", "session-end-exporter"]["spec"]


@pytest.fixture
def pod(stateful_set: Object) -> Object:
    return stateful_set["template"]["spec"]


@pytest.fixture
def container(pod: Object) -> Object:
    (one,) = pod["containers"]
    return one


@pytest.fixture
def environment(container: Object) -> dict[str, str]:
    return {one["name"]: one["value"] for one in container["env"]}
