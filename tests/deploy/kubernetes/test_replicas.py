"""deploy/kubernetes/replicas: exporters without a volume over one ledger, and a Valkey Cluster for trials."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from exporter.settings import PREFIX, load
from tests.deploy.kubernetes.kustomize import Builder, Object
from tests.deploy.kubernetes.manifests import (
    FOLDER,
    VERSIONS,
    Objects,
    copied,
    made,
    of_kind,
    overlay,
    valid,
)
from tests.deploy.kubernetes.pod_security import violations
from tests.deploy.kubernetes.test_network import chosen
from tests.e2e.exporter_process import ROOT

COMPONENT = FOLDER / "components" / "shared-ledger"
README = (COMPONENT / "README.md").read_text(encoding="utf-8")
LEDGER = "session-end-ledger"


@pytest.fixture(scope="session")
def built(build: Builder) -> Objects:
    """Replaces the single exporter in the fixtures of this module."""
    return made(build, FOLDER / "replicas")


@pytest.fixture
def nodes(everything: Objects) -> Object:
    return everything["StatefulSet", LEDGER]["spec"]


def templates(objects: Objects) -> Iterator[tuple[str, Object]]:
    for (kind, name), item in objects.items():
        if kind in ("StatefulSet", "Job"):
            yield name, item["spec"]["template"]


def variables(template: Object) -> dict[str, str | None]:
    (container,) = template["spec"]["containers"]
    return {item["name"]: item.get("value") for item in container["env"]}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid_for_kubernetes(everything: Objects, version: str) -> None:
    kinds = {"StatefulSet", "Job", "NetworkPolicy", "ConfigMap"}
    assert kinds <= set(valid(everything, version))


def test_every_pod_keeps_the_restricted_pod_security_standard(everything: Objects) -> None:
    pods = dict(templates(everything))
    assert set(pods) == {"session-end-exporter", LEDGER, f"{LEDGER}-form"}
    for name, template in pods.items():
        spec = template["spec"]
        (container,) = spec["containers"]
        assert violations(spec) == [], name
        assert not spec["automountServiceAccountToken"], name
        assert not spec["enableServiceLinks"], name
        assert container["securityContext"]["readOnlyRootFilesystem"] is True, name
        assert "memory" in container["resources"]["limits"], name
        assert re.search(r":\d+\.\d+\.\d+$", container["image"]), name


def test_exporters_keep_no_state_and_are_spread(
    stateful_set: Object, pod: Object, container: Object, everything: Objects
) -> None:
    assert stateful_set["replicas"] == 3
    assert "volumeClaimTemplates" not in stateful_set
    assert "persistentVolumeClaimRetentionPolicy" not in stateful_set
    assert all("secret" in volume for volume in pod["volumes"])
    assert all(mount["readOnly"] for mount in container["volumeMounts"])
    zones = ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
    assert [spread["topologyKey"] for spread in pod["topologySpreadConstraints"]] == zones
    for spread in pod["topologySpreadConstraints"]:
        assert chosen(spread["labelSelector"], stateful_set["template"]["metadata"]["labels"])
        assert (spread["maxSkew"], spread["whenUnsatisfiable"]) == (1, "ScheduleAnyway")
    budget = everything["PodDisruptionBudget", "session-end-exporter"]["spec"]
    assert budget["maxUnavailable"] == 1
    assert stateful_set["updateStrategy"] == {"type": "RollingUpdate"}
    # The preStop hook and the shutdown share the grace period.
    (_, seconds) = container["lifecycle"]["preStop"]["exec"]["command"]
    grace = pod["terminationGracePeriodSeconds"]
    assert grace >= int(seconds) + 2 * load().shutdown_timeout


def test_events_go_to_ready_exporters_and_prometheus_scrapes_all(everything: Objects) -> None:
    ready = {
        name: not service["spec"]["publishNotReadyAddresses"]
        for name, service in of_kind(everything, "Service").items()
        if name != LEDGER
    }
    assert ready == {"session-end-exporter": True, "session-end-exporter-ops": False}
    monitor = everything["ServiceMonitor", "session-end-exporter"]["spec"]
    ops = everything["Service", "session-end-exporter-ops"]
    assert chosen(monitor["selector"], ops["metadata"]["labels"])


def test_variables_name_the_ledger_and_its_password_file(
    container: Object,
    environment: dict[str, str],
    everything: Objects,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert f"{PREFIX}DATA_DIR" not in environment
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = load()
    service = everything["Service", LEDGER]["spec"]
    (port,) = (item["port"] for item in service["ports"] if item["name"] == "ledger")
    assert settings.ledger == f"redis+cluster://{LEDGER}:{port}"
    (mount,) = (m for m in container["volumeMounts"] if m["name"] == "ledger-password")
    assert settings.ledger_password_file == Path(mount["mountPath"], "password")
    volumes = [
        volume["secret"]
        for _, template in templates(everything)
        for volume in template["spec"]["volumes"]
        if "secret" in volume and "ledger" in volume["secret"]["secretName"]
    ]
    assert volumes == [{"secretName": "session-end-exporter-ledger", "defaultMode": 0o400}] * 3


def allowed(policies: list[Object], source: Object, target: Object, port: int) -> bool:
    """Whether the policies allow a connection between pods of two templates in one namespace."""

    def permits(direction: str, peers: str, here: Object, there: Object) -> bool:
        selected = [
            policy
            for policy in policies
            if direction.title() in policy["policyTypes"]
            and chosen(policy["podSelector"], here["metadata"]["labels"])
        ]
        return not selected or any(
            port in [item["port"] for item in rule["ports"]]
            and any(
                "podSelector" in peer
                and not peer.get("namespaceSelector")
                and chosen(peer["podSelector"], there["metadata"]["labels"])
                for peer in rule[peers]
            )
            for policy in selected
            for rule in policy[direction]
        )

    return permits("egress", "to", source, target) and permits("ingress", "from", target, source)


def test_network_allows_the_ledger_and_dns_and_nothing_else(everything: Objects) -> None:
    policies = [item["spec"] for item in of_kind(everything, "NetworkPolicy").values()]
    pods = dict(templates(everything))
    reached = {
        (source, port)
        for source, template in pods.items()
        for port in (6379, 16379)
        if allowed(policies, template, pods[LEDGER], port)
    }
    # The Job has the labels of the nodes.
    peers = {(name, port) for name in (LEDGER, f"{LEDGER}-form") for port in (6379, 16379)}
    assert reached == {("session-end-exporter", 6379), *peers}
    for name in ("session-end-exporter-ledger", LEDGER):
        ledger, dns = everything["NetworkPolicy", name]["spec"]["egress"]
        assert {item["port"] for item in ledger["ports"]} <= {6379, 16379}
        assert {(item["port"], item["protocol"]) for item in dns["ports"]} == {
            (53, "UDP"),
            (53, "TCP"),
        }
        cluster, local = dns["to"]
        assert cluster["podSelector"]["matchLabels"] == {"k8s-app": "kube-dns"}
        assert local == {"ipBlock": {"cidr": "169.254.20.10/32"}}


def test_nodes_run_the_scripts_with_their_variables(everything: Objects, nodes: Object) -> None:
    data = everything["ConfigMap", LEDGER]["data"]
    folder = FOLDER / "components" / "valkey-for-trying"
    assert data == {path.name: path.read_text() for path in folder.glob("*.sh")}
    for name in (LEDGER, f"{LEDGER}-form"):
        template = dict(templates(everything))[name]
        (container,) = template["spec"]["containers"]
        (shell, script) = map(Path, container["command"])
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert (shell.name, script.parent.as_posix()) == ("sh", mounts["scripts"])
        wanted = set(re.findall(r"^# ([A-Z_]{4,}) ", data[script.name], re.MULTILINE))
        given = variables(template)
        assert wanted - {"DATA"} <= given.keys()
        assert given["PASSWORD_FILE"] == f"{mounts['password']}/password"
    assert nodes["podManagementPolicy"] == "Parallel"
    (container,) = nodes["template"]["spec"]["containers"]
    used = str(variables(nodes["template"])["MAXMEMORY"])
    limit = container["resources"]["limits"]["memory"]
    assert 2 * int(used.removesuffix("mb")) <= int(limit.removesuffix("Mi"))


def test_job_forms_a_cluster_of_the_names_of_the_nodes(everything: Objects, nodes: Object) -> None:
    named = str(variables(nodes["template"])["NODE"])
    job = everything["Job", f"{LEDGER}-form"]["spec"]["template"]
    assert str(variables(job)["NODES"]).split() == [
        named.replace("$(POD)", f"{LEDGER}-{number}") for number in range(nodes["replicas"])
    ]
    service = everything["Service", LEDGER]["spec"]
    assert (service["clusterIP"], service["publishNotReadyAddresses"]) == ("None", True)
    assert chosen({"matchLabels": service["selector"]}, nodes["template"]["metadata"]["labels"])
    assert named.endswith(f".{nodes['serviceName']}")


@pytest.mark.parametrize(
    ("first", "second"),
    [("SESSION_EXPORTER_INGEST\n", "SESSION_EXPORTER_DATA_DIR\n"), ("ledger\n", "tokens\n")],
)
def test_base_in_another_order_is_refused(
    build: Builder, tmp_path: Path, first: str, second: str
) -> None:
    folder = copied(tmp_path)
    path = folder / "base" / "statefulset.yaml"
    head, container, tail = re.split(r"(containers:|volumes:\n)", path.read_text())[0:5:2]
    swapped = container.replace(f"name: {first}", "name: \n").replace(
        f"name: {second}", f"name: {first}"
    )
    swapped = swapped.replace("name: \n", f"name: {second}")
    assert swapped != container
    path.write_text(f"{head}containers:{swapped}volumes:\n{tail}")
    with pytest.raises(ValueError, match="test"):
        build(folder / "replicas")


def test_overlay_of_the_readme_builds(
    build: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = overlay(README, build, tmp_path)
    spec = objects["StatefulSet", "session-end-exporter"]["spec"]
    assert spec["replicas"] == 5
    for name, value in variables(spec["template"]).items():
        monkeypatch.setenv(name, str(value))
    assert load().ledger == "rediss+cluster://ledger.example.org:6379"
    policy = objects["NetworkPolicy", "session-end-exporter-ledger"]["spec"]
    assert policy["egress"][0]["to"] == [{"ipBlock": {"cidr": "192.0.2.0/24"}}]
    assert not [name for _, name in objects if name == LEDGER]
    assert valid(objects, VERSIONS[-1])


def test_secrets_names_and_links_of_the_readme_exist(
    everything: Objects,
) -> None:
    made = dict(re.findall(r"create secret generic (\S+) --from-literal=(\w+)=", README))
    mounted = {
        volume["secret"]["secretName"]
        for _, template in templates(everything)
        for volume in template["spec"]["volumes"]
        if "secret" in volume
    }
    assert mounted == set(made)
    assert set(made.values()) == {"ingest", "password"}
    for kind, name in re.findall(r"^\| (\w+) `([\w-]+)` \|", README, re.MULTILINE):
        assert (kind, name) in everything
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", README):
        assert (COMPONENT / target).exists(), target
    for folder in re.findall(r"apply -[kf] ([\w/.-]+)", README):
        assert (ROOT / folder).exists(), folder
    text = (FOLDER / "components/valkey-for-trying/node.sh").read_text()
    for line in ("appendonly yes", "appendfsync always", "maxmemory-policy noeviction"):
        assert f"`{line}`" in README
        assert f"\n{line}\n" in text
    label = yaml.safe_load(re.findall(r"`(session-end-exporter/ledger: .+?)`", README)[0])
    labels = everything["StatefulSet", LEDGER]["spec"]["template"]["metadata"]["labels"]
    assert label.items() <= labels.items()
