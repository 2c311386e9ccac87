"""The rule files: promtool accepts them; alerts, runbooks and cases have the same names; a mixin has all."""

import re

from exporter import names
from exporter.rule_files import alerts
from tests.dashboards.shipped import QUERIES
from tests.programs import finished
from tests.rule_groups import RULES, groups, recording
from tests.rules.series import TAXONOMY
from tests.rules.test_alerts import CASES

GROUPS = [group for file in groups().values() for group in file]


def test_alerts_cases_and_runbooks_have_the_same_names() -> None:
    named = [alert.name for alert in alerts()]
    fired = {name for _, cases in CASES.values() for case in cases for _, name in case.alerts}
    assert fired == set(named)
    assert {path.stem for path in (RULES / "runbooks" / "alerts").iterdir()} == set(named)
    assert len(set(named)) == len(named)


def test_promtool_accepts_the_rules() -> None:
    files = [RULES / name for name in groups()]
    done = finished("promtool", "check", "rules", "--lint=all", "--lint-fatal", *files)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


def test_mixin_imports_every_rule_file_and_dashboard() -> None:
    root = RULES.parent
    imported = re.findall(
        r"import(?:str)? '\.\./(.*?)'", (root / "deploy/mixin.libsonnet").read_text()
    )
    files = [*root.glob("rules/*.yml"), *root.glob("dashboards/*.json")]
    assert sorted(imported) == sorted(str(path.relative_to(root)) for path in files)


def test_groups_are_within_the_default_limits_of_rulers() -> None:
    sizes = {group["name"]: len(group["rules"]) for group in GROUPS}
    assert max(sizes.values()) <= 20, f"{sizes}: Mimir's default limit"
    assert sum(sizes.values()) <= 120


def test_alerts_are_at_most_three_records_away_from_counters() -> None:
    """Some rulers show a record one evaluation late, so each record in between delays the alert."""
    for group in GROUPS:
        depth: dict[str, int] = {}
        for rule in group["rules"]:
            read = [depth[name] for name in depth if name in rule["expr"]]
            if "record" in rule:
                depth[rule["record"]] = 1 + max(read, default=0)
        assert max(depth.values(), default=0) <= 3, (group["name"], depth)


def test_rules_contain_no_code_and_no_system() -> None:
    """Texts come from the exporter: a new platform changes nothing in the rules."""
    text = "".join(str(rule["expr"]) for group in GROUPS for rule in group["rules"])
    for system in TAXONOMY.systems.values():
        assert system.system not in text
    assert re.findall(r"\b(?:code|system)=", text) == []


def test_labels_by_which_session_ends_are_grouped_are_reserved() -> None:
    """An event's label with such a name would divide the counts, and joins would find no partner."""
    of_ends = (names.SESSION_ENDS, names.SESSION_ENDS_LATE)
    counters = "|".join((*of_ends, names.SESSION_INTERRUPTIONS, names.SESSION_END_REPEATS))
    expressions = [*recording().values(), *(query.expr for query in QUERIES)]
    grouped = re.findall(rf"by \(([^)]*)\) \(\s*(?:\w+\()?(?:{counters})", "\n".join(expressions))
    labels = {label for text in grouped for label in text.split(", ")}
    assert {"cluster", "replica", "prometheus_replica", names.PHASE} < labels
    assert labels <= names.RESERVED_LABELS


def test_records_that_the_exporter_reads_exist() -> None:
    recorded = {rule["record"] for group in GROUPS for rule in group["rules"] if "record" in rule}
    stems = {value for name, value in vars(names).items() if name.startswith("RULE_")}
    assert [stem for stem in stems if not any(name.startswith(stem) for name in recorded)] == []
