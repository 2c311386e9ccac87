"""The rendered runbooks of the shipped taxonomy and of changed ones, and what is in a page of Markdown."""

import re
from dataclasses import replace

from markdown_it import MarkdownIt
from markdown_it.token import Token

from exporter.policy.loader import load as load_policy
from exporter.render.catalog import subjects
from exporter.render.pack import DASHBOARD_BASE_URL, RUNBOOK_BASE_URL, Pack
from exporter.render.runbooks import FOLDER, INDEX, files
from exporter.taxonomy.loader import load
from exporter.taxonomy.model import Code, Taxonomy

POLICY = load_policy()


def pack_of(taxonomy: Taxonomy) -> Pack:
    found = subjects(taxonomy, POLICY.queued)
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
