"""The shipped taxonomies hold what the vendors' pages say, and our reading of them."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from exporter.taxonomy.loader import load
from exporter.taxonomy.model import Code, Phase, System, normalise
from exporter.taxonomy.spellings import shared_names, spellings_of

FACTS = Path(__file__).parents[1] / "testdata" / "seed-facts.csv"
VENDOR_PHASES = {
    "Pre-Session": Phase.PRE_SESSION,
    "Connect": Phase.CONNECT,
    "Handshake": Phase.HANDSHAKE,
    "Stream": Phase.STREAM,
    "Keep Alive": Phase.KEEP_ALIVE,
}
OURS = {("softdrive", "none")}
"""Rows that no vendor's page has."""

READING = {
    ("softdrive", "none"): ("stream", "normal", "success", "nobody", "none"),
    ("softdrive", "1001"): ("pre_session", "internal_http", "failure", "platform", "page"),
    ("softdrive", "1002"): ("pre_session", "internal_http", "failure", "platform", "page"),
    ("softdrive", "1003"): ("pre_session", "internal_http", "failure", "platform", "page"),
    ("softdrive", "1004"): ("pre_session", "internal_http", "failure", "platform", "page"),
    ("softdrive", "500"): ("connect", "internal_http", "failure", "platform", "page"),
    ("softdrive", "502"): ("connect", "internal_http", "failure", "platform", "page"),
    ("softdrive", "guest_agent"): ("stream", "internal_http", "failure", "platform", "page"),
    ("softdrive", "01"): ("handshake", "tls_handshake", "failure", "customer_network", "ticket"),
    ("softdrive", "02"): ("handshake", "tls_handshake", "failure", "customer_network", "ticket"),
    ("softdrive", "03"): ("handshake", "tls_handshake", "failure", "customer_network", "ticket"),
    ("softdrive", "04"): ("keep_alive", "tls_handshake", "failure", "customer_network", "ticket"),
    ("softdrive", "06"): ("handshake", "tls_handshake", "failure", "client", "ticket"),
    ("softdrive", "07"): ("stream", "session_server", "failure", "platform", "page"),
    ("softdrive", "08"): ("stream", "session_server", "failure", "client", "ticket"),
    ("softdrive", "09"): ("stream", "session_server", "failure", "platform", "page"),
    ("softdrive", "10"): ("stream", "session_server", "neutral", "user", "ticket"),
    ("softdrive", "11"): ("connect", "session_server", "failure", "customer_network", "ticket"),
    ("softdrive", "12"): (
        "keep_alive",
        "connection_restart_auth",
        "failure",
        "customer_network",
        "ticket",
    ),
    ("softdrive", "13"): ("stream", "connection_restart_auth", "failure", "platform", "page"),
    ("softdrive", "14"): ("stream", "connection_restart_auth", "neutral", "user", "ticket"),
    ("softdrive", "15"): ("connect", "connection_restart_auth", "neutral", "user", "page"),
    ("softdrive", "18"): ("connect", "connection_restart_auth", "failure", "platform", "page"),
    ("softdrive", "19"): (
        "connect",
        "connection_restart_auth",
        "failure",
        "customer_network",
        "ticket",
    ),
    ("streampixel", "1000"): ("stream", "closure", "success", "nobody", "none"),
    ("streampixel", "1001"): ("stream", "closure", "success", "nobody", "ticket"),
    ("streampixel", "1005"): ("keep_alive", "network", "failure", "customer_network", "ticket"),
    ("streampixel", "1006"): ("keep_alive", "network", "failure", "customer_network", "page"),
    ("streampixel", "4000"): ("stream", "policy", "neutral", "policy", "ticket"),
    ("streampixel", "4001"): ("connect", "capacity", "failure", "capacity", "page"),
    ("streampixel", "4002"): ("connect", "application", "failure", "application", "page"),
    ("streampixel", "4003"): ("connect", "application", "failure", "application", "page"),
    ("streampixel", "4004"): ("stream", "policy", "neutral", "policy", "ticket"),
    ("streampixel", "4005"): ("handshake", "application", "failure", "platform", "page"),
    ("streampixel", "4006"): ("stream", "application", "failure", "application", "page"),
    ("streampixel", "4007"): ("keep_alive", "network", "failure", "customer_network", "page"),
}
"""Phase, category, outcome, owner and severity of every row, as the design's tables have them."""

TAXONOMY = load()
SYSTEMS = list(TAXONOMY.systems.values())
DOCUMENTED = [code for system in SYSTEMS for code in system.codes]


def facts() -> list[dict[str, str]]:
    with FACTS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def name_of(code: Code) -> str:
    return f"{code.system}-{code.code}"


def test_the_vendors_pages_document_35_codes() -> None:
    counts = Counter(row["system"] for row in facts())
    assert counts == {"softdrive": 23, "streampixel": 12}


