"""Files of systems with a mistake, and the line and rule that the loader reports."""

import re
from pathlib import Path

TESTDATA = Path(__file__).parents[1] / "testdata" / "taxonomy"
VALID = (TESTDATA / "valid.yaml").read_text(encoding="utf-8")
EDITS = {
    "category": (
        "category: network",
        "category: weather",
        "24: code '07' category: must be one of closure, network",
    ),
    "causes-too-long": (
        "A bad cable",
        "é" * 500,
        "29: code '07' causes: must have at most 1000 bytes",
    ),
    "code-in-path": (
        '- code: "07"',
        "- code: a/b",
        "20: code 'a/b' code: must have letters, digits, '.', '_' and '-', starting with a letter or digit",
    ),
    "code-not-a-mapping": (
        "fix: Replace the cable.",
        'fix: Replace the cable.\n  - "08"',
        "31: codes[3]: must be a mapping of keys",
    ),
    "control-character": ("Acme", "Ac\x07me", "2: is not YAML: character '\\x07'"),
    "duplicate-key": (
        "title: Acme",
        "title: Acme\ntitle: Apex",
        "3: key 'title' is written twice",
    ),
    "empty-text": (
        "fix: Replace the cable.",
        'fix: ""',
        "30: code '07' fix: must be a text that is not empty, without invisible characters",
    ),
    "key-not-text": (
        "title: Acme",
        "title: Acme\n[colour]: red",
        "3: ?: no such key",
    ),
    "key-twice-in-code": (
        "fix: Replace the cable.",
        "fix: Replace the cable.\n    fix: Nothing.",
        "31: key 'fix' is written twice",
    ),
    "missing-code": (
        '- code: "07"\n    name',
        "- name",
        "20: codes[2] code: is required",
    ),
    "normal-not-success": (
        "normal: ok",
        'normal: "07"',
        "25: code '07' outcome: must be success for the normal end",
    ),
    "missing-key": (
        "    fix: Replace the cable.\n",
        "",
        "20: code '07' fix: is required",
    ),
    "not-yaml": ("title: Acme", "title: [Acme", "3: is not YAML: did not find expected ',' or ']'"),
    "objective": (
        "normal: ok",
        "normal: ok\nobjective: 99.5",
        "6: objective: must be less than 1",
    ),
    "planned": (
        "severity: ticket",
        "severity: ticket\n    planned: sometimes",
        "28: code '07' planned: must be a valid boolean",
    ),
    "reserved-alias": (
        "[link down]",
        "[unknown]",
        "22: code '07' aliases[1]: 'unknown' is reserved for undocumented codes",
    ),
    "reserved-category": (
        "network: Network",
        "network: Network\n  unknown: Others",
        "9: categories unknown: 'unknown' is reserved for undocumented codes",
    ),
    "shared-spelling": (
        "aliases: [link down",
        "aliases: [error ok",
        "22: this spelling of code '07' also means code 'ok' (FILE:10); remove it from one of the two",
    ),
    "unknown-tag": (
        "fix: Replace the cable.",
        "fix: !secret cable",
        "30: code '07' fix: must be text in quotes",
    ),
    "unprintable": (
        "LinkLost",
        '"Link\\u202eLost"',
        "21: code '07' name: must be one line that is not empty, without invisible characters",
    ),
}
"""A text in valid.yaml, its replacement, and the mistake. FILE stands for the path."""
FILES = {path.stem.removeprefix("invalid-"): path for path in TESTDATA.glob("invalid-*.yaml")}
"""Files with more differences. The comments at the end of a file are its mistakes."""
KINDS = sorted([*EDITS, *FILES])


def invalid(kind: str, folder: Path) -> tuple[Path, list[str]]:
    """A file with this kind of mistake, possibly written to the folder, and its mistakes."""
    if path := FILES.get(kind):
        text = path.read_text(encoding="utf-8", errors="replace")
        mistakes = re.findall(r"^# (\d+: .*)$", text, re.MULTILINE)
        return path, [mistake.replace("FILE", str(path)) for mistake in mistakes]
    old, new, mistake = EDITS[kind]
    assert VALID.count(old) == 1, kind
    path = folder / f"{kind}.yaml"
    path.write_text(VALID.replace(old, new), encoding="utf-8")
    return path, [mistake.replace("FILE", str(path))]
