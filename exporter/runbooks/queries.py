"""The PromQL of runbooks, to paste: a builder for each question that a runbook asks."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from exporter import names
from exporter.taxonomy.model import Outcome

UP: Final = "up"
SCRAPE_DURATION: Final = "scrape_duration_seconds"
"""The two series that Prometheus itself makes of a scrape."""
INSTANCE: Final = "instance"
ON_SYSTEM: Final = f"on ({names.SYSTEM})"
_JOB: Final = {"job": "session-end-exporter"}
_SHORT: Final = "5m"
_LONG: Final = "1h"
_LONGEST: Final = "1d"
"""Windows that the recording rules have of each code."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What is asked about: a code, a whole system (`code` is ""), or the exporter (`system` too)."""

    system: str = ""
    code: str = ""
    beside: tuple[str, ...] = ()

    def labels(self) -> dict[str, str]:
        given = {names.SYSTEM: self.system, names.CODE: self.code}
        return {name: value for name, value in given.items() if value}

    def rule(self, stem: str, window: str = "") -> str:
        """A recording rule's series of this code, or of this system."""
        return selector(stem + window, self.labels())

    def of_system(self, stem: str, window: str = "") -> str:
        labels = {names.SYSTEM: self.system} if self.system else {}
        return selector(stem + window, labels)

    def ends(self, window: str, offset: str = "") -> str:
        """All ends of the system."""
        return f"sum by ({names.SYSTEM}) ({self.of_system(names.RULE_COUNT, window)}{offset})"


def queries(ask: str, scope: Scope) -> tuple[str, ...]:
    """The queries of a question, each to be pasted alone; a comment says what to look at."""
    return BUILDERS[ask](scope)


def selector(metric: str, labels: Mapping[str, str]) -> str:
    """`metric{label="value"}`, values escaped."""
    inner = ", ".join(f"{name}={quoted(value)}" for name, value in labels.items())
    return f"{metric}{{{inner}}}" if inner else metric


