"""Notifications of a real Alertmanager with the shipped routes and inhibitions, and short timings."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.alertmanager import shipped
from tests.alertmanager.shipped import alert
from tests.e2e.alertmanager_process import AlertmanagerProcess, WebhookReceiver

CAUSES = (
    "SessionEndExporterDown",
    "SessionEndExporterAbsent",
    "SessionEndExporterLedgerNotWritable",
)
DOWN = {"alertname": "SessionEndExporterDown", "severity": "page", "system": None}
MISSING = {
    "alertname": "SessionEndExporterCountsMissing",
    "system": "streampixel",
    "ledger": "a",
}
EXPORTER_PAGE = ("/page", "firing", {("exporter", None)})
STOPPED_PAGE = ("/page", "firing", {("stopped", None)})
Notification = tuple[str, str, set[tuple[str, str | None]]]


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as receiver:
        yield receiver


@pytest.fixture
def manager(tmp_path: Path, receiver: WebhookReceiver) -> Iterator[AlertmanagerProcess]:
    with AlertmanagerProcess(shipped.with_webhooks(tmp_path, receiver.url)) as manager:
        yield manager


def notification(receiver: WebhookReceiver) -> Notification:
    """The next notification: receiver, status, and signal and code of each alert."""
    path, body = receiver.next()
    labels = [item["labels"] for item in body["alerts"]]
    return path, body["status"], {(item["signal"], item.get("code")) for item in labels}


def inhibited(manager: AlertmanagerProcess) -> list[dict[str, Any]]:
    """The labels of each inhibited alert."""
    return [item["labels"] for item in manager.get("alerts", active="false", inhibited="true")]


@pytest.mark.parametrize("label", ["system", "cluster"])
def test_systems_and_clusters_are_separate_notifications_and_inhibit_nothing(
    manager, receiver, label
):
    manager.post(*(alert("spike", "4001", **{label: value}) for value in ("a", "b")))
    groups = [receiver.next()[1]["groupLabels"][label] for _ in range(2)]
    assert sorted(groups) == ["a", "b"]
    manager.post(alert("elevated", "4001", **{label: "c"}))
    assert notification(receiver) == ("/ticket", "firing", {("elevated", "4001")})


def test_watchdog_and_pages_are_separate_notifications(manager, receiver):
    manager.post(
        alert("watchdog", alertname="SessionEndWatchdog", system=None, severity="none"),
        alert("exporter", **DOWN),
    )
    assert sorted(notification(receiver) for _ in range(2)) == [
        EXPORTER_PAGE,
        ("/watchdog", "firing", {("watchdog", None)}),
    ]


def test_spike_inhibits_only_tickets_of_its_code(manager, receiver):
    """4006 in the same group shows that the group was notified, without 4003's tickets."""
    manager.post(alert("spike", "4003", owner="application"))
    assert notification(receiver) == ("/page", "firing", {("spike", "4003")})
    manager.post(
        *(alert(signal, "4003", owner="application") for signal in ("elevated", "new")),
        alert("elevated", "4006", owner="application"),
    )
    assert notification(receiver) == ("/ticket", "firing", {("elevated", "4006")})
    assert {labels["signal"] for labels in inhibited(manager)} == {"elevated", "new"}


def test_spike_does_not_inhibit_stopped_of_its_system(manager, receiver):
    manager.post(alert("stopped"), alert("spike", "4001", owner="capacity"))
    both = {("stopped", None), ("spike", "4001")}
    assert notification(receiver) == ("/page", "firing", both)


def test_missing_counts_inhibit_stopped_of_their_system_only(manager, receiver):
    """Fails without `equal` in the inhibition: it then also silences a system that another exporter
    counts."""
    manager.post(alert("exporter", **MISSING))
    assert notification(receiver) == ("/ticket", "firing", {("exporter", None)})
    manager.post(alert("stopped"), alert("stopped", system="softdrive"))
    path, page = receiver.next()
    assert (path, page["groupLabels"]) == ("/page", {"system": "softdrive"})
    (labels,) = inhibited(manager)
    assert (labels["signal"], labels["system"]) == ("stopped", "streampixel")


def test_alerts_about_an_exporter_do_not_inhibit_stopped(manager, receiver):
    """Alerts about an exporter name no system: the exporter may be a replica, or may count another system."""
    causes = (*CAUSES, "SessionEndExporterClockSkew")
    manager.post(*(alert("exporter", **DOWN | {"alertname": cause}) for cause in causes))
    path, page = receiver.next()
    assert (path, {item["labels"]["alertname"] for item in page["alerts"]}) == ("/page", {*causes})
    manager.post(alert("stopped"))
    assert notification(receiver) == STOPPED_PAGE


@pytest.mark.parametrize("cause", CAUSES)
def test_exporter_with_missing_counts_is_one_page(manager, receiver, cause):
    """An inhibited alert inhibits too. The spike in the same group shows that the group was notified without
    `stopped`; the ticket of another code shows that tickets were notified."""
    manager.post(alert("exporter", **DOWN | {"alertname": cause}))
    assert notification(receiver) == EXPORTER_PAGE
    manager.post(alert("exporter", **MISSING))
    manager.post(
        alert("stopped"), alert("spike", "4005", owner="platform"), alert("elevated", "4003")
    )
    assert sorted(notification(receiver) for _ in range(2)) == [
        ("/page", "firing", {("spike", "4005")}),
        ("/ticket", "firing", {("elevated", "4003")}),
    ]
    names = {labels["alertname"] for labels in inhibited(manager)}
    assert names == {MISSING["alertname"], "streampixelNonestopped"}


def test_exporter_that_is_down_inhibits_missing_counts_of_its_cluster_only(manager, receiver):
    """Fails without `equal` in the inhibition: nobody learns that `stopped` of the other cluster is muted."""
    manager.post(alert("exporter", **DOWN, cluster="eu"))
    assert notification(receiver) == EXPORTER_PAGE
    manager.post(*(alert("exporter", **MISSING, cluster=cluster) for cluster in ("eu", "us")))
    path, ticket = receiver.next()
    assert (path, ticket["groupLabels"]["cluster"]) == ("/ticket", "us")
    assert [labels["cluster"] for labels in inhibited(manager)] == ["eu"]
