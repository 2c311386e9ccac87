"""Every documented code in several spellings, against a table made from the vendors' pages."""

import csv
from collections import Counter
from pathlib import Path

from tests.e2e.exporter_process import ExporterProcess

FACTS = Path(__file__).parents[1] / "testdata" / "seed-facts.csv"
SECTIONS = {
    "Internal & HTTP Errors": "internal_http",
    "TLS & Handshake Errors": "tls_handshake",
    "Session & Server Errors": "session_server",
    "Connection, Restart & Authentication Errors": "connection_restart_auth",
}


def test_documented_codes_are_counted_under_the_labels_of_the_vendors_pages(tmp_path):
    rows = list(csv.DictReader(FACTS.read_text().splitlines()))
    assert len(rows) == 35
    shared = Counter((row["system"], row["name"]) for row in rows)
    posted = 0
    with ExporterProcess(tmp_path / "data") as exporter:
        for row in rows:
            system, code, name = row["system"], row["code"], row["name"]
            # As the vendor's page and its SDKs write it: text, number, heading, name.
            spellings = [code]
            spellings += [int(code), f"Error Code {code}"] if code.isdigit() else []
            spellings += [name] if shared[system, name] == 1 else []
            assert len(spellings) >= 2
            for number, spelling in enumerate(spellings):
                event = {"id": f"{system}-{code}-{number}", "system": system, "code": spelling}
                assert exporter.post(event).json["accepted"] == 1, event
            posted += len(spellings)
            labels = {"system": system, "code": code}
            if row["phase"]:
                labels["phase"] = row["phase"].lower().replace("-", "_").replace(" ", "_")
            if row["section"]:
                labels["category"] = SECTIONS[row["section"].partition(" (")[0]]
            assert exporter.total("session_ends_total", **labels) == len(spellings), labels
        assert exporter.total("session_ends_total") == posted
