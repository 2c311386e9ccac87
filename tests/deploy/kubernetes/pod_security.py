"""The Pod Security Standard "restricted", as a list of what a pod breaks of it.

Its rules are those of Kubernetes' documentation of the Pod Security Standards (baseline and restricted),
without the parts about Windows.
"""

from collections.abc import Iterator
from typing import Any, Final

_VOLUMES: Final = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
_PROFILES: Final = ("RuntimeDefault", "Localhost")


def violations(pod: dict[str, Any]) -> list[str]:
    """A sentence for each rule that the pod's spec breaks; none for a pod that may run."""
    return [*_host(pod), *_volumes(pod), *(found for one in _containers(pod) for found in one)]


def _host(pod: dict[str, Any]) -> Iterator[str]:
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(name):
            yield f"{name} is shared"
    if pod.get("securityContext", {}).get("sysctls"):
        yield "sysctls are set"


def _volumes(pod: dict[str, Any]) -> Iterator[str]:
    for volume in pod.get("volumes", ()):
        for kind in volume.keys() - {"name"} - _VOLUMES:
            yield f"volume {volume['name']} is a {kind}"


def _containers(pod: dict[str, Any]) -> Iterator[Iterator[str]]:
    for key in ("initContainers", "containers", "ephemeralContainers"):
        for one in pod.get(key, ()):
            yield _container(one, pod.get("securityContext", {}))


def _container(container: dict[str, Any], of_pod: dict[str, Any]) -> Iterator[str]:
    own = container.get("securityContext", {})
    both = {**of_pod, **own}
    capabilities = own.get("capabilities", {})
    if own.get("privileged"):
        yield "privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "privileges can escalate"
    if both.get("runAsNonRoot") is not True:
        yield "may run as root"
    if both.get("runAsUser") == 0:
        yield "runs as root"
    if both.get("seccompProfile", {}).get("type") not in _PROFILES:
        yield "no seccomp profile"
    if "ALL" not in capabilities.get("drop", ()):
        yield "capabilities are kept"
    if set(capabilities.get("add", ())) - {"NET_BIND_SERVICE"}:
        yield "capabilities are added"
    if own.get("procMount", "Default") != "Default":
        yield "/proc is not masked"
    for port in container.get("ports", ()):
        if port.get("hostPort"):
            yield f"host port {port['hostPort']}"
