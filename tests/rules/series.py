"""Series that tests feed to the rules, as Prometheus stores them."""

import json
import math
import re
from collections.abc import Iterable, Mapping

from exporter import names
from exporter.promql.value import METRIC_NAME, Labels, labels
from exporter.taxonomy.loader import load as load_taxonomy
from exporter.taxonomy.model import Code

RUNBOOKS = "http://127.0.0.1:10401"
DASHBOARDS = "http://127.0.0.1:3000"
TAXONOMY = load_taxonomy()
CODES = {
    (name, code.code): code
    for name, system in TAXONOMY.systems.items()
    for code in system.all_codes
}
MISSING = math.nan
STALE = math.inf
"""No input has an infinite value."""


def series(metric: str, labels: Mapping[str, str]) -> str:
    quoted = (f"{name}={json.dumps(labels[name], ensure_ascii=False)}" for name in labels)
    return f"{metric}{{{', '.join(quoted)}}}"


def scraped(metric: str, instance: str = "exporter:1", **labels: str) -> str:
    return series(metric, {**labels, "instance": instance, "job": "session-end-exporter"})


def in_cluster(cluster: str, inputs: Mapping[str, str]) -> dict[str, str]:
    """The inputs with the label `cluster` of their scrape targets."""
    return {name.replace("{", f'{{cluster="{cluster}", ', 1): inputs[name] for name in inputs}


def ends(code: Code, ledger: str = "a", instance: str = "exporter:1", **more: str) -> str:
    """The exporter's counter of a code."""
    return scraped(names.SESSION_ENDS, instance, **code.labels, ledger=ledger, **more)


def code_texts(code: Code, instance: str = "exporter:1") -> list[str]:
    """The two series in which the exporter exports the texts and labels of a code."""
    of_code = {"system": code.system, "code": code.code}
    info = code.labels | {"name": code.name, "owner": code.owner, "severity": code.severity}
    info |= {"planned": "true" if code.planned else "false"}
    return [
        scraped(names.SESSION_END_CODE_INFO, instance, **info),
        scraped(names.SESSION_END_CODE_HELP, instance, **of_code, causes=code.causes, fix=code.fix),
    ]


def share(code: Code) -> str:
    """The recorded baseline share of a code."""
    return series(names.RULE_SHARE, {"system": code.system, "code": code.code})


def counter(increases: Iterable[float]) -> str:
    """Values of a counter that starts at 0."""
    total, values = 0.0, ["0"]
    for increase in increases:
        total += increase
        values.append(f"{total:.9g}")
    return " ".join(values)


def parsed(text: str) -> Labels:
    """Labels of a series in promtool's notation, such as `up{job="a"}` or `{}`."""
    name, _, inner = text.partition("{")
    quoted = re.findall(r'(\w+)=("(?:[^"\\]|\\.)*")', inner)
    return labels({METRIC_NAME: name, **{key: json.loads(text) for key, text in quoted}})


def expanded(values: str) -> list[float]:
    """The values of promtool's shorthand: `1+2x3` is 1 3 5 7, `_x2` is two missing samples."""
    result: list[float] = []
    for item in values.split():
        if item == "stale":
            result.append(STALE)
        elif missing := re.fullmatch(r"_(?:x(\d+))?", item):
            result += [MISSING] * int(missing[1] or 1)
        else:
            match = re.fullmatch(r"([\d.e-]+?)(?:([+-][\d.e]+))?(?:x(\d+))?", item)
            assert match, item
            first, change = float(match[1]), float(match[2] or 0)
            result += [first + change * number for number in range(int(match[3] or 0) + 1)]
    return result
