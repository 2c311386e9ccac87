"""Incidents from the events to the pages. Both systems have an incident at the same time."""

import re

import pytest

from tests.e2e.pager import LONG, Pager, alert_names, wait_for

CODES = {"4001": 3, "4005": 3, "4007": 9}
"""Codes of three owners, and their ends in each post during the outage."""
ALL = {f"SessionEndSpike {code}" for code in CODES}


@pytest.fixture(scope="module")
def incidents(pager: Pager) -> Pager:
    """After the first pages: three codes of streampixel have risen, and softdrive had no successes."""
    pager.traffic.silent = ("softdrive",)
    pager.traffic.more = tuple(
        {"system": "streampixel", "code": code} for code, ends in CODES.items() for _ in range(ends)
    )
    pager.wait("firing", *ALL, system="streampixel")
    pager.traffic.more = ()
    pager.wait("firing", "SessionEndsStopped", system="softdrive")
    pager.traffic.silent = ()
    return pager


def test_codes_of_three_owners_in_one_outage_are_one_notification(incidents: Pager) -> None:
    def resolved() -> bool:
        return alert_names(*incidents.pages("streampixel"), status="resolved") == ALL

    wait_for(resolved, LONG, "the end of all")
    # They may end at different evaluations: one to three notifications.
    first, *others = incidents.pages("streampixel")
    assert (first["status"], alert_names(first)) == ("firing", ALL)
    assert len({alert["labels"]["owner"] for alert in first["alerts"]}) == 3
    assert all(alert_names(page, status="resolved") for page in others)
    assert alert_names(*others) == ALL
    assert incidents.traffic.errors == []


def test_title_in_slack_and_mail_names_the_worst_code_and_then_resolved(incidents: Pager) -> None:
    page = incidents.wait("firing", *ALL, system="streampixel")
    worst = max(
        (alert["annotations"].get("excess", ""), alert["fingerprint"], index)
        for index, alert in enumerate(page["alerts"])
    )
    summary = page["alerts"][worst[-1]]["annotations"]["summary"]

    def titles() -> list[str]:
        incidents.pages()
        return [shown["title"] for shown in incidents.slack if "streampixel" in shown["title"]]

    wait_for(lambda: titles()[-1:] and titles()[-1].startswith("Resolved: "), LONG, "Resolved")
    title = titles()[0]
    assert re.fullmatch(rf"{re.escape(summary)}: \d+ in 5 min, [\d.]+ % \(\+2 more\)", title)
    mails = [incidents.mail.next()]
    while "streampixel" not in mails[-1]["Subject"]:
        mails.append(incidents.mail.next())
    assert mails[-1]["Subject"] == title
    assert mails[-1].get_body(("plain",)).get_content().startswith(summary)


def test_missing_successes_page_for_their_system(incidents: Pager) -> None:
    """Shows that SessionEndsStopped, which a killed exporter must not cause, can fire here."""
    incidents.wait("resolved", "SessionEndsStopped", system="softdrive")
    assert alert_names(*incidents.pages("softdrive")) == {"SessionEndsStopped"}
    assert incidents.pages() == []