@pytest.mark.parametrize("row", facts(), ids=lambda row: f"{row['system']}-{row['code']}")
def test_a_row_of_a_vendors_page_is_in_the_taxonomy_verbatim(row: dict[str, str]) -> None:
    system = TAXONOMY.systems[row["system"]]
    (code,) = [code for code in system.codes if code.code == row["code"]]
    assert code.name == row["name"]
    if row["phase"]:
        assert system.phase_source == "vendor"
        assert code.phase == VENDOR_PHASES[row["phase"]]
        assert system.categories[code.category] == row["section"]
    else:
        assert system.phase_source == "derived"


def test_the_taxonomy_has_no_row_that_the_vendors_pages_lack_but_ours() -> None:
    documented = {(row["system"], row["code"]) for row in facts()}
    assert {(code.system, code.code) for code in DOCUMENTED} == documented | OURS


def test_rows_are_in_the_order_of_the_vendors_pages() -> None:
    ours = [(c.system, c.code) for c in DOCUMENTED if (c.system, c.code) not in OURS]
    assert ours == [(row["system"], row["code"]) for row in facts()]


@pytest.mark.parametrize("code", DOCUMENTED, ids=name_of)
def test_our_reading_of_a_row_is_the_designs(code: Code) -> None:
    reading = (code.phase, code.category, code.outcome, code.owner, code.severity)
    assert reading == READING[code.system, code.code]


def test_the_designs_tables_have_a_reading_for_every_row_and_no_other() -> None:
    assert set(READING) == {(code.system, code.code) for code in DOCUMENTED}


@pytest.mark.parametrize(("system", "normal"), [("softdrive", "none"), ("streampixel", "1000")])
def test_an_event_without_a_code_is_the_systems_normal_end(system: str, normal: str) -> None:
    assert TAXONOMY.systems[system].match(None).code == normal
    assert TAXONOMY.systems[system].match("").code == normal


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.system)
def test_every_category_of_a_shipped_system_is_used(system: System) -> None:
    assert {code.category for code in system.codes} == set(system.categories)


@pytest.mark.parametrize("missing", ["05", "16", "17", 5, 16, 17])
def test_the_gaps_in_softdrives_numbering_are_unknown_codes(missing: str | int) -> None:
    assert TAXONOMY.systems["softdrive"].match(missing).code == "unknown"


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("Project Inactive", "4000"),
        ("Worker Node Unavailable", "4001"),
        ("Application Not Found", "4002"),
        ("Maximum Runtime Reached", "4004"),
        ("No streamer connected", "4005"),
        ("Application Error", "4006"),
    ],
)
def test_streampixels_reason_strings_mean_the_code_we_infer(reason: str, code: str) -> None:
    assert TAXONOMY.systems["streampixel"].match(reason).code == code


def test_the_reason_that_two_codes_share_differs_in_name_and_phase_only() -> None:
    """Fails when the choice of 4006 for "Application Error" begins to matter to who is told, and how."""
    launch, crash = (TAXONOMY.systems["streampixel"].match(code) for code in (4003, 4006))
    assert (launch.category, launch.outcome, launch.owner, launch.severity) == (
        *(crash.category, crash.outcome, crash.owner, crash.severity),
    )


@pytest.mark.parametrize(
    "spelling",
    [
        "guest_agent",
        "guest agent",
        "Guest Agent not Responding",
        "Error Guest Agent not Responding",
        "Guest agent is not responding",
    ],
)
def test_the_one_softdrive_error_without_a_number_is_known_by_its_names(spelling: str) -> None:
    assert TAXONOMY.systems["softdrive"].match(spelling).code == "guest_agent"


@pytest.mark.parametrize("code", DOCUMENTED, ids=name_of)
def test_no_shipped_alias_repeats_a_spelling_that_follows_by_rule(code: Code) -> None:
    bare = Code(**{**{f: getattr(code, f) for f in Code.__slots__}, "aliases": ()})
    shared = shared_names(TAXONOMY.systems[code.system].codes)
    generated = set(spellings_of(bare, shared))
    assert not generated & {normalise(alias) for alias in code.aliases}


@pytest.mark.parametrize(
    ("system", "code", "facts"),
    [
        ("softdrive", "03", ["TCP 9260", "443", "9250–9254", "58000–59000", "another network"]),
        ("softdrive", "04", ["UDP", "EDR", "both directions"]),
        ("softdrive", "08", ["primary", "restart the session, then the PC"]),
        ("softdrive", "13", ["1 to 3 minutes"]),
        ("softdrive", "502", ["few minutes", "code, time, user, organisation and a screenshot"]),
        ("softdrive", "guest_agent", ["Restart the VM", "update the guest agent", "template"]),
        ("streampixel", "1006", ["5 s", "60 s", "4007"]),
        ("streampixel", "4001", ["Fixed", "dynamic", "2 concurrent users"]),
        ("streampixel", "4002", ["build webhook"]),
        ("streampixel", "4003", ["build webhook"]),
        ("streampixel", "4004", ["30 minutes", "1 to 1440", "Inactivity"]),
        ("streampixel", "4006", ["build webhook"]),
    ],
)
def test_a_fix_carries_the_vendors_documented_numbers(
    system: str, code: str, facts: list[str]
) -> None:
    fix = TAXONOMY.systems[system].match(code).fix
    assert [fact for fact in facts if fact not in fix] == []
