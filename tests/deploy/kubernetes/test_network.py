"""Who reaches which listener of the exporter."""

from collections.abc import Mapping
from typing import Any

import pytest

from exporter import names
from exporter.settings import Settings
from tests.deploy.kubernetes.kustomize import Object
from tests.deploy.kubernetes.manifests import Objects, of_kind


def chosen(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a selector of labels takes an object with these; an empty one takes all."""
    assert selector.keys() <= {"matchLabels"}
    return selector.get("matchLabels", {}).items() <= labels.items()


def test_each_service_selects_its_listener_of_the_pod(
    everything: Objects, stateful_set: Object, container: Object
) -> None:
    labels = stateful_set["template"]["metadata"]["labels"]
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}
    services = of_kind(everything, "Service")
    assert stateful_set["serviceName"] in services
    served = set()
    for service in services.values():
        (port,) = service["spec"]["ports"]
        assert service["spec"]["selector"].items() <= labels.items()
        assert ports[port["targetPort"]] == port["port"]
        # Or a pod that is not ready could not say why, and would not count what it can.
        assert service["spec"]["publishNotReadyAddresses"] is True
        served.add(port["targetPort"])
    assert served == {"ingest", "ops"}
    budget = everything["PodDisruptionBudget", "session-end-exporter"]["spec"]
    for selector in (stateful_set["selector"], budget["selector"]):
        assert selector["matchLabels"]
        assert chosen(selector, labels)


def admitted(
    policies: list[Object], pod: Object, port: str, space: Mapping[str, str], labels: Object
) -> bool:
    """Whether some policy lets a pod with `labels` of a namespace with labels `space` reach `port`."""
    return any(
        port in [one["port"] for one in rule["ports"]]
        and any(
            chosen(peer.get("namespaceSelector", {}), space)
            and chosen(peer.get("podSelector", {}), labels)
            for peer in rule["from"]
        )
        for policy in policies
        if chosen(policy["podSelector"], pod["metadata"]["labels"])
        for rule in policy["ingress"]
    )


SENDER = {"session-end-exporter/sender": "true"}


@pytest.mark.parametrize(
    ("namespace", "labels", "reaches"),
    [
        ("shop", SENDER, {"ingest"}),
        ("shop", {}, set()),
        ("shop", {"session-end-exporter/sender": "false"}, set()),
        ("monitoring", {}, {"ops"}),
        ("monitoring", SENDER, {"ingest", "ops"}),
        ("ingress-nginx", {}, {"ingest"}),
    ],
)
def test_network_policy_admits_senders_and_monitoring(
    everything: Objects,
    stateful_set: Object,
    namespace: str,
    labels: dict[str, str],
    reaches: set[str],
) -> None:
    policies = [one["spec"] for one in of_kind(everything, "NetworkPolicy").values()]
    space = {"kubernetes.io/metadata.name": namespace}
    assert {
        port
        for port in ("ingest", "ops")
        if admitted(policies, stateful_set["template"], port, space, labels)
    } == reaches


def test_network_policy_denies_egress(everything: Objects) -> None:
    policy = everything["NetworkPolicy", "session-end-exporter"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["egress"] == []


def test_service_monitor_scrapes_ops_under_the_job_of_the_alerts(
    everything: Objects,
) -> None:
    monitor = everything["ServiceMonitor", "session-end-exporter"]
    assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
    (service,) = (
        one
        for one in of_kind(everything, "Service").values()
        if chosen(monitor["spec"]["selector"], one["metadata"]["labels"])
    )
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["port"] in [one["name"] for one in service["spec"]["ports"]]
    assert endpoint["port"] == "ops"
    assert endpoint["path"] == names.METRICS_PATH
    # The operator's documentation: the job is this label of the Service, else the Service's name.
    job = service["metadata"]["labels"][monitor["spec"]["jobLabel"]]
    assert job == "session-end-exporter"
    assert int(endpoint["interval"].removesuffix("s")) * 5 <= Settings().first_seen_zero_for


def test_ingress_exposes_only_the_ingest_path_by_tls(
    everything: Objects,
) -> None:
    ingress = everything["Ingress", "session-end-exporter"]["spec"]
    (rule,) = ingress["rules"]
    (path,) = rule["http"]["paths"]
    assert (path["path"], path["pathType"]) == (names.INGEST_PATH, "Exact")
    backend = path["backend"]["service"]
    (port,) = everything["Service", backend["name"]]["spec"]["ports"]
    assert backend["port"]["name"] == port["name"] == "ingest"
    assert [one["hosts"] for one in ingress["tls"]] == [[rule["host"]]]
