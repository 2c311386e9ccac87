"""Cases for the alerts about the exporter itself; the first hour is quiet in all of them."""

from dataclasses import dataclass, replace

from exporter import names
from tests.rules.rule_test import Case, RuleSet
from tests.rules.series import DASHBOARDS, RUNBOOKS, in_cluster, scraped, series

INSTANCE = {"instance": "exporter:1", "job": "session-end-exporter"}
PAGES = ("Down", "Absent", "LedgerNotWritable")
"""Alerts that page; the others are tickets."""
UP = scraped("up")
ACCEPTED = scraped(names.ACCEPTED_EVENTS)
REJECTED = scraped(names.REJECTED_EVENTS, reason="invalid_field")
SKEWED = scraped(names.REJECTED_EVENTS, reason="clock_skew")
ANSWERED = scraped(names.REQUESTS, status="200")
REFUSED = scraped(names.REFUSED_REQUESTS, reason="unauthorized")
UNAUTHORIZED = scraped(names.REQUESTS, status="401")
UNKNOWN = scraped(names.UNKNOWN_CODE_EVENTS, system="softdrive")
WRITABLE = scraped(names.LEDGER_WRITABLE)
DAMAGED = scraped(names.LEDGER_DAMAGED)
LOST = scraped(names.LEDGER_LOST)
MISCONFIGURED = scraped(names.LEDGER_MISCONFIGURED, setting="appendonly")
EXPIRED = scraped(names.WINDOW_EXPIRED, bound="ids")
EXPIRY = scraped(names.CERTIFICATE_EXPIRY, listener="ingest")
RELOADED = scraped(names.FILE_RELOADED, file="/etc/tokens")
WATCHDOG = "SessionEndWatchdog"
LIVE_STATS = "SessionEndExporterLiveStatsFailed"
DAYS = 86400
SOFTDRIVE = series(names.RULE_SUM, {"ledger": "a", "instance": "exporter:1", "system": "softdrive"})
STREAMPIXEL = SOFTDRIVE.replace("softdrive", "streampixel")


def delays(*steps: float) -> dict[str, str]:
    """Events per minute in the buckets up to 60, 300, 900 s and infinity."""
    bounds = ("60", "300", "900", "+Inf")
    return {
        scraped(f"{names.EVENT_DELAY}_bucket", le=le): f"0+{step}x300"
        for le, step in zip(bounds, steps, strict=True)
    }


def polled(project: str, instance: str = "exporter:1") -> str:
    return scraped(names.LIVE_STATS_SUCCESS, instance, system="streampixel", project=project)


@dataclass(frozen=True)
class ExporterAlert:
    """An alert: inputs, the first minute at which it fires on them, labels and texts. It never fires on the
    inputs `near`. `{place}` in the summary is " in" and the cluster, if the inputs have one."""

    inputs: dict[str, str]
    minute: int
    labels: dict[str, str]
    summary: str
    description: str
    near: dict[str, str]


