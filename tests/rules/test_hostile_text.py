"""A taxonomy may be somebody else's: whatever its texts hold, the alerts say it as it is written."""

import subprocess
from pathlib import Path

import pytest
import yaml

from exporter import names
from exporter.policy.loader import load as load_policy
from exporter.render import generate, operator
from exporter.taxonomy.loader import load as load_taxonomy
from exporter.taxonomy.model import Taxonomy
from tests.rules.promtool import Case, counted, ends, run, series

TEXTS = (
    "{{ $labels.instance }} {{ $value }} $labels.code $value",
    "{{",
    "}}",
    "{",
    "a { b {{{ c }}} }",
    '{{ range query "up" }}x{{ end }} {{ end }}',
    '{{ template "x" }} {{ define "y" }}',
    "{{/* gone */}} {{- trimmed -}} {{`raw`}}",
    "`back` ticks, \"double\" and 'single' quotes",
    r"C:\new\table \" \' \x41 \{{ ends with \ ".strip(),
    "<https://evil.example|x> <script>alert(1)</script> <!channel> &lt;b&gt;",
    "%s %d %!f(string=x) 100%",
    "- item: {a: b} # no comment",
    "key: [value, !!python/object x] &anchor *alias",
    "| literal",
    "> folded",
    "08",
    "null",
    "終了 — Ende ✓",
)
"""Single lines that the taxonomy's loader takes as a name."""
BLOCKS = (
    *TEXTS,
    "first {{ $value }}\nsecond `\n\n  indented }}\nFix: not ours",
    "ends in spaces  \n and begins with one",
    "---\n...\n# comment",
)

BASES = ("http://runbooks/{{ $value }}", "http://dashboards/{{")
"""Somebody's proxy may have braces in its addresses."""


def taxonomy(folder: Path) -> Taxonomy:
    """A system of the operator's, read from YAML: a code with each text in all its fields that are free."""
    codes = [
        {
            "code": f"c{place}",
            "name": TEXTS[place] if place < len(TEXTS) else f"Block {place}",
            "phase": "connect",
            "category": "free",
            "outcome": "failure",
            "owner": "platform",
            "page": "page",
            "description": text,
            "causes": text,
            "fix": text,
        }
        for place, text in enumerate(BLOCKS)
    ]
    ok = codes[0] | {"code": "ok", "name": "Bye", "outcome": "success", "page": "never"}
    document = {
        "system": "evil",
        "title": "{{ $labels }} <script>",
        "source": "{{ end }}",
        "phase_source": "derived",
        "normal": "ok",
        "categories": {"free": "{{ `Free` }}"},
        "codes": [*codes, ok],
    }
    (folder / "evil.yaml").write_text(yaml.safe_dump(document, allow_unicode=True))
    return load_taxonomy([folder])


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Taxonomy:
    return taxonomy(tmp_path_factory.mktemp("taxonomy"))


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory, loaded: Taxonomy) -> Path:
    out = tmp_path_factory.mktemp("pack")
    generate.render(loaded, load_policy(), out, *BASES)
    return out / "rules"


def test_promtool_accepts_the_rules_and_the_operators_object_has_the_same(rules: Path) -> None:
    paths = sorted(rules.glob("*.yml"))
    done = subprocess.run(
        ["promtool", "check", "rules", "--lint=all", "--lint-fatal", *paths],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    groups = [one for path in paths for one in yaml.safe_load(path.read_text())["groups"]]
    operators = yaml.safe_load((rules.parent / operator.PATH).read_text())
    assert sorted(map(repr, operators["spec"]["groups"])) == sorted(map(repr, groups))


def test_every_text_is_in_the_alerts_as_it_is_written(
    tmp_path: Path, rules: Path, loaded: Taxonomy
) -> None:
    system = loaded.systems["evil"]
    pack = generate.pack_of(loaded, load_policy(), *BASES)
    case = Case("1m", {ends(system.normal): counted([1000.0 - 40 * len(BLOCKS)] * 70)})
    for code in system.codes:
        if code is system.normal:
            continue
        assert (code.causes, code.fix) == (BLOCKS[int(code.code[1:])].strip(),) * 2
        case.inputs[ends(code)] = counted([1.0] + [0.0] * 59 + [40.0] * 10)
        labels = {"system": "evil", "code": code.code, "category": "free", "outcome": "failure"}
        case.inputs[series(names.RULE_SHARE, labels)] = "0.001x70"
        (alert,) = (
            one.alert for one in pack.subjects if one.code == code and one.signal == "spike"
        )
        case.firing(
            "65m",
            alert,
            {"severity": "page", "signal": "spike", "system": "evil", "code": code.code}
            | {"phase": "connect", "category": "free", "owner": "platform"},
            {
                "summary": f"{code.code} {code.name} spike on evil",
                "description": "201 in 5m, usual 5.0; 4% of all ends. "
                # 2 minutes after their first, 80 of 2,240: 4 + 3 * 2.2 + 4 * sqrt(2.2) + 34 are the limit.
                "Since 1970-01-01 01:02:00 +0000 UTC.\n"
                f"Causes: {code.causes}\nFix: {code.fix}",
                "runbook_url": f"{BASES[0]}/codes/evil/{code.code}",
                "dashboard_url": f"{BASES[1]}/d/session-end-code?"
                f"var-system=evil&var-code={code.code}",
            },
        )
    assert len(case.fired) == len(BLOCKS)
    only = ("session-ends-windows", "session-ends-evil")
    assert run(tmp_path, ("windows.yml", "alerts-evil.yml"), case, only=only, rules=rules) == ""