def quoted(value: str) -> str:
    """A PromQL string."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _total(
    scope: Scope,
    window: str,
    by: str = "",
    metric: str = names.SESSION_ENDS,
    offset: str = "",
    **more: str,
) -> str:
    """An increase that counts replicas of one ledger once, as the recording rules do."""
    back = f" offset {offset}" if offset else ""
    inner = f"increase({selector(metric, scope.labels() | more)}[{window}]{back})"
    outer = f"sum by ({by})" if by else "sum"
    more_by = f", {by}" if by else ""
    return (
        f"{outer} (max by ({names.LEDGER}{more_by}) (\n"
        f"  sum by ({names.LEDGER}, {INSTANCE}{more_by}) ({inner})\n"
        "))"
    )


def _own(metric: str, window: str, by: str = "") -> str:
    outer = f"sum by ({by})" if by else "sum"
    return f"{outer} (increase({metric}[{window}])){' > 0' if by else ''}"


def _quantile(quantile: float, metric: str, window: str) -> str:
    return f"histogram_quantile({quantile}, sum by (le) (rate({metric}_bucket[{window}])))"


def _limit(scope: Scope) -> tuple[str, ...]:
    return tuple(
        f"# the last {window}: above 1 is above the threshold\n"
        f"{scope.rule(names.RULE_COUNT, window)} / {scope.rule(names.RULE_THRESHOLD, window)}"
        for window in (_SHORT, _LONG, _LONGEST)
    )


def _share(scope: Scope) -> tuple[str, ...]:
    return (
        f"# now\n{scope.rule(names.RULE_COUNT, _SHORT)}\n  / {ON_SYSTEM} {scope.ends(_SHORT)}",
        f"# usual\n{scope.rule(names.RULE_SHARE)}",
    )


def _beside(scope: Scope) -> tuple[str, ...]:
    codes = "|".join(re.escape(code) for code in dict.fromkeys((scope.code, *scope.beside)))
    labels = f"{names.SYSTEM}={quoted(scope.system)}, {names.CODE}=~{quoted(codes)}"
    return (f"# graph it over the last 3h\n{names.RULE_COUNT}{_SHORT}{{{labels}}}",)


def _others(scope: Scope) -> tuple[str, ...]:
    counts = scope.of_system(names.RULE_COUNT, _LONG)
    keys = f"{names.SYSTEM}, {names.CODE}"
    failing = f"{names.RULE_CODE_INFO}{{{names.OUTCOME}!={quoted(Outcome.SUCCESS.value)}}}"
    return (f"topk(5, {counts} and on ({keys}) {failing})",)


def _labels(scope: Scope) -> tuple[str, ...]:
    drop = f"{names.LEDGER}, {names.PHASE}, {names.CATEGORY}, {names.OUTCOME}"
    ends = selector(names.SESSION_ENDS, scope.labels())
    return (
        "# a line for each combination of the labels that your exporter keeps\n"
        f"topk(10, sum without ({drop}) (\n"
        f"  max without ({INSTANCE}) (increase({ends}[{_LONG}]))\n"
        "))",
    )


def _phases(scope: Scope) -> tuple[str, ...]:
    return (_total(scope, _LONG, by=names.PHASE),)


def _traffic(scope: Scope) -> tuple[str, ...]:
    now = scope.ends(_LONG)
    before = scope.ends(_LONG, " offset 1d")
    return f"# graph it over the last 6h\n{now}", f"# against a day ago\n{now} / {before}"


def _successes(scope: Scope) -> tuple[str, ...]:
    system = Scope(scope.system)

    def well(offset: str = "") -> str:
        return _total(system, "15m", offset=offset, outcome=Outcome.SUCCESS.value)

    return (f"# now\n{well()}", f"# an hour ago\n{well('1h')}", f"# a day ago\n{well('1d')}")


def _yesterday(scope: Scope) -> tuple[str, ...]:
    now = scope.rule(names.RULE_COUNT, _SHORT)
    return (f"# graph it over the last 3h\n{now}", f"# the same a day ago\n{now} offset 1d")


def _waiting(scope: Scope) -> tuple[str, ...]:
    by = f"{names.SYSTEM}, {names.PROJECT}"
    return (
        "# waiting; graph it over the last 3h\n"
        f"max by ({by}) ({scope.of_system(names.QUEUED_USERS)})",
        f"# streaming\nmax by ({by}) ({scope.of_system(names.LIVE_USERS)})",
    )


def _last_build(scope: Scope) -> tuple[str, ...]:
    last = scope.of_system(names.PLATFORM_LAST_BUILD)
    return (f"# hours ago\n(time() - max by ({names.EVENT}) ({last} > 0)) / 3600",)


def _interruptions(scope: Scope) -> tuple[str, ...]:
    healed = _total(scope, _LONG, metric=names.SESSION_INTERRUPTIONS)
    return f"# interruptions that healed\n{healed}", f"# ends\n{_total(scope, _LONG)}"


def _duration(scope: Scope) -> tuple[str, ...]:
    lasting = scope.of_system(f"{names.SESSION_DURATION}_bucket")

    def median(offset: str) -> str:
        rate = f"rate({lasting}[1h]{offset})"
        return f"histogram_quantile(0.5, sum by (le, {names.OUTCOME}) ({rate}))"

    return f"# median, in seconds\n{median('')}", f"# a day ago\n{median(' offset 1d')}"


def _week(scope: Scope) -> tuple[str, ...]:
    more = {} if scope.code else {names.OUTCOME: Outcome.FAILURE.value}
    return (f"# graph it over 7d\n{_total(scope, '1h', **more)}",)


def _late(scope: Scope) -> tuple[str, ...]:
    return (_total(scope, _LONG, metric=names.SESSION_ENDS_LATE),)


def _counting(_scope: Scope) -> tuple[str, ...]:
    return (
        *_rejected(_scope),
        *_refused(_scope),
        _own(names.UNKNOWN_CODE_EVENTS, "1h", names.SYSTEM),
        _own(names.AT_LEAST_ONCE_EVENTS, "1h"),
    )


def _unknown(scope: Scope) -> tuple[str, ...]:
    events = scope.of_system(names.UNKNOWN_CODE_EVENTS)
    return (
        f"# graph it over a day\nsum by ({names.SYSTEM}) (increase({events}[1h]))",
        f"sum by ({names.SYSTEM}) (increase({events}[1d]))",
    )


def _ratio(scope: Scope) -> tuple[str, ...]:
    return tuple(
        f"# the last {window}\n1 - {scope.of_system(names.RULE_ERROR_RATIO, window)}"
        for window in ("5m", "1h", "3d")
    )


def _owners(scope: Scope) -> tuple[str, ...]:
    only = {names.OUTCOME: Outcome.FAILURE.value}
    failing = selector(
        names.RULE_CODE_INFO, ({names.SYSTEM: scope.system} if scope.system else {}) | only
    )
    keys = f"{names.SYSTEM}, {names.CODE}"
    return (
        f"sort_desc(sum by ({names.OWNER}) (\n"
        f"  {scope.of_system(names.RULE_COUNT, _LONG)}\n"
        f"  * on ({keys}) group_left ({names.OWNER})\n"
        f"  {failing}\n"
        "))",
    )


def _others_down(scope: Scope) -> tuple[str, ...]:
    everywhere = Scope()

    def well(offset: str = "") -> str:
        return _total(everywhere, "15m", names.SYSTEM, offset=offset, outcome=Outcome.SUCCESS.value)

    return f"# now\n{well()}", f"# an hour ago\n{well('1h')}"


def _failures(scope: Scope) -> tuple[str, ...]:
    system = Scope(scope.system)
    return (f"# graph it over the last 3h\n{_total(system, '15m', names.OUTCOME)}",)


def _up(scope: Scope) -> tuple[str, ...]:
    job = selector(UP, _JOB)
    return f"# graph it over the last 3h\n{job}", f"count({job})"


def _builds(_scope: Scope) -> tuple[str, ...]:
    kept = f"last_over_time({names.BUILD_INFO}[1d])"
    return (f"# in the last day\ncount by ({INSTANCE}, {names.VERSION}) ({kept})",)


def _scrapes(scope: Scope) -> tuple[str, ...]:
    job = selector(SCRAPE_DURATION, _JOB)
    return job, _quantile(0.99, names.SCRAPE_SECONDS, "15m")


def _requests(_scope: Scope) -> tuple[str, ...]:
    return (_own(names.REQUESTS, "15m", names.STATUS),)


def _refused(_scope: Scope) -> tuple[str, ...]:
    return (_own(names.REFUSED_REQUESTS, "1h", names.REASON),)


def _rejected(_scope: Scope) -> tuple[str, ...]:
    return (_own(names.REJECTED_EVENTS, "1h", names.REASON),)


def _accepted(_scope: Scope) -> tuple[str, ...]:
    return _own(names.ACCEPTED_EVENTS, "15m"), _own(names.DUPLICATE_EVENTS, "15m")


def _ledger(_scope: Scope) -> tuple[str, ...]:
    return names.LEDGER_WRITABLE, names.QUEUE_EVENTS


def _commits(_scope: Scope) -> tuple[str, ...]:
    return _own(names.COMMIT_FAILURES, "1h"), _quantile(0.99, names.COMMIT_SECONDS, "15m")


def _size(_scope: Scope) -> tuple[str, ...]:
    return (f"# bytes; graph it over a week\n{names.LEDGER_SIZE}",)


def _damage(_scope: Scope) -> tuple[str, ...]:
    return (f"# hours ago\n(time() - ({names.LEDGER_DAMAGED} > 0)) / 3600",)


def _lost(_scope: Scope) -> tuple[str, ...]:
    return (
        f"# graph it over two days\n{names.LEDGER_LOST}",
        f"{names.LEDGER_MISCONFIGURED} == 1",
    )


def _resets(_scope: Scope) -> tuple[str, ...]:
    counted = f"sum by ({names.LEDGER}, {INSTANCE}) ({names.SESSION_ENDS})"
    return (f"# graph it over two days\n{counted}",)


def _delays(_scope: Scope) -> tuple[str, ...]:
    return tuple(_quantile(part, names.EVENT_DELAY, "15m") for part in (0.5, 0.9))


def _late_all(_scope: Scope) -> tuple[str, ...]:
    return _own(names.LATE_EVENTS, "1h"), _own(names.SESSION_ENDS_LATE, "1h", names.SYSTEM)


def _window(_scope: Scope) -> tuple[str, ...]:
    return (
        f"# 1 is full\n{names.WINDOW_IDS} / {names.WINDOW_CAPACITY}",
        f"# hours it reaches back\n{names.WINDOW_SPAN} / 3600",
    )


def _expired(_scope: Scope) -> tuple[str, ...]:
    return (_own(names.WINDOW_EXPIRED, "1h", names.BOUND),)


BUILDERS: Final[dict[str, Callable[[Scope], tuple[str, ...]]]] = {
    "limit": _limit,
    "share": _share,
    "beside": _beside,
    "family": _beside,
    "others": _others,
    "labels": _labels,
    "phases": _phases,
    "traffic": _traffic,
    "successes": _successes,
    "yesterday": _yesterday,
    "waiting": _waiting,
    "last_build": _last_build,
    "interruptions": _interruptions,
    "duration": _duration,
    "week": _week,
    "late": _late,
    "counting": _counting,
    "unknown": _unknown,
    "ratio": _ratio,
    "owners": _owners,
    "others_down": _others_down,
    "failures": _failures,
    "up": _up,
    "builds": _builds,
    "scrapes": _scrapes,
    "requests": _requests,
    "refused": _refused,
    "rejected": _rejected,
    "accepted": _accepted,
    "ledger": _ledger,
    "commits": _commits,
    "size": _size,
    "damage": _damage,
    "lost": _lost,
    "resets": _resets,
    "delays": _delays,
    "late_all": _late_all,
    "window": _window,
    "expired": _expired,
}
"""By the name in exporter/runbooks/generic.yaml; a test holds both equal."""