ALERTS = {
    "SessionEndExporterDown": ExporterAlert(
        {UP: "1x60 0x20"},
        63,
        INSTANCE,
        "The exporter exporter:1{place} is down",
        "Prometheus cannot scrape exporter:1. Check whether its process runs, read the end of its log, then "
        "start it. Senders keep their events and retry. Until it is back, no alert about its systems can "
        'fire, and a "Resolved" of its systems is not an all-clear, unless a replica shows the same counts.',
        {UP: "1x60 0x1 1x140"},
    ),
    "SessionEndExporterAbsent": ExporterAlert(
        {UP: "1x60 stale"},
        66,
        {"job": "session-end-exporter"},
        "Prometheus has no exporter among its targets",
        'No target has job="session-end-exporter". Open the targets page of Prometheus: the scrape job is '
        "missing, or service discovery finds no target. Until a target is back, no alert on session ends "
        'can fire, and a "Resolved" is not an all-clear.',
        {UP: "1x60 0x140"},
    ),
    "SessionEndExporterCountsMissing": ExporterAlert(
        {SOFTDRIVE: "1x60 stale", WRITABLE: "1x60 stale"},
        62,
        {"system": "softdrive", "ledger": "a"},
        "Counts of softdrive{place} are missing",
        "No exporter that takes events shows ledger a, or none did for a part of the last 10 min. "
        "Sums over softdrive are too low, and SessionEndsStopped is muted for it. Check for an "
        "exporter that is down or no longer among the targets of Prometheus.",
        {SOFTDRIVE: "1x60 _ 1x140", WRITABLE: "1x60 0 1x140"},
    ),
    "SessionEndExporterNoEvents": ExporterAlert(
        # 600 events; the last of them leaves the window of two hours at 180 min.
        {ACCEPTED: "0+10x60 600x140"},
        185,
        {},
        "The exporter{place} receives no events",
        "No event in 2 h, and more than 500 per day before. Check the senders, their tokens "
        "and the network to the ingest listener.",
        {ACCEPTED: "0+8x60 480x140"},
    ),
    "SessionEndExporterLedgerNotWritable": ExporterAlert(
        {WRITABLE: "1x60 0x20"},
        62,
        INSTANCE,
        "The ledger of exporter:1{place} takes no events",
        "Events are answered 503 and wait with their senders. Check the disk (full, read-only, hanging or "
        "failing), or Redis for a shared ledger. The log names the error. Until events are counted again, "
        'a "Resolved" is not an all-clear.',
        {WRITABLE: "1x60 0 1x140"},
    ),
    "SessionEndExporterLedgerDamaged": ExporterAlert(
        {DAMAGED: "0x60 3600x20"},
        61,
        INSTANCE,
        "A damaged ledger of exporter:1{place} was moved aside",
        "Moved aside at 1970-01-01 01:00:00 +0000 UTC. A new ledger began at zero: the counts and "
        "the deduplication window from before are in the damaged file only, and a retry of an "
        "older event counts again. Keep the file, check the disk, read the log.",
        {DAMAGED: "0x200"},
    ),
    "SessionEndExporterLedgerLost": ExporterAlert(
        # Two replicas report the same 40. `increase` over days does not extrapolate beyond 41 minutes.
        {LOST: "0x60 40x140", LOST.replace("exporter:1", "exporter:2"): "0x60 40x140"},
        61,
        {},
        "A failover of the shared ledger{place} lost counts",
        "40 events of the last 4 days were answered 200 and are no longer in the ledger. Totals "
        "stand still until new events reach them again, and retries of these events may count "
        "twice. Check the failover of Redis, and the setting ledger_wait.",
        # Events lost long ago, reported again by a replica that starts.
        {LOST: "40x200"},
    ),
    "SessionEndExporterLedgerMisconfigured": ExporterAlert(
        {MISCONFIGURED: "0x60 1x140"},
        66,
        {"setting": "appendonly"},
        "Redis may lose counts of the shared ledger{place}: appendonly",
        "The setting appendonly of Redis is not what a ledger needs. Events are counted all the "
        "same. The exporter's start page and its log say what to change.",
        {MISCONFIGURED: "0x60 1x4 0x130"},
    ),
    "SessionEndExporterRequestsRefused": ExporterAlert(
        # 6 of 100 per minute are refused: 78 of 1,500 at 73 min.
        {ANSWERED: "0+100x60 6094+94x40", REFUSED: "0x60 6+6x40", UNAUTHORIZED: "0x60 6+6x40"},
        83,
        {},
        "The exporter{place} refuses requests",
        "90 requests in 15 min were refused; nothing in them was counted. "
        "session_exporter_refused_requests_total by reason says why, the log says which sender.",
        # 5 of 100.
        {ANSWERED: "0+95x200", REFUSED: "0+5x200", UNAUTHORIZED: "0+5x200"},
    ),
    "SessionEndExporterEventsRejected": ExporterAlert(
        {ACCEPTED: "0+100x100", REJECTED: "0x60 2+2x40"},
        78,
        {},
        "The exporter{place} rejects events",
        "30 events in 15 min broke a rule and were not counted. "
        "session_exporter_rejected_events_total by reason says which rule, the log has each "
        "message.",
        {ACCEPTED: "0+100x200", REJECTED: "0+1x200"},
    ),
    "SessionEndExporterUnknownCodes": ExporterAlert(
        # 4 of 3,600 ends of softdrive at 64 min; streampixel has many more.
        {SOFTDRIVE: "0+60x100", STREAMPIXEL: "0+10000x100", UNKNOWN: "0x60 1+1x40"},
        69,
        {"system": "softdrive"},
        "Unknown codes on softdrive{place}",
        "9 events in 1 h had a code that the taxonomy does not have; they were counted as "
        "unknown. /api/unknown-codes of the exporter lists the codes as they came. Add each as an alias or a "
        'new code in a YAML file that begins with "extends: softdrive".',
        # 10 of 12,000, and 3 of 60.
        {
            SOFTDRIVE: "0+200x200",
            UNKNOWN: "0x60 10x140",
            STREAMPIXEL: "0+1x200",
            UNKNOWN.replace("softdrive", "streampixel"): "0x60 3x140",
        },
    ),
    "SessionEndExporterClockSkew": ExporterAlert(
        {ACCEPTED: "0+100x100", SKEWED: "0x60 1+1x40"},
        76,
        {},
        "Events{place} come from the future",
        "15 events in 15 min were rejected because they end later than now. Compare the clocks of "
        "the senders and the exporter.",
        {ACCEPTED: "0+100x200", SKEWED: "0x60 5x140"},
    ),
    "SessionEndExporterEventsDelayed": ExporterAlert(
        delays(5, 8, 10, 10),
        91,
        {},
        "Events{place} arrive late",
        "1 in 10 requests has events older than 10m 0s: alerts see incidents that much later. "
        "Check the queues of the senders.",
        delays(5, 9.2, 10, 10),
    ),
    "SessionEndExporterDedupWindowFull": ExporterAlert(
        {EXPIRED: "0x60 10+10x20"},
        61,
        INSTANCE | {"bound": "ids"},
        "The deduplication window of exporter:1{place} is full",
        "10 ids left the window in 1 h for lack of room; an event that is sent again after that "
        "counts again. Raise dedup_window_ids.",
        {EXPIRED: "700x200"},
    ),
    # Time begins with 1970.
    "SessionEndExporterCertificate": ExporterAlert(
        {EXPIRY: f"{14 * DAYS + 3600}x200"},
        66,
        INSTANCE | {"listener": "ingest"},
        "Renew the certificate of the ingest listener of exporter:1{place}",
        "It expires at 1970-01-15 01:00:00 +0000 UTC. After that time, no sender or browser that checks "
        "certificates can connect.",
        {EXPIRY: f"{15 * DAYS}x200"},
    ),
    "SessionEndExporterFileNotLoaded": ExporterAlert(
        {RELOADED: "1x60 0x140"},
        66,
        INSTANCE | {"file": "/etc/tokens"},
        "The exporter exporter:1{place} cannot load /etc/tokens",
        "It uses the previous content of the file. It would not start with this file. Run "
        "session-end-exporter check for the mistake.",
        {RELOADED: "1x60 0x3 1x137"},
    ),
    LIVE_STATS: ExporterAlert(
        # The last success is at 60 min. A replica never had one.
        {polled("p1"): "0+60x60 3600x60", polled("p1", "exporter:2"): "0x120"},
        101,
        {"system": "streampixel", "project": "p1"},
        "No live stats of project p1 on streampixel{place}",
        "Last successful poll: 1970-01-01 01:00:00 +0000 UTC. The queue of the project is unknown: "
        'SessionEndQueueGrowing cannot fire for it, and its "Resolved" is not an all-clear. '
        "session_exporter_live_stats_failures_total by reason says why, the log has the answer of the "
        "platform.",
        # Back after 40 minutes; and a project that only one of two replicas can poll.
        {
            polled("p1"): "0+60x60 3600x39 6060+60x99",
            polled("p2"): "0+60x200",
            polled("p2", "exporter:2"): "0x200",
        },
    ),
}


