"""Who gets what from a real Alertmanager with the shipped routes and inhibitions; timings are shorter."""

import re

import pytest

from tests.alertmanager import shipped
from tests.alertmanager.shipped import alert
from tests.e2e.alertmanager_process import AlertmanagerProcess, WebhookCatcher

INCOMPLETE = "SessionEndExporterCountsMissing"
CAUSES = (
    "SessionEndExporterDown",
    "SessionEndExporterAbsent",
    "SessionEndExporterLedgerNotWritable",
)
NO_WORKERS = {"annotations": {"summary": "4001 No Worker Node Available spike on streampixel"}}
DOWN = {"alertname": "SessionEndExporterDown", "severity": "page", "system": None}
MISSING = {"alertname": INCOMPLETE, "system": "streampixel", "ledger": "a"}


@pytest.fixture
def catcher():
    with WebhookCatcher() as running:
        yield running


@pytest.fixture
def manager(tmp_path, catcher):
    with AlertmanagerProcess(shipped.with_webhooks(tmp_path, catcher.url)) as running:
        yield running


def _signals(notification):
    """The receiver, the status, and signal and code of each alert."""
    path, body = notification
    alerts = {(one["labels"]["signal"], one["labels"].get("code")) for one in body["alerts"]}
    return path, body["status"], alerts


def _without(config, key):
    """The configuration with one top-level list of it emptied: the guard is out."""
    config.write_text(
        re.sub(rf"^{key}:\n(?:[- ].*\n)+", f"{key}: []\n", config.read_text(), flags=re.M)
    )
    return config


def test_two_codes_of_a_system_are_one_notification_and_one_resolution(manager, catcher):
    """Fails when pages are routed by owner, or grouped by code or alert name: 4001 is capacity's, 4005
    the platform's."""
    manager.post(
        alert("spike", "4001", owner="capacity", **NO_WORKERS),
        alert("spike", "4005", owner="platform"),
    )
    both = {("spike", "4001"), ("spike", "4005")}
    first = catcher.next()
    assert _signals(first) == ("/page-platform", "firing", both)
    summaries = {one["annotations"].get("summary") for one in first[1]["alerts"]}
    assert NO_WORKERS["annotations"]["summary"] in summaries
    manager.post(
        alert("spike", "4001", owner="capacity", resolved=True, **NO_WORKERS),
        alert("spike", "4005", owner="platform", resolved=True),
    )
    assert _signals(catcher.next()) == ("/page-platform", "resolved", both)
    assert catcher.rest() == []


def test_two_systems_are_two_notifications(manager, catcher):
    manager.post(
        alert("spike", "4001", owner="capacity"),
        alert("spike", "502", system="softdrive", owner="platform"),
    )
    systems = [catcher.next()[1]["groupLabels"]["system"] for _ in range(2)]
    assert sorted(systems) == ["softdrive", "streampixel"]


def test_flapping_alert_is_notified_once_and_resolved_once(manager, catcher):
    manager.post(alert("spike", "4001", owner="capacity"))
    assert _signals(catcher.next())[1] == "firing"
    for _ in range(3):
        manager.post(alert("spike", "4001", owner="capacity", resolved=True))
        manager.post(alert("spike", "4001", owner="capacity"))
    manager.post(alert("spike", "4001", owner="capacity", resolved=True))
    assert _signals(catcher.next())[1] == "resolved"
    assert catcher.rest() == []


def test_spike_inhibits_only_tickets_of_its_code(manager, catcher):
    """4006 in the same group shows that the group was notified, without 4003's tickets."""
    app = {"owner": "application"}
    manager.post(alert("spike", "4003", **app))
    assert _signals(catcher.next()) == ("/page-application", "firing", {("spike", "4003")})
    manager.post(
        alert("elevated", "4003", **app),
        alert("new", "4003", **app),
        alert("elevated", "4006", **app),
    )
    assert _signals(catcher.next()) == ("/ticket-application", "firing", {("elevated", "4006")})
    muted = manager.get("alerts", active="false", inhibited="true")
    assert {one["labels"]["signal"] for one in muted} == {"elevated", "new"}


