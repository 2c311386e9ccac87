"""Runbooks in Markdown: a page for each code and each other alert, and an index of all alerts."""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final

from exporter.render.catalog import PAGE, Subject
from exporter.render.pack import Pack
from exporter.render.page import Diagnosis, RunbookPage, page_of, page_of_alert
from exporter.render.rule import COMMAND, MARK
from exporter.runbooks.loader import load
from exporter.taxonomy.model import Code

__all__ = ["FOLDER", "INDEX", "files", "page_of", "place_of"]

FOLDER: Final = "rules/runbooks"
INDEX: Final = f"{FOLDER}/README.md"
SECTIONS: Final = ("Meaning", "Impact", "Diagnosis", "Mitigation")
_NOTICE: Final = (
    f"<!-- {MARK}: written by `{COMMAND}` from exporter/taxonomy/*.yaml, exporter/runbooks/*.yaml and "
    "exporter/policy.yaml. -->"
)
_SEVERITIES: Final = {True: "It wakes on-call.", False: "It opens a ticket."}


def files(pack: Pack) -> dict[str, str]:
    """Texts by path: `{system}/{code}.md` for every code, those without alerts among them,
    `{Alert}.md` for every other alert, and `README.md`, which finds the page of an alert."""
    texts = {INDEX: _index(pack)}
    for system in pack.taxonomy.systems.values():
        for code in (*system.codes, system.unknown):
            texts[_code_path(code)] = _code_page(pack, code)
    for subject in pack.subjects:
        if subject.code is None:
            texts[_alert_path(subject)] = _alert_page(pack, subject)
    return texts


def place_of(subject: Subject) -> str:
    """Page and heading of an alert, relative to the folder: `streampixel/4001.md#streampixel…spike`."""
    path = _alert_path(subject) if subject.code is None else _code_path(subject.code)
    return f"{path.removeprefix(FOLDER + '/')}#{subject.alert.lower()}"


def _code_path(code: Code) -> str:
    return f"{FOLDER}/{code.system}/{code.code}.md"


def _alert_path(subject: Subject) -> str:
    return f"{FOLDER}/{subject.alert}.md"


def _code_page(pack: Pack, code: Code) -> str:
    subjects = [one for one in pack.subjects if one.code == code]
    signals = load(pack.taxonomy).signals
    alerts = [(one, signals[one.signal]) for one in subjects]
    return _page(pack, page_of(pack.taxonomy, pack.policy, code.system, code.code), alerts)


def _alert_page(pack: Pack, subject: Subject) -> str:
    page = page_of_alert(pack.taxonomy, pack.policy, subject)
    return _page(pack, page, [(subject, "")])


def _page(pack: Pack, page: RunbookPage, alerts: list[tuple[Subject, str]]) -> str:
    blocks = [_NOTICE, f"# {_text(page.title)}", f"**First:** {_text(page.first)}"]
    if alerts:
        blocks.append(f"[Dashboard]({_target(pack.dashboard_url(alerts[0][0]))})")
    sections = (
        (*map(_text, page.meaning), *_alerts(alerts)),
        map(_text, page.impact),
        _diagnoses(page),
        [_numbered(page.mitigation)],
    )
    for name, inner in zip(SECTIONS, sections, strict=True):
        blocks += [f"## {name}", *inner]
    return "\n\n".join(blocks) + "\n"


def _alerts(alerts: Iterable[tuple[Subject, str]]) -> Iterator[str]:
    for subject, text in alerts:
        yield f"### {subject.alert}"
        yield f"{_SEVERITIES[subject.severity == PAGE]} {_text(text)}".rstrip()


def _diagnoses(page: RunbookPage) -> Iterator[str]:
    for number, one in enumerate(page.diagnosis, start=1):
        yield f"### {number}. {_text(one.title)}"
        yield from _diagnosis(one)
    if page.checks:
        yield "### Look up outside Prometheus"
        yield "\n".join(f"- {_text(check)}" for check in page.checks)


def _diagnosis(one: Diagnosis) -> Iterator[str]:
    yield from (f"```promql\n{query}\n```" for query in one.queries)
    yield "\n".join(f"- **{_text(seen)}**: {_text(points)}" for seen, points in one.answers)


def _numbered(texts: Iterable[str]) -> str:
    return "\n".join(f"{number}. {_text(text)}" for number, text in enumerate(texts, start=1))


def _index(pack: Pack) -> str:
    blocks = [_NOTICE, "# Runbooks", "Find the alert's name, open its page, begin with **First**."]
    for title, subjects in groupby(pack.subjects, _owner):
        blocks.append(f"## {_text(title)}")
        lines = ["| alert | about | severity |", "|---|---|---|"]
        lines += [
            f"| [{one.alert}]({_target(place_of(one))}) | {_about(one)} | {one.severity} |"
            for one in subjects
        ]
        blocks.append("\n".join(lines))
    blocks.append("## Codes without alerts")
    blocks.append("\n".join(_silent(pack)) or "None.")
    return "\n\n".join(blocks) + "\n"


def _silent(pack: Pack) -> Iterator[str]:
    alerted = {one.code for one in pack.subjects}
    for system in pack.taxonomy.systems.values():
        for code in system.codes:
            if code not in alerted:
                path = _code_path(code).removeprefix(FOLDER + "/")
                title = f"{system.title} {code.code}: {code.name}"
                yield f"- [{_text(title)}]({_target(path)})"


def _owner(subject: Subject) -> str:
    return subject.system.title if subject.system else "The exporter itself"


def _about(subject: Subject) -> str:
    if subject.code is None:
        return subject.signal
    return _text(f"{subject.code.code} {subject.code.name}")


def _text(text: str) -> str:
    """Text as one line that Markdown shows as it is: no markup, no HTML, no link, no new block."""
    line = " ".join(text.split())
    line = re.sub(r"([\\`*\[\]<>|~&$!])", r"\\\1", line)
    # Inside a word an underscore is only an underscore: dedup_window_ids.
    line = re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", line)
    # GitHub makes links of bare addresses.
    line = re.sub(r"(?i)(:)(?=//)|(?<=\bwww)(\.)", r"\\\1\2", line)
    line = re.sub(r"^(\d+)([.)])", r"\1\\\2", line)
    return re.sub(r"^([-+=#:])", r"\\\1", line)


def _target(url: str) -> str:
    """A link's target in the form that may hold brackets."""
    return "<" + re.sub(r"[\s<>\\]", lambda found: f"%{ord(found[0]):02X}", url) + ">"
