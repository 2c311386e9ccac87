"""The shipped taxonomies agree with the vendors' pages and with the classification of the design."""

import csv
from dataclasses import replace
from operator import attrgetter
from pathlib import Path

import pytest

from exporter.taxonomy.index import index
from exporter.taxonomy.loader import load
from exporter.taxonomy.model import System
from exporter.taxonomy.spellings import meanings

FACTS = Path(__file__).parents[1] / "testdata" / "seed-facts.csv"

READING = """
softdrive none stream normal success nobody none
softdrive 1001 pre_session internal_http failure platform page
softdrive 1002 pre_session internal_http failure platform page
softdrive 1003 pre_session internal_http failure platform page
softdrive 1004 pre_session internal_http failure platform page
softdrive 500 connect internal_http failure platform page
softdrive 502 connect internal_http failure platform page
softdrive guest_agent stream internal_http failure platform page
softdrive 01 handshake tls_handshake failure customer_network ticket
softdrive 02 handshake tls_handshake failure customer_network ticket
softdrive 03 handshake tls_handshake failure customer_network ticket
softdrive 04 keep_alive tls_handshake failure customer_network ticket
softdrive 06 handshake tls_handshake failure client ticket
softdrive 07 stream session_server failure platform page
softdrive 08 stream session_server failure client ticket
softdrive 09 stream session_server failure platform page
softdrive 10 stream session_server neutral user ticket
softdrive 11 connect session_server failure customer_network ticket
softdrive 12 keep_alive connection_restart_auth failure customer_network ticket
softdrive 13 stream connection_restart_auth failure platform page
softdrive 14 stream connection_restart_auth neutral user ticket
softdrive 15 connect connection_restart_auth neutral user page
softdrive 18 connect connection_restart_auth failure platform page
softdrive 19 connect connection_restart_auth failure customer_network ticket
streampixel 1000 stream closure success nobody none
streampixel 1001 stream closure success nobody ticket
streampixel 1005 keep_alive network failure customer_network ticket
streampixel 1006 keep_alive network failure customer_network page
streampixel 4000 stream policy neutral policy ticket
streampixel 4001 connect capacity failure capacity page
streampixel 4002 connect application failure application page
streampixel 4003 connect application failure application page
streampixel 4004 stream policy neutral policy ticket
streampixel 4005 handshake application failure platform page
streampixel 4006 stream application failure application page
streampixel 4007 keep_alive network failure customer_network page
"""
"""System, code, phase, category, outcome, owner and severity of each row, in the order of the vendors' pages.
The row `none` is on no page."""

TAXONOMY = load()
SYSTEMS = list(TAXONOMY.systems.values())
DOCUMENTED = [code for system in SYSTEMS for code in system.codes]


def facts() -> list[dict[str, str]]:
    with FACTS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("row", facts(), ids=lambda row: f"{row['system']}-{row['code']}")
def test_row_of_a_vendors_page_is_in_the_taxonomy_verbatim(row: dict[str, str]) -> None:
    system = TAXONOMY.systems[row["system"]]
    (code,) = [code for code in system.codes if code.code == row["code"]]
    assert code.name == row["name"]
    if row["phase"]:
        assert system.phase_source == "vendor"
        assert system.categories[code.category] == row["section"]
    else:
        assert system.phase_source == "derived"


def test_order_and_classification_of_rows_are_those_of_the_design() -> None:
    labels = attrgetter("system", "code", "phase", "category", "outcome", "owner", "severity")
    assert [" ".join(labels(code)) for code in DOCUMENTED] == READING.split("\n")[1:-1]


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.system)
def test_every_category_is_used(system: System) -> None:
    assert {code.category for code in system.codes} == set(system.categories)


def test_every_alias_is_needed() -> None:
    for code in DOCUMENTED:
        for alias in code.aliases:
            others = tuple(other for other in code.aliases if other != alias)
            changed = replace(code, aliases=others)
            codes = TAXONOMY.systems[code.system].codes
            without = index([changed if other is code else other for other in codes])
            assert not meanings(alias, without.compact), alias


@pytest.mark.parametrize(
    ("system", "code", "facts"),
    [
        ("softdrive", "03", ["TCP 9260", "443", "9250–9254", "58000–59000", "another network"]),
        ("softdrive", "04", ["UDP", "EDR", "both directions"]),
        ("softdrive", "08", ["primary", "restart the session, then the PC"]),
        ("softdrive", "13", ["1 to 3 minutes"]),
        ("softdrive", "502", ["few minutes", "code, time, user, organization and a screenshot"]),
        ("softdrive", "guest_agent", ["Restart the VM", "update the guest agent", "template"]),
        ("streampixel", "1006", ["5 s", "60 s", "4007"]),
        ("streampixel", "4001", ["Fixed", "dynamic", "2 concurrent users"]),
        ("streampixel", "4002", ["build webhook"]),
        ("streampixel", "4003", ["build webhook"]),
        ("streampixel", "4004", ["30 minutes", "1 to 1440", "Inactivity"]),
        ("streampixel", "4006", ["build webhook"]),
    ],
)
def test_fix_has_the_vendors_facts(system: str, code: str, facts: list[str]) -> None:
    fix = TAXONOMY.systems[system].match(code).fix
    assert [fact for fact in facts if fact not in fix] == []
