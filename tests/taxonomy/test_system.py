"""Strict reading of a system's file: every mistake is reported with its line and rule."""

from pathlib import Path

import pytest

from exporter.taxonomy.loader import merge
from exporter.taxonomy.model import System
from exporter.taxonomy.system import read_system
from exporter.yaml_mapping import read

TESTDATA = Path(__file__).parents[1] / "testdata" / "taxonomy"
SYSTEM_KEYS = "system, title, source, phase_source, normal, categories, codes"
CODE_KEYS = "code, name, phase, category, outcome, owner, severity, description, causes, fix"
PHASES = "pre_session, connect, handshake, stream, keep_alive"
OWNERS = "customer_network, client, platform, capacity, application, policy, user, nobody"


def system_in(path: Path, mistakes: list[str]) -> System | None:
    document = read(path, "the system", mistakes)
    return None if document is None else read_system(document, merge(document, ()))


MESSAGES: dict[str, str] = {
    "alias-too-long": "22: aliases 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' in code '07' has 129 "
    "characters; allowed are 128",
    "category-name": "8: category 'Net-work' is not a category's name; allowed are lower-case letters, "
    "digits and _, starting with a letter",
    "category": "24: category 'weather' in code '07' is not allowed; allowed are closure, network",
    "code-in-path": "20: code 'a/b' can't be part of a path; allowed are letters, digits, '.', '_' and "
    "'-', starting with a letter or digit",
    "code-not-a-mapping": "31: codes[3] must be a mapping of keys, not a single value",
    "code-too-long": "20: code '7777777777777777777777777777777777777777' in codes[2] has 65 characters; "
    "allowed are 64",
    "codes-not-a-list": "9: codes in the system must be a list, not a single value",
    "control-character": "2: is not YAML: character '\\x07'",
    "duplicate-alias": "22: alias 'Link-Down' in code '07' is written twice, first on line 22",
    "duplicate-code": "20: code 'ok' is written twice, first on line 10",
    "duplicate-key-in-code": "31: key 'fix' is in codes[2] twice, first on line 30",
    "duplicate-key": "3: key 'title' is in the system twice, first on line 2",
    "empty-file": "1: the system must be a mapping of keys, not an empty file",
    "empty-text": "30: fix in code '07' is empty",
    "everything": (
        f"2: unknown key 'titel' in the system; allowed are {SYSTEM_KEYS}, objective\n"
        f"1: key 'title' is missing in the system; required are {SYSTEM_KEYS}\n"
        f"15: owner 'bob' in code 'ok' is not allowed; allowed are {OWNERS}\n"
        f"23: phase 'warm_up' in code '07' is not allowed; allowed are {PHASES}\n"
        "5: normal 'okay' is not a code of this file; its codes are ok, 07"
    ),
    "key-not-text": "3: a key in the system must be one text, not a list",
    "missing-code": f"20: key 'code' is missing in codes[2]; required are {CODE_KEYS}",
    "missing-key-in-code": f"20: key 'causes' is missing in code '07'; required are {CODE_KEYS}",
    "missing-key": f"1: key 'source' is missing in the system; required are {SYSTEM_KEYS}",
    "nested-too-deeply": "1: is nested deeper than 16 levels",
    "no-categories": "6: categories is empty",
    "no-codes": "9: codes in the system is empty",
    "no-normal": f"1: key 'normal' is missing in the system; required are {SYSTEM_KEYS}",
    "normal-not-a-code": "5: normal 'bye' is not a code of this file; its codes are ok, 07",
    "normal-not-success": "5: normal '07' has outcome 'failure'; the normal end must have outcome 'success'",
    "not-a-mapping": "1: the system must be a mapping of keys, not a list",
    "not-utf-8": "2: is not UTF-8: invalid continuation byte",
    "not-yaml": "3: is not YAML: did not find expected ',' or ']'",
    "null-text": "30: fix in code '07' is empty",
    "outcome": "25: outcome 'Failed' in code '07' is not allowed; allowed are success, neutral, failure",
    "owner": f"26: owner 'bob' in code '07' is not allowed; allowed are {OWNERS}",
    "padded-twin": "20: '7' would mean code '07' and code '7' "
    "(line 10); a spelling means one code: remove it from one of the two",
    "severity": "27: severity 'sometimes' in code '07' is not allowed; allowed are page, ticket, none",
    "spike-floor": "28: spike_floor in code '07' must be a number from 0",
    "objective": "6: objective in the system must be a number from 0, less than 1",
    "planned": "28: planned in code '07' must be true or false",
    "causes-too-long": "29: causes in code '07' has 1001 bytes; allowed are 1000",
    "phase-source": "4: phase_source 'guessed' in the system is not allowed; allowed are vendor, derived",
    "phase": f"23: phase 'warm_up' in code '07' is not allowed; allowed are {PHASES}",
    "reserved-alias": "22: alias 'unknown' in code '07' is reserved for undocumented codes",
    "reserved-category": "9: category 'unknown' is reserved for undocumented codes",
    "reserved-code": "20: code 'Unknown' is reserved for undocumented codes; it can't be written or changed",
    "reserved-name": "21: name 'Unknown' in code '07' is reserved for undocumented codes",
    "shared-spelling": "22: 'bye', 'error ok' would mean code '07' and code 'ok' (line 11); a spelling "
    "means one code: remove it from one of the two",
    "system-name": "1: system 'Acme Corp' is not a system's name; allowed are lower-case letters, "
    "digits and _, starting with a letter",
    "text-is-a-list": "30: fix in code '07' must be one text, not a list",
    "two-documents": "31: is not YAML: but found another document",
    "two-normals": "5: normal in the system must be one text, not a list",
    "unknown-key-in-code": f"22: unknown key 'page' in code '07'; allowed are {CODE_KEYS}, "
    "aliases, planned, spike_floor",
    "unknown-key": f"3: unknown key 'colour' in the system; allowed are {SYSTEM_KEYS}, objective",
    "unprintable": "21: name 'Link\\u202eLost' in code '07' has characters that can't be printed",
    "unquoted-alias": "22: aliases 7.5 in code '07' is not text to YAML: quote it as \"7.5\"",
    "unquoted-code": '20: code 07 in codes[2] is not text to YAML: quote it as "07"',
}


@pytest.mark.parametrize("kind", MESSAGES)
def test_a_mistake_is_reported_with_line_and_rule(kind: str) -> None:
    path = TESTDATA / f"invalid-{kind}.yaml"
    mistakes: list[str] = []
    system_in(path, mistakes)
    assert mistakes == [f"{path}:{message}" for message in MESSAGES[kind].split("\n")]


def test_every_invalid_file_has_messages() -> None:
    kinds = {path.stem.removeprefix("invalid-") for path in TESTDATA.glob("invalid-*.yaml")}
    assert kinds == set(MESSAGES)


def test_the_valid_file_has_no_mistake() -> None:
    mistakes: list[str] = []
    system = system_in(TESTDATA / "valid.yaml", mistakes)
    assert mistakes == []
    assert system is not None
    assert (system.system, system.title, system.source) == ("acme", "Acme", "Session errors")
    assert system.phase_source == "derived"
    assert system.categories == {"closure": "Ordinary closures", "network": "Network"}
    assert [code.code for code in system.codes] == ["ok", "07"]
    assert system.normal is system.codes[0]
    assert system.unknown.code == "unknown"
    assert system.match("link down") is system.codes[1]
