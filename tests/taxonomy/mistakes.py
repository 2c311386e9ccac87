"""Files of systems with a mistake, and the line and rule that the loader reports."""

import re
from pathlib import Path

TESTDATA = Path(__file__).parents[1] / "testdata" / "taxonomy"
VALID = (TESTDATA / "valid.yaml").read_text(encoding="utf-8")
EDITS = {
    "category": (
        "category: network",
        "category: weather",
        "24: category 'weather' in code '07' is not allowed; allowed are closure, network",
    ),
    "causes-too-long": (
        "A bad cable",
        "é" * 500,
        "29: causes in code '07' has 1001 bytes; allowed are 1000",
    ),
    "code-in-path": (
        '- code: "07"',
        "- code: a/b",
        "20: code 'a/b' can't be part of a path; allowed are letters, digits, '.', '_' and "
        "'-', starting with a letter or digit",
    ),
    "code-not-a-mapping": (
        "fix: Replace the cable.",
        'fix: Replace the cable.\n  - "08"',
        "31: codes[3] must be a mapping of keys, not a single value",
    ),
    "code-too-long": (
        '"07"',
        '"' + 65 * "7" + '"',
        "20: code '7777777777777777777777777777777777777777' in codes[2] has 65 characters; "
        "allowed are 64",
    ),
    "control-character": ("Acme", "Ac\x07me", "2: is not YAML: character '\\x07'"),
    "duplicate-alias": (
        "[link down]",
        "[link down, Link-Down]",
        "22: alias 'Link-Down' in code '07' is written twice, first on line 22",
    ),
    "duplicate-key": (
        "title: Acme",
        "title: Acme\ntitle: Apex",
        "3: key 'title' is in the system twice, first on line 2",
    ),
    "empty-text": ("fix: Replace the cable.", 'fix: ""', "30: fix in code '07' is empty"),
    "key-not-text": (
        "title: Acme",
        "title: Acme\n[colour]: red",
        "3: a key in the system must be one text, not a list",
    ),
    "missing-code": (
        '- code: "07"\n    name',
        "- name",
        "20: key 'code' is missing in codes[2]; required are code, name, phase, category, "
        "outcome, owner, severity, description, causes, fix",
    ),
    "normal-not-success": (
        "normal: ok",
        'normal: "07"',
        "5: normal '07' has outcome 'failure'; the normal end must have outcome 'success'",
    ),
    "missing-key": (
        "    fix: Replace the cable.\n",
        "",
        "20: key 'fix' is missing in code '07'; required are code, name, phase, category, outcome, owner, "
        "severity, description, causes, fix",
    ),
    "not-yaml": ("title: Acme", "title: [Acme", "3: is not YAML: did not find expected ',' or ']'"),
    "objective": (
        "normal: ok",
        "normal: ok\nobjective: 99.5",
        "6: objective in the system must be a number from 0, less than 1",
    ),
    "planned": (
        "severity: ticket",
        "severity: ticket\n    planned: sometimes",
        "28: planned in code '07' must be true or false",
    ),
    "reserved-alias": (
        "[link down]",
        "[unknown]",
        "22: alias 'unknown' in code '07' is reserved for undocumented codes",
    ),
    "reserved-category": (
        "network: Network",
        "network: Network\n  unknown: Others",
        "9: category 'unknown' is reserved for undocumented codes",
    ),
    "reserved-name": (
        "name: LinkLost",
        "name: Unknown",
        "21: name 'Unknown' in code '07' is reserved for undocumented codes",
    ),
    "shared-spelling": (
        "aliases: [link down",
        "aliases: [error ok, bye",
        "22: 'bye', 'error ok' would mean code '07' and code 'ok' (line 11); a spelling "
        "means one code: remove it from one of the two",
    ),
    "spike-floor": (
        "severity: ticket",
        "severity: ticket\n    spike_floor: -1",
        "28: spike_floor in code '07' must be a number from 0",
    ),
    "system-name": (
        "system: acme",
        "system: Acme Corp",
        "1: system 'Acme Corp' is not a system's name; allowed are lower-case letters, "
        "digits and _, starting with a letter",
    ),
    "text-is-a-list": (
        "fix: Replace the cable.",
        "fix: [Replace, the cable]",
        "30: fix in code '07' must be one text, not a list",
    ),
    "unprintable": (
        "LinkLost",
        '"Link\\u202eLost"',
        "21: name 'Link\\u202eLost' in code '07' has characters that can't be printed",
    ),
}
"""A text in valid.yaml, its replacement, and the mistake."""
FILES = {path.stem.removeprefix("invalid-"): path for path in TESTDATA.glob("invalid-*.yaml")}
"""Files with more differences. The comments at the end of a file are its mistakes."""
KINDS = sorted([*EDITS, *FILES])


def invalid(kind: str, folder: Path) -> tuple[Path, list[str]]:
    """A file with this kind of mistake, possibly written to the folder, and its mistakes."""
    if path := FILES.get(kind):
        text = path.read_text(encoding="utf-8", errors="replace")
        return path, re.findall(r"^# (\d+: .*)$", text, re.MULTILINE)
    old, new, mistake = EDITS[kind]
    assert VALID.count(old) == 1, kind
    path = folder / f"{kind}.yaml"
    path.write_text(VALID.replace(old, new), encoding="utf-8")
    return path, [mistake]
