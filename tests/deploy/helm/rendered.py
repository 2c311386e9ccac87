"""The objects of the Helm chart, with Helm and kustomize: `make test-helm`.

Not named test_….py: `make test` has neither program, because Debian has no package of them.
"""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

import exporter
from exporter.settings import PREFIX
from tests.deploy.helm.test_chart import CHART, VALUES
from tests.deploy.kubernetes.conftest import (
    CUSTOM,
    FOLDER,
    NAME,
    Objects,
    assert_valid,
    of_kind,
    settings_of,
    with_ingress,
)
from tests.deploy.kubernetes.kustomize import LOADER, Object, identity
from tests.deploy.test_docs import blocks
from tests.e2e.exporter_process import ROOT
from tests.programs import output

OPERATOR = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
"""The Go module with the schemas of ServiceMonitor and PrometheusRule."""
LEDGER = "redis+cluster://session-end-ledger:6379"
BY_HELM = {
    "app.kubernetes.io/instance": NAME,
    "app.kubernetes.io/managed-by": "Helm",
    "app.kubernetes.io/version": exporter.__version__,
    "helm.sh/chart": f"{NAME}-{exporter.__version__}",
}
"""Labels that only Helm's objects have; `helm` and its users find the objects of a release by them."""
INSTANCE = "app.kubernetes.io/instance"
EVERYTHING: dict[str, Any] = {
    "tokens": {"ops": True},
    "settings": {"runbook_url": "https://ends.example.com", "dedup_window_ids": 2_000_000},
    "beacons": {"secret": "sites"},
    "ingress": {"enabled": True, "className": "nginx", "annotations": {"a": "b"}},
    "networkPolicy": {"egress": [{"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}]},
    "serviceMonitor": {"labels": {"release": "kube-prometheus-stack"}},
    "prometheusRule": {"labels": {"release": "kube-prometheus-stack"}},
    "dashboards": {"annotations": {"grafana_folder": "Session ends"}},
    "podLabels": {"team": "streaming"},
    "podAnnotations": {"a": "b"},
    "podSpec": {"nodeSelector": {"disk": "ssd"}, "imagePullSecrets": [{"name": "registry"}]},
    "resources": {"limits": {"memory": "1Gi"}},
    "volumes": [{"name": "taxonomy", "configMap": {"name": "taxonomy"}}],
    "volumeMounts": [{"name": "taxonomy", "mountPath": "/taxonomy", "readOnly": True}],
    "image": {"digest": f"sha256:{'0' * 64}"},
    "persistence": {"size": "5Gi", "storageClass": "fast"},
}


def run(program: str, *arguments: str | Path) -> str:
    """The standard output of a program that must succeed."""
    return output(ROOT / "build/go" / program, *arguments)


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


def container(objects: Objects) -> Object:
    (exporter,) = objects["StatefulSet", NAME]["spec"]["template"]["spec"]["containers"]
    return exporter


def variables(objects: Objects) -> dict[str, str]:
    return {variable["name"]: variable["value"] for variable in container(objects)["env"]}


def without_instance(tree: Any) -> Any:
    """The objects without the label of the release, which selectors and pods have too."""
    if isinstance(tree, dict):
        return {key: without_instance(value) for key, value in tree.items() if key != INSTANCE}
    return [without_instance(item) for item in tree] if isinstance(tree, list) else tree


def as_kustomize(objects: Objects) -> Objects:
    """Helm's objects without their differences from kustomize's objects. Fails if a difference is missing."""
    alike: Objects = {}
    for (kind, name), rendered_item in objects.items():
        labels = rendered_item["metadata"]["labels"]
        assert BY_HELM.items() <= labels.items(), (kind, name)
        item = without_instance(rendered_item)
        item["metadata"]["labels"] = {k: v for k, v in labels.items() if k not in BY_HELM}
        if kind == "ConfigMap":
            # Two releases in one namespace must not share names.
            assert name.startswith(f"{NAME}-")
            item["metadata"]["name"] = name.removeprefix(f"{NAME}-")
        if kind == "Ingress":
            # Browsers' paths end with a key, so the chart's paths are prefixes.
            for path in item["spec"]["rules"][0]["http"]["paths"]:
                assert path["pathType"] == "Prefix"
                path["pathType"] = "Exact"
        alike[identity(item)] = item
    return alike


def in_order(objects: Objects) -> Objects:
    """The objects with variables, volumes and mounts sorted by name, because their order does not matter."""
    pod = objects["StatefulSet", NAME]["spec"]["template"]["spec"]
    for part, key in (
        (container(objects), "env"),
        (container(objects), "volumeMounts"),
        (pod, "volumes"),
    ):
        part[key].sort(key=lambda item: item["name"])
    return objects


def assert_same(objects: Objects, expected: Objects) -> None:
    """A release has the objects of kustomize, except those that the chart does not have."""
    kept = {
        (kind, name): item
        for (kind, name), item in expected.items()
        # Helm does not manage the namespace of a release. The Valkey Cluster is for trials.
        if kind != "Namespace" and not name.startswith("session-end-ledger")
    }
    assert in_order(as_kustomize(objects)) == in_order(kept)


def test_release_has_the_objects_of_kustomize(tmp_path: Path) -> None:
    ingress = {"enabled": True, "paths": ["/v1/session-ends", "/v1/logs"]}
    release = rendered(tmp_path, {"ingress": ingress})
    assert_same(release, kustomize(with_ingress(tmp_path)))


def test_release_with_a_shared_ledger_has_the_objects_of_kustomize(tmp_path: Path) -> None:
    values = {"sharedLedger": {"address": LEDGER}}
    assert_same(rendered(tmp_path, values), kustomize(FOLDER / "replicas"))


@pytest.fixture(scope="module")
def schemas() -> dict[str, Object]:
    """The schemas of the operator's objects, by kind, which refuse unknown fields too."""
    module = json.loads(output("go", "mod", "download", "-json", OPERATOR))
    by_kind = {}
    for kind in CUSTOM:
        path = Path(module["Dir"], "example/prometheus-operator-crd").joinpath(
            f"monitoring.coreos.com_{kind.lower()}s.yaml"
        )
        (version,) = yaml.safe_load(path.read_text())["spec"]["versions"]
        by_kind[kind] = strict(version["schema"]["openAPIV3Schema"])
    return by_kind


def strict(schema: Any) -> Any:
    """The API server drops unknown fields silently; here they are errors."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: strict(value) for key, value in schema.items()}
    # `metadata` has no properties, because the API server knows them.
    if schema.get("type") == "object" and "properties" in schema:
        schema.setdefault("additionalProperties", False)
    return schema


@pytest.mark.parametrize(
    "values",
    [{}, EVERYTHING, {**EVERYTHING, "sharedLedger": {"address": LEDGER}}],
    ids=["defaults", "everything", "replicas"],
)
def test_every_object_is_valid(
    tmp_path: Path, values: dict[str, Any], schemas: dict[str, Object]
) -> None:
    objects = rendered(tmp_path, values)
    assert_valid(objects)
    for kind, schema in schemas.items():
        jsonschema_rs.Draft202012Validator(schema).validate(objects[kind, NAME])


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["defaults", "everything"])
def test_helm_lint_finds_nothing(tmp_path: Path, values: dict[str, Any]) -> None:
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(values))
    printed = run("helm", "lint", "--strict", CHART, "--values", tmp_path / "values.yaml")
    assert "0 chart(s) failed" in printed
    assert not re.search(r"\[(WARNING|ERROR)\]", printed)


def test_packaged_chart_is_complete_and_has_nothing_else(tmp_path: Path) -> None:
    run("helm", "package", CHART, "--destination", tmp_path)
    (package,) = tmp_path.glob("*.tgz")
    assert package.name == f"{NAME}-{exporter.__version__}.tgz"
    assert rendered(tmp_path, EVERYTHING, chart=package) == rendered(tmp_path, EVERYTHING)
    listed = output("tar", "tzf", package).splitlines()
    files = {Path(line).relative_to(NAME) for line in listed}
    read = {path for path in files if path.parts[0] == "files"}
    assert {path.suffix for path in read} == {".yaml", ".yml", ".json"}
    assert {str(path) for path in files - read if path.parts[0] != "templates"} == {
        *("Chart.yaml", "values.yaml", "values.schema.json"),
    }


def test_values_change_what_they_name(tmp_path: Path) -> None:
    objects = rendered(tmp_path, EVERYTHING)
    stateful_set = objects["StatefulSet", NAME]["spec"]
    pod, its = stateful_set["template"]["spec"], container(objects)
    assert its["image"] == f"{NAME}@sha256:{'0' * 64}"
    assert its["resources"]["limits"] == {"memory": "1Gi", "ephemeral-storage": "256Mi"}
    assert EVERYTHING["podSpec"].items() <= pod.items()
    assert stateful_set["template"]["metadata"]["labels"]["team"] == "streaming"
    assert stateful_set["template"]["metadata"]["annotations"] == {"a": "b"}
    claim = stateful_set["volumeClaimTemplates"][0]["spec"]
    assert claim["storageClassName"] == "fast"
    assert claim["resources"]["requests"] == {"storage": "5Gi"}
    assert {volume["name"] for volume in pod["volumes"]} == {"tokens", "beacons", "taxonomy"}
    mounts = {mount["name"]: mount["mountPath"] for mount in its["volumeMounts"]}
    assert mounts.keys() == {"tokens", "beacons", "taxonomy", "ledger"}
    settings = settings_of(variables(objects))
    assert settings.dedup_window_ids == 2_000_000
    assert settings.runbook_url == "https://ends.example.com"
    assert settings.ops_token_file == Path(mounts["tokens"], "ops")
    assert settings.beacon_keys_file == Path(mounts["beacons"], "sites.yaml")
    assert settings.allow_anonymous == "none"
    (endpoint,) = objects["ServiceMonitor", NAME]["spec"]["endpoints"]
    secret = {"name": VALUES["tokens"]["secret"], "key": "ops"}
    assert endpoint["authorization"] == {"credentials": secret}
    for kind in CUSTOM:
        labels = objects[kind, NAME]["metadata"]["labels"]
        assert labels["release"] == "kube-prometheus-stack"
    for config_map in of_kind(objects, "ConfigMap").values():
        assert config_map["metadata"]["annotations"] == {"grafana_folder": "Session ends"}
    assert objects["NetworkPolicy", NAME]["spec"]["egress"] == EVERYTHING["networkPolicy"]["egress"]
    ingress = objects["Ingress", NAME]
    assert ingress["spec"]["ingressClassName"] == "nginx"
    assert ingress["metadata"]["annotations"] == {"a": "b"}
    paths = [path["path"] for path in ingress["spec"]["rules"][0]["http"]["paths"]]
    assert paths == VALUES["ingress"]["paths"]


def test_disabled_objects_are_left_out(tmp_path: Path) -> None:
    policies = ("networkPolicy", "podDisruptionBudget")
    parts = (*policies, "serviceMonitor", "prometheusRule", "dashboards")
    objects = rendered(tmp_path, {part: {"enabled": False} for part in parts})
    kinds = ["Service", "Service", "ServiceAccount", "StatefulSet"]
    assert sorted(kind for kind, _ in objects) == kinds


def test_ledger_without_a_password_needs_no_secret(tmp_path: Path) -> None:
    objects = rendered(tmp_path, {"sharedLedger": {"address": LEDGER, "passwordSecret": ""}})
    assert f"{PREFIX}LEDGER" in variables(objects)
    assert f"{PREFIX}LEDGER_PASSWORD_FILE" not in variables(objects)
    pod = objects["StatefulSet", NAME]["spec"]["template"]["spec"]
    assert [volume["name"] for volume in pod["volumes"]] == ["tokens"]


def test_two_releases_in_one_namespace_select_only_their_own_pods(tmp_path: Path) -> None:
    first, second = (rendered(tmp_path, EVERYTHING, release) for release in ("a", "b"))
    assert not first.keys() & second.keys()
    for objects, others in ((first, second), (second, first)):
        ((_, own_set),), ((_, other_set),) = (
            of_kind(release, "StatefulSet").items() for release in (objects, others)
        )
        pod, other = (item["spec"]["template"] for item in (own_set, other_set))
        ((_, ingress),) = of_kind(objects, "Ingress").items()
        backend = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]
        service = own_set["spec"]["serviceName"]
        assert ("Service", service) in objects
        assert ("Service", backend["service"]["name"]) in objects
        assert ("ServiceAccount", pod["spec"]["serviceAccountName"]) in objects
        selectors = [item["spec"]["selector"] for item in of_kind(objects, "Service").values()]
        selectors += [
            item["spec"][key]["matchLabels"]
            for (kind, _), item in objects.items()
            for key in ("selector", "podSelector")
            if key in item.get("spec", {}) and kind not in ("Service", "ServiceMonitor")
        ]
        assert len(selectors) == 6
        for selector in selectors:
            assert selector.items() <= pod["metadata"]["labels"].items()
            assert not selector.items() <= other["metadata"]["labels"].items()
        ((_, monitor),) = of_kind(objects, "ServiceMonitor").items()
        scraped = monitor["spec"]["selector"]["matchLabels"].items()
        services = of_kind(objects, "Service") | of_kind(others, "Service")
        labels = {name: item["metadata"]["labels"].items() for name, item in services.items()}
        assert [name for name in labels if scraped <= labels[name]] == [service]


def test_notes_name_the_services_and_the_secret(tmp_path: Path) -> None:
    printed = run("helm", "install", NAME, CHART, "--namespace", NAME, "--dry-run=client")
    notes = printed.partition("NOTES:")[2]
    assert f"http://{NAME}.{NAME}:10400/v1/session-ends" in notes
    assert f"svc/{NAME}-ops 10401" in notes
    assert f"create secret generic {VALUES['tokens']['secret']}" in notes
    for text in ("Nothing alerts", "password", "Every pod"):
        assert text not in notes


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (
            "sharedLedger.address=redis://a",
            "the Secret session-end-exporter-ledger, with the password",
        ),
        ("networkPolicy.enabled=false", "Every pod of the cluster can read the ops listener"),
        ("prometheusRule.enabled=false", "no PrometheusRule"),
    ],
)
def test_notes_name_what_is_missing(values: str, text: str) -> None:
    arguments = ("--namespace", NAME, "--dry-run=client", "--set", values)
    assert text in run("helm", "install", NAME, CHART, *arguments).partition("NOTES:")[2]


def test_readme_values_render_with_valid_settings(tmp_path: Path) -> None:
    readme = (CHART.parent / "README.md").read_text(encoding="utf-8")
    examples = blocks(readme, "yaml")
    assert examples
    for block in examples:
        objects = rendered(tmp_path, yaml.safe_load(block))
        assert_valid(objects)
        settings_of(variables(objects))
