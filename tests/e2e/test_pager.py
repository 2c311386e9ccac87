"""Incidents from the events to the pages. Each system has its incident, at the same time."""

import re

import pytest

from tests.e2e.pager import LONG, Pager, alert_names, wait_for

BOTH = {"SessionEndSpike 4001", "SessionEndSpike 4005"}


@pytest.fixture(scope="module")
def incidents(pager: Pager) -> Pager:
    """After the first pages: two codes of streampixel have risen, and softdrive had no successes."""
    pager.traffic.silent = ("softdrive",)
    pager.traffic.more = tuple(
        {"system": "streampixel", "code": code} for code in (4001, 4005) for _ in range(3)
    )
    pager.wait("firing", *BOTH, system="streampixel")
    pager.traffic.more = ()
    pager.wait("firing", "SessionEndsStopped", system="softdrive")
    pager.traffic.silent = ()
    return pager


def test_two_codes_that_rise_together_give_one_notification(incidents: Pager) -> None:
    def resolved() -> bool:
        return alert_names(*incidents.pages("streampixel"), status="resolved") == BOTH

    wait_for(resolved, LONG, "the end of both")
    # The two may end at different evaluations: one or two notifications.
    first, *others = incidents.pages("streampixel")
    assert (first["status"], alert_names(first)) == ("firing", BOTH)
    assert all(alert_names(page, status="resolved") for page in others)
    assert alert_names(*others) == BOTH
    assert incidents.traffic.errors == []


def test_page_has_labels_cause_and_fix(incidents: Pager) -> None:
    page = incidents.wait("firing", *BOTH, system="streampixel")
    assert page["receiver"] == "page-platform"
    (alert,) = (alert for alert in page["alerts"] if alert["labels"]["code"] == "4001")
    assert alert["labels"] == {
        "alertname": "SessionEndSpike",
        "severity": "page",
        "signal": "spike",
        "system": "streampixel",
        "code": "4001",
        "name": "No Worker Node Available",
        "phase": "connect",
        "category": "capacity",
        "owner": "capacity",
    }
    texts = alert["annotations"]
    assert texts["summary"] == "4001 No Worker Node Available spike on streampixel"
    numbers = re.fullmatch(
        r"(\d+) in 5 min \(expected (\d+\.\d)\), [\d.]+% of all session ends, since \d\d:\d\d UTC\.",
        texts["description"],
    )
    assert numbers, texts["description"]
    assert int(numbers[1]) > 5 * float(numbers[2]) > 0
    assert texts["causes"].startswith("All worker nodes are busy, GPU resources do not suffice")
    assert texts["fix"].startswith("Check the status of workers and GPUs, then the capacity mode.")
    assert texts["runbook_url"] == f"http://{incidents.ops}/codes/streampixel/4001"
    assert texts["dashboard_url"] == ""


def test_missing_successes_page_for_their_system(incidents: Pager) -> None:
    """Shows that the alert which a killed exporter must not cause can fire."""
    incidents.wait("resolved", "SessionEndsStopped", system="softdrive")
    assert alert_names(*incidents.pages("softdrive")) == {"SessionEndsStopped"}
    assert incidents.pages() == []
