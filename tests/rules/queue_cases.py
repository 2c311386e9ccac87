"""Cases for the alert about a queue that grows ahead of a code."""

from exporter import names
from exporter.taxonomy.model import Code
from tests.rules.code_cases import alert_of, labels_of
from tests.rules.promtool import CODES, PACK, Case, Run, series

GROUP = "session-ends-streampixel"
FILES = ("alerts-streampixel.yml",)


def queued(project: str = "p1", instance: str = "exporter:1") -> str:
    """Users who wait, as Prometheus has them of one exporter."""
    labels = {"system": "streampixel", "project": project, "instance": instance}
    return series(names.QUEUED_USERS, {**labels, "job": "session-end-exporter"})


def spike(code: Code) -> str:
    return series(names.RULE_SPIKE, {"system": code.system, "code": code.code})


def codes() -> list[Code]:
    return [CODES[one] for one in sorted(PACK.policy.queued)]


def texts(code: Code, users: int, since: str) -> dict[str, str]:
    return {
        "summary": f"The queue ahead of {code.code} {code.name} grows on {code.system}",
        "description": f"{users} users wait for a worker, on the average of 5m: more than 1.5 times those "
        f"15m before, and 3 more. {code.code} does not spike yet. Since {since} +0000 UTC.\n"
        f"Causes: {code.causes}\nFix: {code.fix}",
        "runbook_url": f"http://127.0.0.1:10401/codes/{code.system}/{code.code}",
        "dashboard_url": "http://127.0.0.1:3000/d/session-end-code"
        f"?var-system={code.system}&var-code={code.code}",
    }


def grows() -> Run:
    """8 wait from 30m on: of the averages of six samples the one at 32m, 24 / 6, is the first above 3."""
    (code,) = codes()
    alert = alert_of(code, "queue")
    case = Case("1m", {queued(): "0x29 8x20"})
    case.silent("32m", alert)
    case.firing("33m", alert, labels_of(code, "queue"), texts(code, 5, "1970-01-01 00:32:00"))
    return Run(FILES, (case, *nearly(code, alert)), only=(GROUP,))


def nearly(code: Code, alert: str) -> list[Case]:
    """A queue that always stands, that grows less, that one minute's crowd makes, and one of users who are
    turned away already; and a poller that was silent while it grew."""
    near = [
        Case("1m", {queued(): "40x120"}),
        Case("1m", {queued(): "10x59 17x60"}),
        Case("1m", {queued(): "0x59 14 0x60"}),
        Case("1m", {queued(): "0x59 30x60", spike(code): "1x120"}),
        Case("1m", {queued(): "0x30 _x29 30x4"}),
        Case("1m", {queued(): "0x59 2x60", queued("p2"): "0x59 2x60"}),
    ]
    for case in near:
        for minute in range(1, 120):
            case.silent(f"{minute}m", alert)
    return near