def test_spike_of_another_system_inhibits_nothing(manager, catcher):
    manager.post(alert("spike", "1001", system="other", owner="platform"))
    catcher.next()
    manager.post(alert("elevated", "1001", owner="platform"))
    assert _signals(catcher.next()) == ("/ticket-platform", "firing", {("elevated", "1001")})


def test_missing_counts_inhibit_stopped_of_their_system_only(manager, catcher):
    """The other system's in the same receiver shows that pages were notified, without the first one's.
    Fails without `equal`: a system that is counted by another exporter is then silent too."""
    manager.post(alert("exporter", **MISSING))
    assert _signals(catcher.next()) == ("/ticket-platform", "firing", {("exporter", None)})
    manager.post(alert("stopped"), alert("stopped", system="softdrive"))
    path, page = catcher.next()
    assert (path, page["groupLabels"]) == ("/page-platform", {"system": "softdrive"})
    manager.post(alert("spike", "4005", owner="platform"))
    assert _signals(catcher.next()) == ("/page-platform", "firing", {("spike", "4005")})
    (muted,) = manager.get("alerts", active="false", inhibited="true")
    assert (muted["labels"]["signal"], muted["labels"]["system"]) == ("stopped", "streampixel")


@pytest.mark.parametrize("cause", CAUSES)
def test_exporter_that_does_not_count_inhibits_no_stopped(manager, catcher, cause):
    """One of many: a replica, or another system's. Its alert names no system."""
    manager.post(alert("exporter", **DOWN | {"alertname": cause}))
    assert _signals(catcher.next()) == ("/page-platform", "firing", {("exporter", None)})
    manager.post(alert("stopped"))
    assert _signals(catcher.next()) == ("/page-platform", "firing", {("stopped", None)})


@pytest.mark.parametrize("cause", CAUSES)
def test_exporter_with_missing_counts_is_one_page(manager, catcher, cause):
    """What is inhibited inhibits too. The spike in the same group shows that the group was notified,
    without `stopped`; the ticket of another system, that tickets were."""
    manager.post(alert("exporter", **DOWN | {"alertname": cause}))
    assert _signals(catcher.next()) == ("/page-platform", "firing", {("exporter", None)})
    manager.post(alert("exporter", **MISSING))
    manager.post(
        alert("stopped"), alert("spike", "4005", owner="platform"), alert("elevated", "4003")
    )
    notified = [_signals(catcher.next()) for _ in range(2)]
    assert sorted(notified) == [
        ("/page-platform", "firing", {("spike", "4005")}),
        ("/ticket-platform", "firing", {("elevated", "4003")}),
    ]
    muted = manager.get("alerts", active="false", inhibited="true")
    assert {one["labels"]["alertname"] for one in muted} == {INCOMPLETE, "streampixelNonestopped"}


def test_other_alerts_about_the_exporter_inhibit_nothing(manager, catcher):
    manager.post(alert("exporter", **{**DOWN, "alertname": "SessionEndExporterClockSkew"}))
    catcher.next()
    manager.post(alert("stopped"))
    assert _signals(catcher.next()) == ("/page-platform", "firing", {("stopped", None)})


def test_stopped_and_spike_are_one_notification(manager, catcher):
    manager.post(alert("stopped"), alert("spike", "4001", owner="capacity"))
    both = {("stopped", None), ("spike", "4001")}
    assert _signals(catcher.next()) == ("/page-platform", "firing", both)


def test_without_the_inhibitions_the_same_alerts_are_notified(tmp_path, catcher):
    """The tests above can fail."""
    config = _without(shipped.with_webhooks(tmp_path, catcher.url), "inhibit_rules")
    assert "inhibit_rules: []" in config.read_text()
    with AlertmanagerProcess(config) as manager:
        manager.post(
            *(alert("exporter", **DOWN), alert("exporter", **MISSING)),
            *(alert("stopped"), alert("elevated", "4005")),
            alert("spike", "4005", owner="platform"),
        )
        notified = [_signals(catcher.next()) for _ in range(3)]
    assert sorted(notified, key=lambda one: (one[0], len(one[2]))) == [
        ("/page-platform", "firing", {("exporter", None)}),
        ("/page-platform", "firing", {("stopped", None), ("spike", "4005")}),
        ("/ticket-platform", "firing", {("elevated", "4005"), ("exporter", None)}),
    ]
