"""Runbooks in Markdown: each alert finds its page, and nothing in a taxonomy breaks a page."""

import re
from dataclasses import replace

import pytest

from exporter.render.catalog import Subject
from exporter.render.runbooks import FOLDER, INDEX, SECTIONS, files, place_of
from exporter.runbooks.loader import load as load_library
from exporter.taxonomy.model import Owner, Phase
from tests.render.runbook_pages import (
    FILES,
    PACK,
    PAGES,
    fences,
    headings,
    only,
    own_system,
    pack_of,
    page,
    row,
    sections,
    shown,
    tokens,
    with_code,
)


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


def test_a_page_names_the_severity_of_each_of_its_alerts() -> None:
    meaning = sections(page("streampixel", "4001"))["Meaning"]
    assert "### StreampixelNoWorkerNodeAvailableSpike\n\nIt wakes on-call." in meaning
    assert "### StreampixelNoWorkerNodeAvailableNew\n\nIt opens a ticket." in meaning


def test_a_planned_code_has_overrun_on_its_page_and_no_spike() -> None:
    found = headings(page("softdrive", "13"), 3)
    assert "SoftdriveServerRestartOverrun" in found
    assert "SoftdriveServerRestartSpike" not in found


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
