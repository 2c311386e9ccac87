"""Every documented code in several spellings, against a table made from the vendors' pages."""

import csv
from pathlib import Path

from tests.e2e.exporter_process import ExporterProcess

FACTS = Path(__file__).parents[1] / "testdata" / "seed-facts.csv"
SECTIONS = {
    "Internal & HTTP Errors": "internal_http",
    "TLS & Handshake Errors": "tls_handshake",
    "Session & Server Errors": "session_server",
    "Connection, Restart & Authentication Errors": "connection_restart_auth",
}


def facts() -> list[dict[str, str]]:
    with FACTS.open(newline="") as file:
        return list(csv.DictReader(file))


def spellings(row: dict[str, str], shared: bool) -> list[object]:
    """The code as the vendor's page and its SDKs write it: text, number, heading, name."""
    code = row["code"]
    numbers = [int(code), f"Error Code {code}"] if code.isdigit() else []
    return [code, *numbers, *([] if shared else [row["name"]])]


def test_documented_codes_are_counted_under_the_labels_of_the_vendors_pages(tmp_path):
    rows = facts()
    assert len(rows) == 35
    names = [(row["system"], row["name"]) for row in rows]
    by_code = {(row["system"], row["code"]): row for row in rows}
    expected = {}
    with ExporterProcess(tmp_path / "data") as exporter:
        for row in rows:
            sent = spellings(row, names.count((row["system"], row["name"])) > 1)
            assert len(sent) >= 2
            for place, code in enumerate(sent):
                id_ = f"{row['system']}-{row['code']}-{place}"
                event = {"id": id_, "system": row["system"], "code": code}
                assert exporter.post(event).json["accepted"] == 1, event
            expected[(row["system"], row["code"])] = len(sent)
        counted = {}
        for (name, labels), value in exporter.metrics().items():
            if name == "session_ends_total" and value:
                have = dict(labels)
                counted[(have["system"], have["code"])] = value
                row = by_code[have["system"], have["code"]]
                if row["phase"]:
                    assert have["phase"] == row["phase"].lower().replace("-", "_").replace(" ", "_")
                if row["section"]:
                    section = row["section"].partition(" (")[0]
                    assert have["category"] == SECTIONS[section]
        assert counted == expected