def cases_of(alert: str) -> list[Case]:
    expected = ALERTS[alert]
    near = Case(expected.near)
    near.never_fires(alert)
    cases = [firing_in(alert, expected, Case(expected.inputs)), near]
    # What is absent has no cluster.
    if alert != "SessionEndExporterAbsent":
        inputs = in_cluster("eu", expected.inputs) | in_cluster("us", expected.near)
        inputs |= {links_of("us"): "1x200", links_of("eu"): "1x60 stale"}
        cases.append(firing_in(alert, expected, Case(inputs), "eu"))
    return cases


def live_stats_never_succeeded() -> Case:
    known = ALERTS[LIVE_STATS]
    text = known.description.replace(
        "1970-01-01 01:00:00 +0000 UTC", "none since the exporter started"
    )
    never = replace(known, inputs={polled("p1"): "0x60"}, minute=41, description=text)
    return firing_in(LIVE_STATS, never, Case(never.inputs))


def links_of(cluster: str) -> str:
    addresses = {"runbooks": f"{RUNBOOKS}/{cluster}", "dashboards": f"{DASHBOARDS}/{cluster}"}
    return scraped(names.LINKS_INFO, cluster=cluster, **addresses)


def firing_in(alert: str, expected: ExporterAlert, case: Case, cluster: str = "") -> Case:
    """The case with the alert in this cluster, and in no other."""
    case.silent(expected.minute - 1, alert)
    severity = "page" if alert.removeprefix("SessionEndExporter") in PAGES else "ticket"
    labels = {"severity": severity, "signal": "exporter"} | expected.labels
    place = path = ""
    if cluster:
        labels["cluster"], place, path = cluster, f" in {cluster}", f"/{cluster}"
    texts = {
        "summary": expected.summary.format(place=place),
        "description": expected.description,
        "runbook_url": f"{RUNBOOKS}{path}/alerts/{alert}",
        "dashboard_url": f"{DASHBOARDS}{path}/d/session-end-exporter",
    }
    case.fires_with(expected.minute, alert, labels, texts)
    return case


def watchdog() -> Case:
    """Fires from the first evaluation on, and without an exporter."""
    case = Case({UP: "0x10"})
    texts = {
        "summary": "Alerts on session ends reach this receiver",
        "description": "This alert always fires. When its notifications stop, no alert on session ends can "
        "arrive: check Prometheus and Alertmanager.",
        "runbook_url": f"{RUNBOOKS}/alerts/{WATCHDOG}",
        "dashboard_url": f"{DASHBOARDS}/d/session-end-exporter",
    }
    case.fires_with(0, WATCHDOG, {"severity": "none", "signal": "watchdog"}, texts)
    return case


def cases() -> dict[str, tuple[RuleSet, list[Case]]]:
    known = {alert: cases_of(alert) for alert in ALERTS}
    known[LIVE_STATS].append(live_stats_never_succeeded())
    known[WATCHDOG] = [watchdog()]
    return {alert: (RuleSet((alert,)), cases) for alert, cases in known.items()}
