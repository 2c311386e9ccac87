"""The shipped runbook files: their texts and queries; and the files of an operator."""

import html
import re
from functools import cache
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt

from exporter import names, runbooks
from exporter.errors import REFUSED_REASONS, REJECTED_REASONS
from exporter.rule_files import alerts
from exporter.runbooks import QueryLinks, Rendered, render
from exporter.taxonomy.loader import load
from tests import rule_groups
from tests.dashboards.shipped import metrics
from tests.programs import output
from tests.taxonomy.test_loader import VALID

TAXONOMY = load()
SHIPPED = runbooks.SHIPPED
CODES = [(system, code) for system in TAXONOMY.systems.values() for code in system.codes]
SECTIONS = ["Meaning", "Impact", "Mitigation", "Diagnosis"]
PAGES = sorted({*SHIPPED.rglob("*.md")} - {SHIPPED / "diagnosis.md"})


def words(text: str) -> set[str]:
    return {word for word in re.findall(r"[a-z0-9]+", text.lower()) if len(word) > 3}


def test_every_code_and_alert_has_a_file() -> None:
    """No other files exist."""
    expected = {runbooks.file_of_code(system, code) for system, code in CODES}
    expected |= {runbooks.file_of_code(system, system.unknown) for system, _ in CODES}
    expected |= {runbooks.file_of_alert(alert.name) for alert in alerts()}
    assert expected == {*PAGES} - {SHIPPED / "default.md"}


def test_file_has_a_first_action_and_the_sections() -> None:
    for path in PAGES:
        text = path.read_text()
        first, *sections = re.split(r"^## ", text, flags=re.MULTILINE)
        assert [section.partition("\n")[0] for section in sections] == SECTIONS, path
        assert len(MarkdownIt().parse(first)) == 3, f"{path}: the first action is one paragraph"
        assert len(first.split()) <= 55, path
        assert re.search(r"^1\. ", sections[2], re.MULTILINE), f"{path}: no numbered mitigation"
        assert "```promql" in sections[3], path
        assert len(re.findall(r"\S*\w\S*", text)) <= 300, path


def test_links_of_the_files_exist() -> None:
    paths = {code.runbook for _, code in CODES}
    paths |= {f"/alerts/{alert.name}" for alert in alerts()} | {"/codes", "/api/unknown-codes"}
    for path in SHIPPED.rglob("*.md"):
        assert set(re.findall(r"\]\(([^)]*)\)", path.read_text())) <= paths, path


def test_runbook_has_more_words_than_the_notification() -> None:
    for system, code in CODES:
        path = runbooks.file_of_code(system, code)
        assert path is not None
        text = words(path.read_text().partition("## Diagnosis")[0])
        assert len(text - words(f"{code.description} {code.causes} {code.fix}")) >= 25, path


UDP = ("TCP 9260 and 443", "9250–9254", "58000–59000", "both ways", "EDR", "VPN", "another network")


@pytest.mark.parametrize(
    ("path", "phrases"),
    [
        ("streampixel/1005", ("retries after 5 s", "60 s", "4007")),
        ("streampixel/1006", ("retries after 5 s", "60 s", "4007", "WebRTC")),
        ("streampixel/4000", ("Project Inactive", "dashboard")),
        (
            "streampixel/4001",
            (
                "account includes 2 concurrent users and 1 project slot",
                "bought on the Capacity page and apply at once",
                "*fixed*",
                "even while the account has spare capacity",
                "*dynamic*",
                "minimum, which may be 0",
                "beyond the account's project slots",
                "Worker Node Unavailable",
            ),
        ),
        ("streampixel/4004", ("30 minutes", "1 to 1440", "no documented code", "AFK timeout")),
        ("streampixel/4005", ("No streamer connected", "worker did not register")),
        ("streampixel/4007", ("1005 and 1006 only", "retries after 5 s", "60 s")),
        ("softdrive/03", UDP),
        ("softdrive/04", (*UDP[1:], "9260 and 443")),
        ("softdrive/08", ("primary monitor", "mixed resolutions", "restart the PC")),
        ("softdrive/11", (*UDP[1:], "9260 and 443")),
        ("softdrive/13", ("maintenance", "1 to 3 minutes")),
        ("softdrive/15", ("SSO", "identity provider")),
        ("softdrive/18", ("powered on", "DNS", "firewall")),
        ("softdrive/19", UDP),
        ("softdrive/502", ("not to retry in a hurry", "organization and a screenshot")),
        ("softdrive/guest_agent", ("Restart the VM", "update the guest agent", "its template")),
    ],
)
def test_runbook_has_the_vendors_facts(path: str, phrases: tuple[str, ...]) -> None:
    text = " ".join((SHIPPED / f"{path}.md").read_text().split())
    assert [phrase for phrase in phrases if phrase not in text] == []


