"""Session ends: one code. The target of an alert's link: counts against thresholds, and the fix."""

from typing import Final

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.source import code_details, queries, variables
from dashboards.source.alert_list import alert_list
from dashboards.source.layout import Section, Strip, build
from dashboards.source.links import CODE_UID, to_code_runbook
from dashboards.source.panels import NO_THRESHOLD, Panel, number, percent, table
from dashboards.source.queries import KEYS, SPIKE_WINDOWS, THIS_CODE, Query, selector
from dashboards.source.style import BY_OUTCOME, HIDDEN_CODE, HIDDEN_SYSTEM, TEXT, above
from exporter import names

NO_CODE: Final = "No data: no exporter has this code in its taxonomy."
TEXTS: Final = (
    ("Name", names.RULE_CODE_INFO, names.NAME),
    ("Causes", names.RULE_CODE_HELP, names.CAUSES),
    ("Fix", names.RULE_CODE_HELP, names.FIX),
    ("Owner", names.RULE_CODE_INFO, names.OWNER),
)
"""Row, record and label of each text."""


def dashboard() -> Dashboard:
    """For on-call, who comes here from an alert."""
    first = (
        Strip(4, _summary(), (8, 5, 4, 7)),
        Strip(6, [_explanation(), alert_list(THIS_CODE)], (16, 8)),
        Strip(9, [code_details.threshold(window) for window in SPIKE_WINDOWS]),
    )
    hours = [code_details.threshold(window) for window in queries.ELEVATED_WINDOWS]
    return build(
        CODE_UID,
        "Session ends: one code",
        "How many sessions end with this code, is that more than expected, whom does it "
        "affect, and what is the fix?",
        [
            Section("", first),
            Section(
                "Share, labels and duration",
                [
                    Strip(8, code_details.share_and_labels()),
                    Strip(8, [code_details.ends(), code_details.durations()]),
                ],
            ),
            Section("Platform capacity", [Strip(8, code_details.live_users())]),
            Section("Long windows", [Strip(8, hours)]),
        ],
        [variables.system(), variables.code(), variables.label()],
        alerts=[THIS_CODE],
        range="now-3h",
        builds=True,
    )


def _summary() -> list[Panel]:
    return [
        number(
            "Count against threshold",
            "Count / spike threshold in each window. From 100 % the code spikes; below 50 % is normal. A "
            "code with severity none has no alert.",
            *(
                Query(queries.of_threshold(window, THIS_CODE), f"{{{{system}}}} {window}")
                for window in SPIKE_WINDOWS
            ),
            steps=above(1, warning=0.5),
            sparkline=True,
            empty=NO_THRESHOLD,
            **percent(0),
        ),
        number(
            "Share of all ends (1h)",
            "Share of all session ends of the last hour, and the baseline share (median of a week). Normal "
            "is about equal.",
            Query(queries.share("1h", THIS_CODE), "{{system}} now"),
            Query(selector(names.RULE_SHARE, THIS_CODE), "{{system}} expected"),
            **percent(2),
        ),
        _labels(
            "Owner",
            "Team that acts on a spike of this code, for each chosen system.",
            names.OWNER,
        ),
        _labels(
            "Phase, category, outcome",
            "Phase in which the session ends, category of the code, and outcome.",
            *(names.PHASE, names.CATEGORY, names.OUTCOME),
        ),
    ]


def _labels(title: str, description: str, *labels: str) -> Panel:
    """Labels of the code, as text."""
    info = selector(names.RULE_CODE_INFO, THIS_CODE)
    texts = (
        Query(f"max by ({names.SYSTEM}, {label}) ({info})", f"{{{{{label}}}}}", instant=True)
        for label in labels
    )
    return number(title, description, *texts, names_only=True, overrides=BY_OUTCOME, empty=NO_CODE)


def _explanation() -> Panel:
    """A row for each text; its value is the row's number, by which rows are sorted."""
    rows = []
    for index, (row, record, label) in enumerate(TEXTS, start=1):
        copied = f'label_replace({index} * {selector(record, THIS_CODE)}, "text", "$1", "{label}", "(.+)")'
        rows.append(queries.with_label(copied, "about", row))
    style = {
        **TEXT,
        "custom.cellOptions": {"type": "auto", "wrapText": True},
        "custom.inspect": True,
        "links": [to_code_runbook(names.SYSTEM)],
    }
    return table(
        "Name, causes, fix and owner",
        "Texts of the taxonomy. They link to the runbook, which adds the meaning and diagnostic queries.",
        queries.rows(f"sort(max by ({KEYS}, about, text) (\n  " + "\n  or ".join(rows) + "\n))"),
        columns={"about": ("About", {"custom.width": 120}), "text": ("Text", style)},
        dropped=["Time", "Value"],
        hidden=[HIDDEN_SYSTEM, HIDDEN_CODE],
        header=False,
        empty=NO_CODE,
    )
