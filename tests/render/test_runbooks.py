"""Runbooks: each alert finds its page, each page says what to do, and nothing in it breaks the page."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from exporter import names
from exporter.policy.loader import load as load_policy
from exporter.render import recording
from exporter.render.catalog import Subject, subjects
from exporter.render.pack import DASHBOARD_BASE_URL, RUNBOOK_BASE_URL, Pack
from exporter.render.queries import BUILDERS, SCRAPE_DURATION, UP
from exporter.render.runbooks import FOLDER, INDEX, SECTIONS, files, page_of, place_of
from exporter.runbooks.loader import load as load_library
from exporter.taxonomy.loader import load
from exporter.taxonomy.model import Code, Owner, Phase, Taxonomy

POLICY = load_policy()
WORDS_OF_PROMQL = {
    "offset",
    "on",
    "by",
    "without",
    "group_left",
    "group_right",
    "and",
    "or",
    "unless",
}


def pack_of(taxonomy: Taxonomy) -> Pack:
    found = tuple(subjects(taxonomy, POLICY.planned))
    return Pack(taxonomy, POLICY, found, RUNBOOK_BASE_URL, DASHBOARD_BASE_URL)


TAXONOMY = load()
PACK = pack_of(TAXONOMY)
FILES = files(PACK)
PAGES = {path: text for path, text in FILES.items() if path != INDEX}


def tokens(text: str) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(text)


def headings(text: str, level: int) -> list[str]:
    parsed = tokens(text)
    return [
        parsed[place + 1].content
        for place, token in enumerate(parsed)
        if token.type == "heading_open" and token.tag == f"h{level}"
    ]


def fences(text: str) -> list[str]:
    return [token.content for token in tokens(text) if token.type == "fence"]


def shown(text: str) -> str:
    """What a reader sees of the text outside of code blocks."""
    return " ".join(
        "".join(part.content for part in token.children or ())
        for token in tokens(text)
        if token.type == "inline"
    )


def sections(text: str) -> dict[str, str]:
    parts = re.split(r"^## (.*)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def page(system: str, code: str) -> str:
    return FILES[f"{FOLDER}/{system}/{code}.md"]


def with_code(code: Code, system: str = "streampixel") -> Taxonomy:
    """The shipped taxonomy with one row of a system replaced."""
    systems = dict(TAXONOMY.systems)
    codes = tuple(code if row.code == code.code else row for row in systems[system].codes)
    systems[system] = replace(systems[system], codes=codes)
    return Taxonomy(systems)


def own_system(code: Code) -> Taxonomy:
    """The shipped taxonomy and a user's own system `acme` with this code and no other."""
    systems = dict(TAXONOMY.systems)
    code = replace(code, system="acme")
    unknown = replace(systems["streampixel"].unknown, system="acme")
    systems["acme"] = replace(
        systems["streampixel"], system="acme", title="Acme", codes=(code,), unknown=unknown
    )
    return Taxonomy(systems)


def only(taxonomy: Taxonomy, system: str) -> Taxonomy:
    return Taxonomy({system: taxonomy.systems[system]})


def row(code: str, system: str = "streampixel") -> Code:
    return next(one for one in TAXONOMY.systems[system].codes if one.code == code)


# --- alerts and pages ---------------------------------------------------------------------------


@pytest.mark.parametrize("subject", PACK.subjects, ids=lambda subject: subject.alert)
def test_every_alert_has_a_heading_on_its_page_and_a_line_in_the_index(subject: Subject) -> None:
    path, _, anchor = place_of(subject).partition("#")
    found = headings(FILES[f"{FOLDER}/{path}"], 3)
    assert found.count(subject.alert) == 1
    assert subject.alert.lower() == anchor
    assert FILES[INDEX].count(f"[{subject.alert}](<{path}#{anchor}>)") == 1


def test_every_alert_that_a_page_or_the_index_names_is_in_the_catalog() -> None:
    prefix = "|".join(("Softdrive", "Streampixel", "SessionEndExporter"))
    named = {
        heading
        for text in PAGES.values()
        for heading in headings(text, 3)
        if re.fullmatch(rf"({prefix})[A-Za-z0-9]+", heading)
    }
    indexed = set(re.findall(r"^\| \[(\w+)\]", FILES[INDEX], re.MULTILINE))
    assert named == indexed == {subject.alert for subject in PACK.subjects}


def test_there_is_a_page_for_every_code_and_every_other_alert_and_no_other() -> None:
    codes = {
        f"{FOLDER}/{system.system}/{code.code}.md"
        for system in PACK.taxonomy.systems.values()
        for code in (*system.codes, system.unknown)
    }
    alerts = {f"{FOLDER}/{one.alert}.md" for one in PACK.subjects if one.code is None}
    assert set(PAGES) == codes | alerts