def test_runbooks_name_every_reason_of_a_refusal_and_existing_reasons_of_rejections() -> None:
    text = runbooks.file_of_alert("SessionEndExporterRequestsRefused").read_text()
    rows = re.findall(r"^\| (`.*?`) \|", text, re.MULTILINE)
    assert sorted(", ".join(rows).split(", ")) == sorted(f"`{each}`" for each in REFUSED_REASONS)
    text = runbooks.file_of_alert("SessionEndExporterEventsRejected").read_text()
    named = re.findall(r"^\d\. `(\w+)`", text, re.MULTILINE)
    assert len(named) == 3
    assert set(named) <= set(REJECTED_REASONS)


def queries(*runbooks: Rendered) -> list[str]:
    text = "".join(runbook.first + runbook.rest for runbook in runbooks)
    codes = re.findall(r'<code id="[\w-]+">(.*?)</code>', text, re.DOTALL)
    return [html.unescape(code) for code in codes]


@cache
def of_codes() -> dict[tuple[str, str], list[str]]:
    """The queries by system and code."""
    return {
        (code.system, code.code): queries(*runbooks.of_code(system, code, (), QueryLinks()))
        for system in TAXONOMY.systems.values()
        for code in system.all_codes
    }


@cache
def all_queries() -> list[str]:
    default = (SHIPPED / "default.md").read_text()
    of_default = queries(render(default, {"system": "acme", "code": "07"}, QueryLinks()))
    of_alerts = (queries(runbooks.of_alert(alert.name, QueryLinks())) for alert in alerts())
    return sorted({*of_default}.union(*of_codes().values(), *of_alerts))


OF_PROMETHEUS = {
    *("up", "scrape_duration_seconds", "ALERTS"),
    *("alertmanager_notifications_failed_total", "prometheus_notifications_errors_total"),
}


def test_promtool_accepts_every_query(tmp_path: Path) -> None:
    rules = [{"record": f"runbook:{i}", "expr": query} for i, query in enumerate(all_queries())]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "runbooks", "rules": rules}]}))
    assert f"{len(rules)} rules found" in output("promtool", "check", "rules", path)


def test_every_metric_of_a_query_exists() -> None:
    known = {value for key, value in vars(names).items() if key.isupper() and key[0] != "_"}
    known |= {f"{value}_bucket" for value in known if str(value).endswith("_seconds")}
    known |= rule_groups.recording().keys()
    used = set().union(*map(metrics, all_queries()))
    assert len(used) > 25
    assert used - known == OF_PROMETHEUS


def test_queries_select_their_system() -> None:
    assert [query for query in all_queries() if "{system}" in query or "{code}" in query] == []
    for (system, _), queries_of_code in of_codes().items():
        assert {*re.findall(r'system="([^"]*)"', " ".join(queries_of_code))} == {system}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A taxonomy folder with the system `acme`."""
    (tmp_path / "acme.yaml").write_text(VALID)
    (tmp_path / "runbooks" / "acme").mkdir(parents=True)
    return tmp_path


def first_of(folder: Path, code: str) -> str:
    system = load([folder]).systems["acme"]
    (row,) = (row for row in system.all_codes if row.code == code)
    return runbooks.of_code(system, row, [folder], QueryLinks())[0].first


def test_code_without_a_file_shows_the_taxonomys_texts(folder: Path) -> None:
    system = load([folder]).systems["acme"]
    code = system.codes[1]
    own, shared = runbooks.of_code(system, code, [folder], QueryLinks())
    for text in (code.description, code.causes, code.fix):
        assert text in own.first + own.rest
    assert f"system=&quot;acme&quot;, code=&quot;{code.code}&quot;" in shared.rest


def test_operators_file_overrides_the_shipped_file(folder: Path) -> None:
    assert "api/unknown-codes" in first_of(folder, "unknown")
    for code in ("07", "unknown"):
        (folder / "runbooks" / "acme" / f"{code}.md").write_text("Call Wile E. about {code}.\n")
        assert first_of(folder, code) == f"<p>Call Wile E. about {code}.</p>\n"
    later = folder / "later" / "runbooks" / "acme" / "07.md"
    later.parent.mkdir(parents=True)
    later.write_bytes("Café".encode("latin-1"))
    system = load([folder]).systems["acme"]
    assert runbooks.file_of_code(system, system.codes[1], [folder, folder / "later"]) == later
    own, _ = runbooks.of_code(system, system.codes[1], [folder / "later"], QueryLinks())
    assert own.first == "<p>Caf\ufffd</p>\n"


def test_check_warns_about_a_file_without_a_code(folder: Path) -> None:
    misspelled = folder / "runbooks" / "acme" / "99.md"
    for path in (misspelled, misspelled.with_name("07.md")):
        path.write_text("Call Wile E.\n")
    assert list(runbooks.warnings(load([folder]), [folder])) == [
        f"{misspelled}: no code has this runbook; the name is runbooks/<system>/<code>.md"
    ]
