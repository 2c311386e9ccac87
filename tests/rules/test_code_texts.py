"""Texts of codes in alerts: hostile texts, rolling upgrades, the age of the last build; and links."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from exporter import names
from exporter.streampixel.builds import EVENTS
from exporter.taxonomy.model import Code, Owner
from tests.rules.code_cases import NO_WORKERS, OVERRUN_RULES, SPIKE, SUCCESS, all_fire
from tests.rules.rule_test import Case, RuleSet
from tests.rules.series import (
    CODES,
    DASHBOARDS,
    RUNBOOKS,
    code_texts,
    counter,
    ends,
    scraped,
    share,
)

LINKS = "cluster:session_exporter_links_info:newest"
STEPS = 70
NUMBERS = "201 in 5 min (expected 5.0), 4% of all session ends."
LINK_RULES = RuleSet(("SessionEndExporterDown",))
QUIET_THEN_OUTAGE = counter([1.0] + [0.0] * 59 + [40.0] * 10)
HOSTILE = (
    "{{ $labels.instance }} {{ $value }} $labels.code $value",
    "}} {{",
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


def outage(codes: Sequence[Code]) -> Case:
    """1,000 ends per minute on each system, 40 of them with each code for the last ten minutes."""
    systems = Counter(code.system for code in codes)
    normal = {replace(SUCCESS, system=system): count for system, count in systems.items()}
    case = Case({}, codes={(code.system, code.code): code for code in (*normal, *codes)})
    for code, count in normal.items():
        case.inputs[ends(code)] = counter([1000.0 - 40 * count] * STEPS)
    for code in codes:
        case.inputs |= {ends(code): QUIET_THEN_OUTAGE, share(code): f"0.001x{STEPS}"}
    return case


def test_alerts_show_hostile_texts_of_a_taxonomy_unchanged(tmp_path: Path) -> None:
    base = replace(CODES["streampixel", "4005"], system="evil")
    codes = [
        replace(base, code=f"c{place}", name=text.replace("\n", " "), causes=text, fix=text)
        for place, text in enumerate(HOSTILE)
    ]
    codes.append(replace(base, code="Broken", name="Broken"))  # the name is written once
    case = outage(codes)
    # 2 minutes after their first, 80 of 2,240: the threshold is 4 + 3 * 2.2 + 4 * sqrt(2.2) + 34.
    all_fire(case, codes, SPIKE, 65, NUMBERS, "000000196")
    OVERRUN_RULES.check(tmp_path, case)


def test_spike_of_an_application_code_names_the_age_of_the_last_build(tmp_path: Path) -> None:
    """Each case is a system of its own."""
    suspects = [CODES["streampixel", code] for code in ("4002", "4003", "4006")]
    assert {code.owner for code in suspects} == {Owner.APPLICATION}
    now = 65 * 60
    others = {*EVENTS} - {"build.distributing", "build.approved"}
    cases: list[tuple[list[Code], dict[str, int], str]] = [
        # A spike of another code says nothing about builds.
        ([NO_WORKERS], {"build.approved": now - 60}, ""),
        (suspects, {"build.distributing": now - 60}, "1m 0s"),
        (suspects[:1], {"build.distributing": now - 900, "build.approved": now - 300}, "5m 0s"),
        (suspects[:1], {"build.approved": now - 6 * 3600}, "6h 0m 0s"),
        (suspects[:1], {"build.approved": now - 6 * 3600 - 1}, ""),
        (suspects[:1], dict.fromkeys(others, now - 60), ""),
        (suspects[:1], {}, ""),
    ]
    placed = [
        ([replace(code, system=f"s{place}") for code in codes], builds, age)
        for place, (codes, builds, age) in enumerate(cases)
    ]
    case = outage([code for codes, *_ in placed for code in codes])
    for codes, builds, age in placed:
        for event, at in builds.items():
            # Both replicas show a build.
            for instance in ("exporter:1", "exporter:2"):
                labels = {"system": codes[0].system, "event": event}
                case.inputs[scraped(names.PLATFORM_LAST_BUILD, instance, **labels)] = f"{at}x70"
        advice = f" A build was approved or distributed {age} ago: check that build first."
        texts = NUMBERS + (advice if age else "")
        all_fire(case, codes, SPIKE, 65, texts, "000000196")
    OVERRUN_RULES.check(tmp_path, case)


def test_code_with_severity_none_counts_for_others_and_has_no_alert(tmp_path: Path) -> None:
    """Fails when the join with the codes' info does not filter by severity."""
    case = Case(
        {
            ends(NO_WORKERS): QUIET_THEN_OUTAGE,
            ends(SUCCESS): counter([20.0] * 60 + [200.0] * 10),
            share(NO_WORKERS): f"0.001x{STEPS}",
            share(SUCCESS): f"0.01x{STEPS}",
        }
    )
    firing = f'count by (code) (ALERTS{{alertname="{SPIKE}", alertstate="firing"}})'
    case.query(65, firing, {'{code="4001"}': 1})
    total = f"round(sum by (system) ({names.RULE_COUNT}5m))"
    case.query(65, total, {'{system="streampixel"}': 1204})
    OVERRUN_RULES.check(tmp_path, case)


NEWER = replace(
    NO_WORKERS, name="No Worker", severity=CODES["streampixel", "4000"].severity, fix="New fix."
)