def test_the_index_links_to_every_page_and_to_no_other() -> None:
    links = re.findall(r"\(<([^#>]+)(?:#\w+)?>\)", FILES[INDEX])
    assert {f"{FOLDER}/{link}" for link in links} == set(PAGES)


def test_rendering_twice_gives_the_same_bytes_headed_do_not_edit() -> None:
    assert files(PACK) == FILES
    assert all(text.startswith("<!-- DO NOT EDIT: written by `") for text in FILES.values())
    assert all(text.endswith("\n") and "\r" not in text for text in FILES.values())


# --- what a page holds -----------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_the_four_sections_in_order_and_none_is_empty(path: str) -> None:
    assert tuple(headings(PAGES[path], 2)) == SECTIONS
    assert all(len(text.split()) >= 5 for text in sections(PAGES[path]).values())


@pytest.mark.parametrize("path", PAGES)
def test_a_diagnosis_has_two_queries_at_least_and_each_question_has_answers(path: str) -> None:
    diagnosis = sections(PAGES[path])["Diagnosis"]
    assert len(fences(diagnosis)) >= 2
    for question in re.split(r"^### \d+\. ", diagnosis, flags=re.MULTILINE)[1:]:
        assert "```promql\n" in question
        assert len(re.findall(r"^- \*\*.+\*\*: ", question, re.MULTILINE)) >= 1


@pytest.mark.parametrize("path", PAGES)
def test_a_page_begins_with_the_first_thing_to_do(path: str) -> None:
    assert re.match(r"<!-- .* -->\n\n# .+\n\n\*\*First:\*\* .+\n", PAGES[path])


def test_promtool_reads_every_query(tmp_path: Path) -> None:
    found = sorted({query for text in PAGES.values() for query in fences(text)})
    rules = [{"record": f"runbook:{place}", "expr": query} for place, query in enumerate(found)]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "runbooks", "rules": rules}]}))
    done = subprocess.run(
        ["promtool", "check", "rules", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(found)} rules found" in done.stdout


def test_every_metric_that_a_query_names_is_one_of_ours_or_of_a_scrape() -> None:
    metrics = {value for key, value in vars(names).items() if key.isupper() and key[0] != "_"}
    metrics |= {f"{value}_bucket" for value in metrics if str(value).endswith("_seconds")}
    recorded = {
        rule.record
        for file in recording.files(PACK)
        for group in file.groups
        for rule in group.rules
    }
    named = {
        name for text in PAGES.values() for query in fences(text) for name in metrics_in(query)
    }
    assert named - recorded - metrics == {UP, SCRAPE_DURATION}
    assert {name for name in named if ":" in name} <= recorded


def metrics_in(query: str) -> set[str]:
    """The metric names of a query: words that are no function, label, duration, comment or string."""
    bare = re.sub(r"#.*|\"(\\.|[^\"\\])*\"", "", query)
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]", " ", bare)
    bare = re.sub(r"\b(by|without|on|group_left)\s*\([^)]*\)", " ", bare)
    words = re.findall(r"(?<![\w:])[A-Za-z_:][\w:]*(?![\w:]|\s*\()", bare)
    return set(words) - WORDS_OF_PROMQL - {"sum", "max", "count", "topk"}


@pytest.mark.parametrize(
    "path", [path for path in PAGES if path.count("/") == 3], ids=lambda path: path
)
def test_queries_ask_about_the_code_whose_page_it_is(path: str) -> None:
    system, code = path.removesuffix(".md").split("/")[2:]
    asked = [query for query in fences(PAGES[path]) if 'system="' in query]
    assert asked
    assert all(f'system="{system}"' in query for query in asked)
    if code not in ("none", "1000"):
        assert sum(f'code="{code}"' in query for query in asked) >= 4


def test_every_question_of_the_yaml_has_a_query_and_the_reverse() -> None:
    assert set(load_library(TAXONOMY).questions) == set(BUILDERS)


def test_every_question_is_asked_on_some_page() -> None:
    library = load_library(TAXONOMY)
    every = "\n".join(PAGES.values())
    assert [key for key, one in library.questions.items() if f". {one.title}\n" not in every] == []


# --- what it says ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    [code for system in TAXONOMY.systems.values() for code in system.codes],
    ids=lambda code: f"{code.system}-{code.code}",
)
def test_a_page_says_what_the_alert_does_not(code: Code) -> None:
    said = page_of(PACK.taxonomy, POLICY, code.system, code.code)
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
    said = page_of(PACK.taxonomy, POLICY, system, code)
    ours = " ".join((said.first, *said.impact, *said.checks, *said.mitigation))
    ours += " ".join(f"{seen}: {points}" for one in said.diagnosis for seen, points in one.answers)
    assert [phrase for phrase in phrases if phrase not in ours] == []


