"""A taxonomy may be somebody else's: whatever its texts hold, the alerts say it as it is written."""

from dataclasses import replace
from pathlib import Path

from exporter import names
from exporter.taxonomy.model import Code
from tests.rules import code_cases
from tests.rules.promtool import (
    CODES,
    SESSION_ENDS,
    WINDOWS_GROUP,
    WORDS_GROUP,
    Case,
    counted,
    ends,
    run,
    share,
)

TEXTS = (
    "{{ $labels.instance }} {{ $value }} $labels.code $value",
    "{{",
    "}}",
    "a { b {{{ c }}} }",
    '{{ range query "up" }}x{{ end }} {{ end }}',
    "{{/* gone */}} {{- trimmed -}} {{`raw`}}",
    "`back` ticks, \"double\" and 'single' quotes",
    r"C:\new\table \" \' \x41 \{{ ends with \ ".strip(),
    "<https://evil.example|x> <script>alert(1)</script> <!channel> &lt;b&gt;",
    "%s %d %!f(string=x) 100%",
    "終了 — Ende ✓",
    "first {{ $value }}\nsecond `\n\n  indented }}\nFix: not ours",
)


def codes() -> list[Code]:
    """A code with each text in all its free fields."""
    base = replace(CODES["streampixel", "4005"], system="evil")
    return [
        replace(base, code=f"c{place}", name=text.replace("\n", " "), causes=text, fix=text)
        for place, text in enumerate(TEXTS)
    ]


def test_texts_of_a_taxonomy_are_in_the_alerts_as_they_are_written(tmp_path: Path) -> None:
    normal = replace(CODES["streampixel", "1000"], system="evil")
    every = codes()
    known = {(code.system, code.code): code for code in (normal, *every)}
    case = Case("1m", {ends(normal): counted([1000.0 - 40 * len(every)] * 70)}, known)
    for code in every:
        case.inputs[ends(code)] = counted([1.0] + [0.0] * 59 + [40.0] * 10)
        case.inputs[share(code)] = "0.001x70"
        texts = code_cases.texts_of(
            code,
            "spike",
            # 2 minutes after their first, 80 of 2,240: 4 + 3 * 2.2 + 4 * sqrt(2.2) + 34 are the threshold.
            "201 in 5 min (expected 5.0), 4% of all session ends, since 01:02 UTC.",
        )
        labels = code_cases.labels_of(code, "spike")
        case.firing("65m", code_cases.ALERTS["spike"], labels, texts)
    only = (WORDS_GROUP, WINDOWS_GROUP)
    assert run(tmp_path, (SESSION_ENDS,), case, only=only) == ""


def test_a_code_with_severity_none_has_no_alert_and_its_ends_count_for_the_others(
    tmp_path: Path,
) -> None:
    """Fails when the join with the words does not filter by severity."""
    loud = CODES["streampixel", "4001"]
    steps = [1.0] + [0.0] * 59 + [40.0] * 10
    inputs = {ends(loud): counted(steps), share(loud): "0.001x70"}
    success = CODES["streampixel", "1000"]
    inputs |= {ends(success): counted([20.0] * 60 + [200.0] * 10), share(success): "0.01x70"}
    case = Case("1m", inputs)
    firing = 'count by (code) (ALERTS{alertname="SessionEndSpike", alertstate="firing"})'
    case.query("65m", firing, {'{code="4001"}': 1})
    everything = f"round(sum by (system) ({names.RULE_COUNT}5m))"
    case.query("65m", everything, {'{system="streampixel"}': 1204})
    only = (WORDS_GROUP, WINDOWS_GROUP)
    assert run(tmp_path, (SESSION_ENDS,), case, only=only) == ""
