"""What a runbook's page says: more than its alert, and the vendors' facts where they help."""

import re

import pytest

from exporter.runbooks.page import page_of
from exporter.taxonomy.loader import load
from exporter.taxonomy.model import Code

TAXONOMY = load()


@pytest.mark.parametrize(
    "code",
    [code for system in TAXONOMY.systems.values() for code in system.codes],
    ids=lambda code: f"{code.system}-{code.code}",
)
def test_a_page_says_what_the_alert_does_not(code: Code) -> None:
    said = page_of(TAXONOMY, code.system, code.code)
    alert = " ".join((code.description, code.causes, code.fix))
    ours = [said.first, said.impact[0], *said.mitigation, *said.checks]
    assert not [text for text in ours if text in alert]
    new = set(words(" ".join(ours))) - set(words(alert))
    assert len(new) >= 12, "the page only repeats the alert"


def words(text: str) -> list[str]:
    return [word for word in re.findall(r"[a-z0-9]+", text.lower()) if len(word) > 3]


_UDP = ("9260", "443", "9250–9254", "58000–59000", "EDR", "VPN", "another network")


@pytest.mark.parametrize(
    ("system", "code", "phrases"),
    [
        (
            "streampixel",
            "4001",
            ("mode fixed", "mode dynamic", "shared pool", "2 concurrent", "GPU"),
        ),
        ("streampixel", "1005", ("60 s", "5 s", "4007")),
        ("streampixel", "1006", ("60 s", "4007", "WebRTC")),
        ("streampixel", "4007", ("60 s", "5 s", "1005", "1006")),
        ("streampixel", "4000", ("Project Inactive",)),
        ("streampixel", "4002", ("build webhook", "deployment")),
        ("streampixel", "4003", ("build webhook", "Go back to the last build")),
        ("streampixel", "4006", ("build webhook", "Go back to the last build")),
        ("streampixel", "4004", ("30 minutes", "1 to 1440", "Inactivity")),
        ("streampixel", "4005", ("No streamer connected", "workers are registered")),
        ("softdrive", "03", (*_UDP, "both ways")),
        ("softdrive", "04", (*_UDP, "both ways")),
        ("softdrive", "11", _UDP),
        ("softdrive", "19", (*_UDP, "both ways")),
        (
            "softdrive",
            "502",
            ("Wait minutes", "code, the time, the user, the organisation", "screenshot"),
        ),
        ("softdrive", "15", ("SSO outage", "identity provider")),
        ("softdrive", "guest_agent", ("Restart the VM", "update the guest agent", "template")),
        ("softdrive", "08", ("primary monitor", "mixed resolutions", "restart the PC")),
        ("softdrive", "13", ("maintenance", "three minutes")),
        ("softdrive", "18", ("powered on", "DNS")),
        ("softdrive", "unknown", ("/api/unknown-codes", "aliases")),
    ],
)
def test_the_vendors_facts_are_on_the_page_where_they_help(
    system: str, code: str, phrases: tuple[str, ...]
) -> None:
    said = page_of(TAXONOMY, system, code)
    ours = " ".join((said.first, *said.impact, *said.checks, *said.mitigation))
    ours += " ".join(f"{seen}: {points}" for one in said.diagnosis for seen, points in one.answers)
    assert [phrase for phrase in phrases if phrase not in ours] == []