def test_a_page_names_the_severity_of_each_of_its_alerts() -> None:
    meaning = sections(page("streampixel", "4001"))["Meaning"]
    assert "### StreampixelNoWorkerNodeAvailableSpike\n\nIt wakes on-call." in meaning
    assert "### StreampixelNoWorkerNodeAvailableNew\n\nIt opens a ticket." in meaning


def test_a_planned_code_has_overrun_on_its_page_and_no_spike() -> None:
    found = headings(page("softdrive", "13"), 3)
    assert "SoftdriveServerRestartOverrun" in found
    assert "SoftdriveServerRestartSpike" not in found


# --- other people's taxonomies -----------------------------------------------------------------------


@pytest.mark.parametrize("owner", Owner)
@pytest.mark.parametrize("phase", Phase)
def test_a_users_own_code_gets_a_page_by_owner_and_phase(owner: Owner, phase: Phase) -> None:
    code = replace(row("4001"), code="E-7.1", name="Boom", owner=owner, phase=phase.value)
    pack = pack_of(only(own_system(code), "acme"))
    text = files(pack)[f"{FOLDER}/acme/E-7.1.md"]
    assert tuple(headings(text, 2)) == SECTIONS
    assert len(fences(sections(text)["Diagnosis"])) >= 6
    library = load_library(pack.taxonomy)
    said = shown(text)
    assert library.owners[owner].first in said
    assert library.phases[phase] in said
    assert code.fix in said
    assert 'system="acme", code="E-7.1"' in text
    assert "softdrive" not in text
    assert "AcmeBoomSpike" in headings(text, 3)


def test_a_users_own_system_has_stopped_and_budget_pages_and_an_unknown_one() -> None:
    texts = files(pack_of(own_system(row("4001"))))
    assert {f"{FOLDER}/AcmeStopped.md", f"{FOLDER}/AcmeBudget.md"} <= set(texts)
    assert 'system="acme"' in texts[f"{FOLDER}/AcmeStopped.md"]
    assert "/api/unknown-codes" in texts[f"{FOLDER}/acme/unknown.md"]


HOSTILE = (
    "](https://evil.example) [x](https://evil.example)",
    "```\n\n# Owned\n\n```promql\nup",
    "`code` **bold** _em_ ~~gone~~ ![i](x)",
    "<script>alert(1)</script> --> <!-- <img src=x onerror=alert(1)>",
    "a | b | c \\| d",
    "# Owned",
    "- item",
    "+ item",
    "1. item",
    "=====",
    "---",
    "> quote",
    "[ref]: https://evil.example",
    "&lt;b&gt; &#60;",
    "ends with a backslash \\",
    "    indented",
)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_text_of_a_taxonomy_is_shown_as_it_is_and_is_never_markup(hostile: str) -> None:
    plain = replace(row("4001"), name="x", description="x", causes="x")
    evil = replace(row("4001"), name=hostile, description=hostile, causes=hostile)
    before, after = (files(pack_of(only(with_code(code), "streampixel"))) for code in (plain, evil))
    path = f"{FOLDER}/streampixel/4001.md"
    for one in (path, INDEX):
        assert shape(before[one]) == shape(after[one])
    assert shown(after[path]).count(" ".join(hostile.split())) == 3


@pytest.mark.parametrize("hostile", HOSTILE)
def test_advice_of_a_users_own_system_is_never_markup(hostile: str) -> None:
    path = f"{FOLDER}/acme/4001.md"
    plain, evil = (
        files(pack_of(only(own_system(replace(row("4001"), fix=fix)), "acme")))[path]
        for fix in ("x", hostile)
    )
    assert shape(plain) == shape(evil)


def test_bare_addresses_do_not_become_links() -> None:
    taxonomy = with_code(
        replace(row("4001"), description="See http://evil.example, www.evil.example")
    )
    text = files(pack_of(taxonomy))[f"{FOLDER}/streampixel/4001.md"]
    assert "http://evil" not in text
    assert "www.evil" not in text
    assert "See http://evil.example, www.evil.example" in shown(text)


def test_a_dashboards_address_cannot_leave_its_link() -> None:
    pack = replace(PACK, dashboard_base_url="https://g.example/a)b> <script>\n# Owned")
    text = files(pack)[f"{FOLDER}/streampixel/4001.md"]
    assert [kind for kind, _ in shape(text)] == [
        kind for kind, _ in shape(page("streampixel", "4001"))
    ]


def shape(text: str) -> list[tuple[str, tuple[str, ...]]]:
    """A page's blocks and the markup inside them, without the text."""
    return [
        (
            token.type,
            tuple(
                part.type
                for part in token.children or ()
                if part.type != "text_special" and part.type != "text"
            ),
        )
        for token in tokens(text)
    ]