def releases(first: int, second: int, gone_after: int | None = None) -> Case:
    """Exporters `old:1` and `new:1` with these start times in seconds; `new:1` is down after `gone_after`."""
    inputs = {share(NO_WORKERS): f"0.001x{STEPS}"}
    # Remove the texts of exporter:1, which a case adds: there is no such exporter here.
    inputs |= dict.fromkeys(code_texts(NO_WORKERS), "_")
    for instance, code, start in (("old:1", NO_WORKERS, first), ("new:1", NEWER, second)):
        constant = f"x{STEPS}"
        if instance == "new:1" and gone_after is not None:
            constant = f"x{gone_after} stale"
        inputs[ends(NO_WORKERS, instance=instance)] = QUIET_THEN_OUTAGE
        inputs[ends(SUCCESS, instance=instance)] = counter([960.0] * STEPS)
        inputs[scraped("process_start_time_seconds", instance)] = f"{start}{constant}"
        inputs |= dict.fromkeys(code_texts(code, instance), f"1{constant}")
    return Case(inputs)


def check_texts(folder: Path, case: Case, fix: str, severity: str, name: str) -> None:
    firing = f'count by (name, severity) (ALERTS{{alertname="{SPIKE}", alertstate="firing"}})'
    case.query(66, firing, {f'{{name="{name}", severity="{severity}"}}': 1})
    fixes = f'count by (fix) ({names.RULE_CODE_HELP}{{code="4001"}})'
    case.query(66, fixes, {f'{{fix="{fix}"}}': 1})
    OVERRUN_RULES.check(folder, case)


def test_texts_are_those_of_the_exporter_that_started_last_and_may_be_down(tmp_path: Path) -> None:
    """Fails without `topk` by start time: the join then matches two series, and the rule fails."""
    check_texts(tmp_path, releases(1000, 2000), "New fix.", "ticket", "No Worker")
    check_texts(tmp_path, releases(3000, 2000), NO_WORKERS.fix, "page", NO_WORKERS.name)
    check_texts(tmp_path, releases(1000, 2000, 50), "New fix.", "ticket", "No Worker")


def test_restarted_exporter_has_its_new_texts_within_two_minutes(tmp_path: Path) -> None:
    """Fails when a start time is joined to texts that are older: old and new texts then tie for an hour."""
    case = releases(1000, 1000)
    case.inputs |= dict.fromkeys(code_texts(NEWER, "new:1"), "_")
    case.inputs |= dict.fromkeys(code_texts(NO_WORKERS, "old:1"), "1x55 stale")
    case.inputs |= dict.fromkeys(code_texts(NEWER, "old:1"), "_x56 1x13")
    case.inputs[scraped("process_start_time_seconds", "old:1")] = "1000x55 2000x13"
    info = f'{names.RULE_CODE_INFO}{{code="4001"}}'
    case.query(58, f"count by (severity) ({info})", {'{severity="ticket"}': 1})
    check_texts(tmp_path, case, "New fix.", "ticket", "No Worker")


def test_texts_of_two_servers_that_mark_their_copies_are_read_once(tmp_path: Path) -> None:
    """Fails when a start time is joined only by job and instance: the join then matches two series, and the
    rule fails. Exporters of two clusters have the same names."""
    case = Case(dict.fromkeys(code_texts(NO_WORKERS), "_"))
    for marked in ({"prometheus_replica": "a"}, {"prometheus_replica": "b"}, {"cluster": "two"}):
        pairs = "".join(f'{label}="{value}", ' for label, value in marked.items())
        started = scraped("process_start_time_seconds", **marked)
        case.inputs[started] = f"1000x{STEPS}"
        for text in code_texts(NO_WORKERS):
            case.inputs[text.replace("{", "{" + pairs, 1)] = f"1x{STEPS}"
    for record in (names.RULE_CODE_INFO, names.RULE_CODE_HELP):
        case.query(66, f"count by (cluster) ({record})", {"{}": 1, '{cluster="two"}': 1})
    OVERRUN_RULES.check(tmp_path, case)


def links(runbooks: str, values: str, started: int | None = None, **labels: str) -> dict[str, str]:
    """The links of an exporter, and its start time in seconds."""
    inputs = {scraped(names.LINKS_INFO, runbooks, runbooks=runbooks, **labels): values}
    if started is not None:
        times = values.replace("1x", f"{started}x")
        inputs[scraped("process_start_time_seconds", runbooks, **labels)] = times
    return inputs


def test_links_are_those_of_an_exporter_that_answers_or_answered_last(tmp_path: Path) -> None:
    """Of the exporters in two clusters, `a` or `b` started last. Without start times, and without an exporter
    that answers, the last answer counts."""
    case = Case(
        {scraped(names.LINKS_INFO, runbooks=RUNBOOKS, dashboards=DASHBOARDS): "_"}
        | links("a", "1x100 stale", 1000)
        | links("b", "_x20 1x20 stale", 2000)
        | links("a", "1x40 stale", 2000, cluster="two")
        | links("b", "1x100 stale", 1000, cluster="two")
        | links("a", "1x100 stale", cluster="three")
        | links("b", "1x40 stale", cluster="three")
        | links("a", "_ 1x1 stale", cluster="four")
    )
    shown = f"group by (cluster, runbooks) ({LINKS}{{cluster!~'three|four'}})"
    for minute, first, second in ((10, "a", "a"), (30, "b", "a"), (45, "a", "b"), (200, "a", "b")):
        runbooks = {f'{{runbooks="{first}"}}': 1.0, f'{{cluster="two", runbooks="{second}"}}': 1.0}
        case.query(minute, shown, runbooks)
    # An exporter that answered for a minute.
    case.query(7, f"group by (runbooks) ({LINKS}{{cluster='four'}})", {'{runbooks="a"}': 1})
    last = f"group by (runbooks) ({LINKS}{{cluster='three'}})"
    case.query(1540, last, {'{runbooks="a"}': 1})
    case.query(1541, LINKS, {})
    LINK_RULES.check(tmp_path, case)
