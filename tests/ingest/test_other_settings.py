"""Row 36 of the fault table: an event sent again under other settings is a duplicate."""

from pathlib import Path

from exporter.ingest.classify import Classified, Classifier
from exporter.ingest.labels import LabelValues
from exporter.taxonomy.loader import load
from tests.e2e.exporter_process import ROOT
from tests.ingest.conftest import MAX_AGE, MAX_SKEW, classify
from tests.ingest.memory_ledger import keys_and_fingerprints

ACME = (ROOT / "tests/testdata/taxonomy/valid.yaml").read_text()
NEW_CODE = """\
  - {code: "99", name: OutOfRoom, aliases: [link down], phase: connect, category: network, outcome: failure,
     owner: nobody, severity: none, description: A test., causes: A test., fix: A test.}
"""
UPGRADED = (
    ACME.replace("link down", "no link")
    .replace("phase: keep_alive", "phase: connect")
    .replace("category: network\n    outcome: failure", "category: closure\n    outcome: neutral")
    + NEW_CODE
)
EVENTS = [
    {
        "system": "acme",
        "code": code,
        "session_id": f"s-{number}",
        "occurred_at": "2026-11-20T19:00:00Z",
        "final": number % 5 != 0,
        "labels": {"region": f"r{number % 4}", "project": f"p{number % 3}"} if number % 3 else None,
        **({"id": f"e-{number}"} if number % 2 else {}),
    }
    for number, code in enumerate(4 * ["ok", "07", 7, "link down", "99", "Never Heard Of", None])
]


def test_keys_and_fingerprints_do_not_depend_on_taxonomy_and_labels(tmp_path: Path) -> None:
    """An upgrade changes phase, category and outcome of 07, moves an alias and adds a code."""

    def classified(name: str, text: str, label: str) -> Classified:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "acme.yaml").write_text(text)
        labels = LabelValues((label,), 2, 32)
        return classify(Classifier(load([folder]), labels, MAX_AGE, MAX_SKEW), *EVENTS)

    old, new = classified("old", ACME, "region"), classified("new", UPGRADED, "project")
    assert old.rejected == new.rejected == []
    assert [each.key for each in old.batch.series] != [each.key for each in new.batch.series]
    assert keys_and_fingerprints(old.batch) == keys_and_fingerprints(new.batch)
