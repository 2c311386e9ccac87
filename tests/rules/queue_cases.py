"""Cases for the alert about a queue that grows."""

from exporter import names
from tests.rules.promtool import (
    DASHBOARDS,
    RUNBOOKS,
    SESSION_ENDS,
    WINDOWS_GROUP,
    WORDS_GROUP,
    Case,
    Run,
    series,
)

ALERT = "SessionEndQueueGrowing"
FILES = (SESSION_ENDS,)
ONLY = (WORDS_GROUP, WINDOWS_GROUP)
LABELS = {
    "severity": "ticket",
    "signal": "queue",
    "owner": "capacity",
    "system": "streampixel",
}
SPIKE = series(
    "ALERTS",
    {
        "alertname": "SessionEndSpike",
        "alertstate": "firing",
        "owner": "capacity",
        "system": "streampixel",
        "code": "4001",
    },
)


def queued(project: str = "p1", instance: str = "exporter:1") -> str:
    """Users who wait, as Prometheus has them of one exporter."""
    labels = {"system": "streampixel", "project": project, "instance": instance}
    return series(names.QUEUED_USERS, {**labels, "job": "session-end-exporter"})


def texts(users: int, since: str) -> dict[str, str]:
    return {
        "summary": "The queue for a worker grows on streampixel",
        "description": f"{users} users wait for a worker (mean of 5 min, in projects whose queue grew by "
        f"half and by 3 users in 15 min), since {since} UTC. No capacity code spikes yet.",
        "runbook_url": f"{RUNBOOKS}/alerts/{ALERT}",
        "dashboard_url": f"{DASHBOARDS}/d/session-ends?var-system=streampixel",
    }


def grows() -> Run:
    """8 wait from 30m on: of the averages of six samples the one at 32m, 24 / 6, is the first above 3."""
    case = Case("1m", {queued(): "0x29 8x20"})
    case.silent("32m", ALERT)
    case.firing("33m", ALERT, LABELS, texts(5, "00:32"))
    return Run(FILES, (case, *nearly()), only=ONLY, records=("none",))


def nearly() -> list[Case]:
    """A queue that always stands, that grows less, that one minute's crowd makes, and one of users who are
    turned away already; and a poller that was silent while it grew."""
    near = [
        Case("1m", {queued(): "40x120"}),
        Case("1m", {queued(): "10x59 17x60"}),
        Case("1m", {queued(): "0x59 14 0x60"}),
        Case("1m", {queued(): "0x59 30x60", SPIKE: "1x120"}),
        Case("1m", {queued(): "0x30 _x29 30x4"}),
        Case("1m", {queued(): "0x59 2x60", queued("p2"): "0x59 2x60"}),
    ]
    for case in near:
        for minute in range(1, 120):
            case.silent(f"{minute}m", ALERT)
    return near
