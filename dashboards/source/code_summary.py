"""The first panels about a code: count against threshold, share, owner, and its words."""

from typing import Final

from grafana_foundation_sdk.models import dashboard as models

from dashboards.source import panels
from dashboards.source.empty import NO_CODE, NO_ENDS, NO_THRESHOLD
from dashboards.source.links import to_code_runbook
from dashboards.source.panels import About, Query, organized
from dashboards.source.queries import (
    KEYS,
    SPIKE_WINDOWS,
    THIS_CODE,
    labeled,
    of_threshold,
    selector,
    share,
)
from dashboards.source.style import HIDDEN, PLAIN, TEXT, above, by_name, outcomes
from exporter import names

WINDOW: Final = "1h"
WORDS: Final = (
    ("Name", names.RULE_CODE_INFO, names.NAME),
    ("Causes", names.RULE_CODE_HELP, names.CAUSES),
    ("Fix", names.RULE_CODE_HELP, names.FIX),
    ("Owner", names.RULE_CODE_INFO, names.OWNER),
)
"""Row, record and label of each text."""


def count_against_threshold() -> models.Panel:
    """Of each window of a spike."""
    about = About(
        title="Count against threshold",
        description="The count of each window of a spike, divided by its threshold. From 100 % on the "
        "code spikes; below 50 % is normal. A code with severity none has no alert.",
        empty=NO_THRESHOLD,
        unit="percentunit",
        decimals=0,
    )
    queries = [
        Query(of_threshold(window, THIS_CODE), f"{{{{system}}}} {window}")
        for window in SPIKE_WINDOWS
    ]
    return panels.number(about, queries, above(1, warning=0.5), sparkline=True)


def share_now() -> models.Panel:
    """Beside the baseline share."""
    about = About(
        title=f"Share of all ends ({WINDOW})",
        description=f"The part of all ends of the last {WINDOW} that have this code, and its baseline "
        "share: the median of a week. Normal is that they are alike.",
        empty=NO_ENDS,
        unit="percentunit",
        decimals=2,
    )
    return panels.number(
        about,
        [
            Query(share(WINDOW, THIS_CODE), "{{system}} now"),
            Query(selector(names.RULE_SHARE, THIS_CODE), "{{system}} expected"),
        ],
        PLAIN,
    )


def owner() -> models.Panel:
    """Who acts on a spike."""
    about = About(
        title="Owner",
        description="Who acts on a spike of this code, for each of the chosen systems.",
        empty=NO_CODE,
    )
    return _labels(about, names.OWNER)


def phase() -> models.Panel:
    """Phase, category and outcome."""
    about = About(
        title="Phase, category, outcome",
        description="The phase of a session that ends with this code, the vendor's group of codes, and "
        "whether the end counts against the objective.",
        empty=NO_CODE,
    )
    return _labels(about, names.PHASE, names.CATEGORY, names.OUTCOME)


def _labels(about: About, *labels: str) -> models.Panel:
    """Labels of the code's words, as text."""
    queries = [
        Query(
            f"max by ({names.SYSTEM}, {label}) ({selector(names.RULE_CODE_INFO, THIS_CODE)})",
            f"{{{{{label}}}}}",
            now=True,
        )
        for label in labels
    ]
    return panels.number(about, queries, PLAIN, outcomes(), names_only=True)


def explanation() -> models.Panel:
    """Name, causes, fix and owner, a row each."""
    about = About(
        title="Name, causes, fix and owner",
        description="The texts of the taxonomy. A text links to the runbook, which also has the meaning "
        "of the code and queries.",
        empty=NO_CODE,
    )
    return panels.rows(
        about,
        [Query(_texts(), rows=True)],
        [organized({"about": "About", "text": "Text"}, "Time", "Value")],
        [
            by_name("About", {"custom.width": 120}),
            by_name(
                "Text",
                {
                    **TEXT,
                    "custom.cellOptions": {"type": "auto", "wrapText": True},
                    "custom.inspect": True,
                    "links": [to_code_runbook(names.SYSTEM)],
                },
            ),
            by_name(names.SYSTEM, HIDDEN),
            by_name(names.CODE, {**HIDDEN, **TEXT}),
        ],
        header=False,
    )


def _texts() -> str:
    """A series for each row; its value is the row's number, by which rows are sorted."""
    rows = []
    for index, (row, record, label) in enumerate(WORDS, start=1):
        copied = f'label_replace({index} * {selector(record, THIS_CODE)}, "text", "$1", "{label}", "(.+)")'
        rows.append(labeled(copied, "about", row))
    return f"sort(max by ({KEYS}, about, text) (\n  " + "\n  or ".join(rows) + "\n))"
