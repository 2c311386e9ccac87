"""deploy/kubernetes/replicas: exporters without a volume over one ledger, and a ledger to try them with."""

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
    """Of replicas, instead of one exporter alone: the fixtures made of it are theirs in this module."""
    return made(build, FOLDER / "replicas")


@pytest.fixture
def nodes(everything: Objects) -> Object:
    return everything["StatefulSet", LEDGER]["spec"]


def templates(objects: Objects) -> Iterator[tuple[str, Object]]:
    for (kind, name), one in objects.items():
        if kind in ("StatefulSet", "Job"):
            yield name, one["spec"]["template"]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid_for_kubernetes(everything: Objects, version: str) -> None:
    kinds = {"StatefulSet", "Job", "NetworkPolicy", "ConfigMap"}
    assert kinds <= set(valid(everything, version))


def test_every_pod_keeps_the_restricted_pod_security_standard(everything: Objects) -> None:
    found = dict(templates(everything))
    assert set(found) == {"session-end-exporter", LEDGER, f"{LEDGER}-form"}
    for name, template in found.items():
        spec = template["spec"]
        assert violations(spec) == [], name
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["enableServiceLinks"] is False, name
        (container,) = spec["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True, name
        assert "memory" in container["resources"]["limits"], name
        assert re.search(r":\d+\.\d+\.\d+$", container["image"]), name


def test_three_exporters_keep_nothing_of_their_own(
    stateful_set: Object, pod: Object, container: Object
) -> None:
    assert stateful_set["replicas"] == 3
    assert "volumeClaimTemplates" not in stateful_set
    assert "persistentVolumeClaimRetentionPolicy" not in stateful_set
    assert all("secret" in one for one in pod["volumes"])
    assert all(one["readOnly"] for one in container["volumeMounts"])


def test_a_node_a_zone_or_a_drain_takes_one_exporter_with_it(
    stateful_set: Object, pod: Object, container: Object, everything: Objects
) -> None:
    labels = stateful_set["template"]["metadata"]["labels"]
    spread = pod["topologySpreadConstraints"]
    assert [one["topologyKey"] for one in spread] == [
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
    ]
    for one in spread:
        assert chosen(one["labelSelector"], labels)
        assert (one["maxSkew"], one["whenUnsatisfiable"]) == (1, "ScheduleAnyway")
    budget = everything["PodDisruptionBudget", "session-end-exporter"]["spec"]
    assert budget["maxUnavailable"] == 1
    assert stateful_set["updateStrategy"] == {"type": "RollingUpdate"}
    # Kubernetes counts both against the same time.
    (_, seconds) = container["lifecycle"]["preStop"]["exec"]["command"]
    grace = pod["terminationGracePeriodSeconds"]
    assert grace >= int(seconds) + 2 * load().shutdown_timeout


def test_events_go_to_exporters_that_are_ready_and_prometheus_sees_all(everything: Objects) -> None:
    ready = {
        name: not one["spec"]["publishNotReadyAddresses"]
        for name, one in of_kind(everything, "Service").items()
        if name != LEDGER
    }
    assert ready == {"session-end-exporter": True, "session-end-exporter-ops": False}
    monitor = everything["ServiceMonitor", "session-end-exporter"]["spec"]
    ops = everything["Service", "session-end-exporter-ops"]
    assert chosen(monitor["selector"], ops["metadata"]["labels"])


def test_the_variables_name_the_ledger_and_the_file_of_its_password(
    stateful_set: Object,
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
    (port,) = (one["port"] for one in service["ports"] if one["name"] == "ledger")
    assert settings.ledger == f"redis+cluster://{LEDGER}:{port}"
    (mount,) = (one for one in container["volumeMounts"] if one["name"] == "ledger-password")
    assert settings.ledger_password_file == Path(mount["mountPath"], "password")
    volumes = [
        volume["secret"]
        for _, template in templates(everything)
        for volume in template["spec"]["volumes"]
        if "secret" in volume and "ledger" in volume["secret"]["secretName"]
    ]
    assert volumes == [{"secretName": "session-end-exporter-ledger", "defaultMode": 0o400}] * 3
    assert stateful_set["serviceName"] == "session-end-exporter"


def allowed(policies: list[Object], source: Object, target: Object, port: int) -> bool:
    """Whether pods of one template reach a port of another's in the same namespace."""

    def sides(direction: str, here: Object, there: Object) -> bool:
        found = [
            one
            for one in policies
            if direction.title() in one["policyTypes"]
            and chosen(one["podSelector"], here["metadata"]["labels"])
        ]
        return not found or any(
            port in [one["port"] for one in rule["ports"]]
            and any(
                "podSelector" in peer
                and not peer.get("namespaceSelector")
                and chosen(peer["podSelector"], there["metadata"]["labels"])
                for peer in rule["to" if direction == "egress" else "from"]
            )
            for policy in found
            for rule in policy[direction]
        )

    return sides("egress", source, target) and sides("ingress", target, source)


def test_the_network_lets_exporters_reach_the_ledger_and_nodes_each_other(
    everything: Objects,
) -> None:
    policies = [one["spec"] for one in of_kind(everything, "NetworkPolicy").values()]
    by_name = dict(templates(everything))
    reached = {
        (source, target, port)
        for source, one in by_name.items()
        for target, other in by_name.items()
        for port in (6379, 16379)
        if target == LEDGER and allowed(policies, one, other, port)
    }
    assert reached == {
        ("session-end-exporter", LEDGER, 6379),
        (f"{LEDGER}-form", LEDGER, 6379),
        # Of the Job too: it has the nodes' name.
        (f"{LEDGER}-form", LEDGER, 16379),
        (LEDGER, LEDGER, 6379),
        (LEDGER, LEDGER, 16379),
    }


def test_nothing_but_the_ledger_and_dns_is_reached_from_here(everything: Objects) -> None:
    for name in ("session-end-exporter-ledger", LEDGER):
        ledger, dns = everything["NetworkPolicy", name]["spec"]["egress"]
        assert {one["port"] for one in ledger["ports"]} <= {6379, 16379}
        assert {(one["port"], one["protocol"]) for one in dns["ports"]} == {
            (53, "UDP"),
            (53, "TCP"),
        }
        cluster, local = dns["to"]
        assert cluster["podSelector"]["matchLabels"] == {"k8s-app": "kube-dns"}
        assert local == {"ipBlock": {"cidr": "169.254.20.10/32"}}


def test_the_nodes_run_the_scripts_of_the_folder(everything: Objects, nodes: Object) -> None:
    data = everything["ConfigMap", LEDGER]["data"]
    folder = FOLDER / "components" / "valkey-for-trying"
    assert data == {path.name: path.read_text() for path in folder.glob("*.sh")}
    for name, template in templates(everything):
        if name == "session-end-exporter":
            continue
        (container,) = template["spec"]["containers"]
        (shell, script) = container["command"]
        mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
        assert (shell, Path(script).parent.as_posix()) == ("sh", mounts["scripts"])
        assert Path(script).name in data
        text = data[Path(script).name]
        wanted = set(re.findall(r"^# ([A-Z_]{4,}) ", text, re.MULTILINE))
        given = {one["name"]: one.get("value") for one in container["env"]}
        assert wanted - {"DATA"} <= given.keys()
        assert given["PASSWORD_FILE"] == f"{mounts['password']}/password"
    assert nodes["podManagementPolicy"] == "Parallel"


def test_the_job_makes_a_cluster_of_the_names_that_the_nodes_have(
    everything: Objects, nodes: Object
) -> None:
    (container,) = nodes["template"]["spec"]["containers"]
    named = {one["name"]: one.get("value") for one in container["env"]}["NODE"]
    (job,) = everything["Job", f"{LEDGER}-form"]["spec"]["template"]["spec"]["containers"]
    given = {one["name"]: one["value"] for one in job["env"]}["NODES"]
    assert given.split() == [
        named.replace("$(POD)", f"{LEDGER}-{number}") for number in range(nodes["replicas"])
    ]
    service = everything["Service", LEDGER]["spec"]
    assert (service["clusterIP"], service["publishNotReadyAddresses"]) == ("None", True)
    assert chosen({"matchLabels": service["selector"]}, nodes["template"]["metadata"]["labels"])
    assert named.endswith(f".{nodes['serviceName']}")


def test_a_node_uses_less_memory_than_its_pod_may_have(nodes: Object) -> None:
    (container,) = nodes["template"]["spec"]["containers"]
    used = {one["name"]: one.get("value") for one in container["env"]}["MAXMEMORY"]
    limit = container["resources"]["limits"]["memory"]
    assert 2 * int(used.removesuffix("mb")) <= int(limit.removesuffix("Mi"))


@pytest.mark.parametrize(
    ("first", "second"),
    [("SESSION_EXPORTER_INGEST\n", "SESSION_EXPORTER_DATA_DIR\n"), ("ledger\n", "tokens\n")],
)
def test_a_base_in_another_order_is_refused_and_nothing_else_replaced(
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


def test_the_readmes_overlay_builds_and_changes_what_it_says(
    build: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = overlay(README, build, tmp_path)
    spec = objects["StatefulSet", "session-end-exporter"]["spec"]
    assert spec["replicas"] == 5
    for one in spec["template"]["spec"]["containers"][0]["env"]:
        monkeypatch.setenv(one["name"], one["value"])
    assert load().ledger == "rediss+cluster://ledger.example.org:6379"
    policy = objects["NetworkPolicy", "session-end-exporter-ledger"]["spec"]
    assert policy["egress"][0]["to"] == [{"ipBlock": {"cidr": "192.0.2.0/24"}}]
    assert not [name for _, name in objects if name == LEDGER]
    assert valid(objects, VERSIONS[-1])


def test_secrets_names_and_links_of_the_readme_are_those_of_the_objects(
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
