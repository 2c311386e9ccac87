"""deploy/kubernetes/replicas: exporters without a volume over one ledger, and a Valkey Cluster for trials."""

import re
import shutil
from pathlib import Path

import pytest

from exporter.settings import PREFIX, Settings
from tests.deploy.kubernetes.conftest import (
    FOLDER,
    NAME,
    Objects,
    assert_confined,
    assert_valid,
    built,
    of_kind,
    overlay,
    settings_of,
)
from tests.deploy.kubernetes.kustomize import Object
from tests.e2e.exporter_process import ROOT

SCRIPTS = FOLDER / "components" / "valkey-for-trying"
README = (FOLDER / "components" / "shared-ledger" / "README.md").read_text(encoding="utf-8")
LEDGER = "session-end-ledger"
FORM = f"{LEDGER}-form"
ON_LEDGER = {"matchLabels": {"session-end-exporter/ledger": "true"}}
SYSTEM = {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}
DNS = (
    {53},
    [
        {"namespaceSelector": SYSTEM, "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}},
        {"ipBlock": {"cidr": "169.254.20.10/32"}},
    ],
)
"""Ports and peers of the network policy's rule for the cluster's DNS."""


@pytest.fixture(scope="module")
def objects() -> Objects:
    """The objects of the replicas, in place of the single exporter that other fixtures use."""
    return built(FOLDER / "replicas")


@pytest.fixture
def pods(objects: Objects) -> dict[str, Object]:
    """The template of each pod, by the name of its StatefulSet or Job."""
    return {
        name: item["spec"]["template"]
        for (kind, name), item in objects.items()
        if kind in ("StatefulSet", "Job")
    }


@pytest.fixture
def nodes(objects: Objects) -> Object:
    return objects["StatefulSet", LEDGER]["spec"]


def variables(template: Object) -> dict[str, str]:
    (container,) = template["spec"]["containers"]
    return {item["name"]: item.get("value", "") for item in container["env"]}


def peers(rules: list[Object], peer: str) -> list[tuple[set[int], list[Object]]]:
    """Ports and peers of each rule of a network policy."""
    return [({port["port"] for port in rule["ports"]}, rule[peer]) for rule in rules]


def test_every_object_is_valid_and_every_pod_confined(
    objects: Objects, pods: dict[str, Object]
) -> None:
    assert_valid(objects)
    assert set(pods) == {NAME, LEDGER, FORM}
    for template in pods.values():
        assert_confined(template["spec"])


def test_exporters_keep_no_state_and_are_spread(
    stateful_set: Object, pod: Object, container: Object
) -> None:
    assert stateful_set["replicas"] == 3
    assert "volumeClaimTemplates" not in stateful_set
    assert "persistentVolumeClaimRetentionPolicy" not in stateful_set
    assert all("secret" in volume for volume in pod["volumes"])
    assert all(mount["readOnly"] for mount in container["volumeMounts"])
    assert [spread["topologyKey"] for spread in pod["topologySpreadConstraints"]] == [
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
    ]
    for spread in pod["topologySpreadConstraints"]:
        assert spread["labelSelector"] == stateful_set["selector"]
        assert (spread["maxSkew"], spread["whenUnsatisfiable"]) == (1, "ScheduleAnyway")
    # The preStop hook and the shutdown share the grace period.
    (_, seconds) = container["lifecycle"]["preStop"]["exec"]["command"]
    assert pod["terminationGracePeriodSeconds"] >= int(seconds) + 2 * Settings().shutdown_timeout


def test_events_go_to_ready_exporters_and_prometheus_scrapes_all(objects: Objects) -> None:
    services = of_kind(objects, "Service")
    addresses = {name: item["spec"]["publishNotReadyAddresses"] for name, item in services.items()}
    assert addresses == {NAME: False, f"{NAME}-ops": True, LEDGER: True}


def test_variables_name_the_ledger_and_its_password_file(
    container: Object,
    environment: dict[str, str],
    objects: Objects,
    pods: dict[str, Object],
) -> None:
    assert f"{PREFIX}DATA_DIR" not in environment
    settings = settings_of(environment)
    service = objects["Service", LEDGER]["spec"]
    (port,) = (port["port"] for port in service["ports"] if port["name"] == "ledger")
    assert settings.ledger == f"redis+cluster://{LEDGER}:{port}"
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert settings.ledger_password_file == Path(mounts["ledger-password"], "password")
    secret = {"secretName": f"{NAME}-ledger", "defaultMode": 0o400}
    for template in pods.values():
        assert secret in [volume.get("secret") for volume in template["spec"]["volumes"]]


def test_network_allows_the_ledger_and_dns_and_nothing_else(
    objects: Objects, pods: dict[str, Object]
) -> None:
    exporter = objects["NetworkPolicy", f"{NAME}-ledger"]["spec"]
    ledger = objects["NetworkPolicy", LEDGER]["spec"]
    # The Job has the labels of the nodes.
    for name in (LEDGER, FORM):
        labels = pods[name]["metadata"]["labels"].items()
        assert ledger["podSelector"]["matchLabels"].items() <= labels
    node_labels = pods[LEDGER]["metadata"]["labels"].items()
    assert ON_LEDGER["matchLabels"].items() <= node_labels
    anywhere = {"namespaceSelector": {}, "podSelector": ON_LEDGER}
    assert peers(exporter["egress"], "to") == [({6379}, [anywhere]), DNS]
    assert ledger["policyTypes"] == ["Ingress", "Egress"]
    own = {"podSelector": ledger["podSelector"]}
    assert peers(ledger["egress"], "to") == [({6379, 16379}, [own]), DNS]
    assert peers(ledger["ingress"], "from") == [
        ({6379}, [{"podSelector": exporter["podSelector"]}, own]),
        ({16379}, [own]),
    ]


def test_nodes_run_the_scripts_with_their_variables(
    objects: Objects, nodes: Object, pods: dict[str, Object]
) -> None:
    scripts = objects["ConfigMap", LEDGER]["data"]
    assert scripts == {path.name: path.read_text() for path in SCRIPTS.glob("*.sh")}
    for name in (LEDGER, FORM):
        (container,) = pods[name]["spec"]["containers"]
        shell, script = map(Path, container["command"])
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert (shell.name, script.parent.as_posix()) == ("sh", mounts["scripts"])
        documented = set(re.findall(r"^# ([A-Z_]{4,}) ", scripts[script.name], re.MULTILINE))
        assert documented - {"DATA"} <= variables(pods[name]).keys()
        assert variables(pods[name])["PASSWORD_FILE"] == f"{mounts['password']}/password"
    assert nodes["podManagementPolicy"] == "Parallel"
    memory = int(variables(pods[LEDGER])["MAXMEMORY"].removesuffix("mb"))
    (container,) = pods[LEDGER]["spec"]["containers"]
    assert 2 * memory <= int(container["resources"]["limits"]["memory"].removesuffix("Mi"))


def test_job_forms_a_cluster_of_the_names_of_the_nodes(
    objects: Objects, nodes: Object, pods: dict[str, Object]
) -> None:
    name = variables(pods[LEDGER])["NODE"]
    assert variables(pods[FORM])["NODES"].split() == [
        name.replace("$(POD)", f"{LEDGER}-{number}") for number in range(nodes["replicas"])
    ]
    service = objects["Service", LEDGER]["spec"]
    assert service["clusterIP"] == "None"
    assert service["selector"].items() <= pods[LEDGER]["metadata"]["labels"].items()
    assert name.endswith(f".{nodes['serviceName']}")


@pytest.mark.parametrize(
    "name", ["name: SESSION_EXPORTER_DATA_DIR\n", "name: ledger\n              mountPath"]
)
def test_base_in_another_order_is_refused(tmp_path: Path, name: str) -> None:
    """Fails without the `test` steps of the patch: it would replace another variable or mount."""
    path = shutil.copytree(FOLDER, tmp_path / "kubernetes") / "base" / "statefulset.yaml"
    text = path.read_text()
    assert text.count(name) == 1
    path.write_text(text.replace(name, name.replace("name: ", "name: x-")))
    (tmp_path / "kustomization.yaml").write_text(
        "kind: Kustomization\nresources: [kubernetes/base]\n"
        "components: [kubernetes/components/shared-ledger]\n"
    )
    with pytest.raises(ValueError, match="'op': 'test'"):
        built(tmp_path)


def test_overlay_of_the_readme_builds(tmp_path: Path) -> None:
    objects = overlay(README, tmp_path)
    spec = objects["StatefulSet", NAME]["spec"]
    assert spec["replicas"] == 5
    settings = settings_of(variables(spec["template"]))
    assert settings.ledger == "rediss+cluster://ledger.example.org:6379"
    policy = objects["NetworkPolicy", f"{NAME}-ledger"]["spec"]
    assert policy["egress"][0]["to"] == [{"ipBlock": {"cidr": "192.0.2.0/24"}}]
    assert not [name for _, name in objects if name == LEDGER]
    assert_valid(objects)


def test_secrets_and_names_of_the_readme_exist(objects: Objects, pods: dict[str, Object]) -> None:
    secrets = dict(re.findall(r"create secret generic (\S+) --from-literal=(\w+)=", README))
    mounted = {
        volume["secret"]["secretName"]
        for template in pods.values()
        for volume in template["spec"]["volumes"]
        if "secret" in volume
    }
    assert mounted == set(secrets)
    assert set(secrets.values()) == {"ingest", "password"}
    for kind, name in re.findall(r"^\| (\w+) `([\w-]+)` \|", README, re.MULTILINE):
        assert (kind, name) in objects
    for folder in re.findall(r"apply -[kf] ([\w/.-]+)", README):
        assert (ROOT / folder).exists(), folder
    assert '`session-end-exporter/ledger: "true"`' in README
