"""The exporter's pod: what it may do, and that it is given what it needs."""

import pytest

import exporter
from exporter.settings import PREFIX, Settings
from tests.deploy.kubernetes.kustomize import Object
from tests.deploy.kubernetes.manifests import Objects
from tests.deploy.kubernetes.pod_security import violations
from tests.e2e.exporter_process import ROOT


def test_pod_keeps_the_restricted_security_standard(pod: Object, everything: Objects) -> None:
    assert violations(pod) == []
    labels = everything["Namespace", "session-end-exporter"]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize(
    ("place", "value", "violation"),
    [
        ("pod", {"hostNetwork": True}, "hostNetwork is shared"),
        ("pod", {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, "volume v is a hostPath"),
        ("pod context", {"runAsNonRoot": None}, "may run as root"),
        ("pod context", {"runAsUser": 0}, "runs as root"),
        ("pod context", {"seccompProfile": {"type": "Unconfined"}}, "no seccomp profile"),
        ("pod context", {"sysctls": [{"name": "a", "value": "b"}]}, "sysctls are set"),
        ("container", {"ports": [{"containerPort": 1, "hostPort": 1}]}, "host port 1"),
        ("context", {"privileged": True}, "privileged"),
        ("context", {"allowPrivilegeEscalation": None}, "privileges can escalate"),
        ("context", {"capabilities": {}}, "capabilities are kept"),
        ("context", {"capabilities": {"drop": ["ALL"], "add": ["BPF"]}}, "capabilities are added"),
        ("context", {"procMount": "Unmasked"}, "/proc is not masked"),
    ],
)
def test_pod_with_more_rights_violates_the_standard(
    pod: Object, place: str, value: Object, violation: str
) -> None:
    (container,) = pod["containers"]
    places = {
        "pod": pod,
        "pod context": pod["securityContext"],
        "container": container,
        "context": container["securityContext"],
    }
    places[place].update(value)
    assert violations(pod) == [violation]


def test_exporter_writes_only_to_its_volume(
    stateful_set: Object, pod: Object, container: Object, environment: dict[str, str]
) -> None:
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    (claim,) = stateful_set["volumeClaimTemplates"]
    writable = {
        one["mountPath"]: one["name"]
        for one in container["volumeMounts"]
        if not one.get("readOnly")
    }
    assert writable == {environment[f"{PREFIX}DATA_DIR"]: claim["metadata"]["name"]}
    assert [one["name"] for one in pod["volumes"]] == ["tokens"]
    # The group owns the volume and may read the tokens, or a user who is not root could do neither.
    assert pod["securityContext"]["fsGroup"] == pod["securityContext"]["runAsGroup"]
    assert pod["volumes"][0]["secret"]["defaultMode"] == 0o400


def test_one_exporter_that_a_drain_may_evict(stateful_set: Object, everything: Objects) -> None:
    assert stateful_set["replicas"] == 1
    assert stateful_set["podManagementPolicy"] == "Parallel"
    assert stateful_set["updateStrategy"] == {"type": "RollingUpdate"}
    assert stateful_set["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Retain"
    budget = everything["PodDisruptionBudget", "session-end-exporter"]["spec"]
    assert budget["maxUnavailable"] == 1
    assert "minAvailable" not in budget


def test_grace_period_exceeds_the_shutdown_timeout(pod: Object) -> None:
    assert pod["terminationGracePeriodSeconds"] >= 2 * Settings().shutdown_timeout


def test_image_is_the_version_of_the_package(container: Object) -> None:
    assert container["image"] == f"session-end-exporter:{exporter.__version__}"
    assert container["command"] == ["session-end-exporter", "serve"]


def test_pod_runs_as_the_user_of_the_image(pod: Object, environment: dict[str, str]) -> None:
    image = (ROOT / "deploy" / "Containerfile").read_text(encoding="utf-8")
    context = pod["securityContext"]
    assert f"USER {context['runAsUser']}:{context['runAsGroup']}\n" in image
    assert f"DATA_DIR={environment[f'{PREFIX}DATA_DIR']}\n" in image


def test_memory_request_and_limit_hold_window_and_queue(container: Object) -> None:
    requests, limits = (container["resources"][name] for name in ("requests", "limits"))
    asked, limit = (int(one["memory"].removesuffix("Mi")) * 1024**2 for one in (requests, limits))
    # A full window and a full queue, with some 80 MiB of a running exporter: 132 MiB were measured with a
    # million ids and an empty queue.
    needed = 132 * 1024**2 + Settings().max_queue_bytes
    assert asked >= 132 * 1024**2
    assert limit >= 2 * needed
    assert "cpu" in requests
    assert "cpu" not in limits
