"""Hours of an exporter's series in which every kind of alert has a reason to fire."""

import numpy as np

from exporter.promql.samples import Samples
from exporter.promql.value import METRIC_NAME, Flags, Floats, labels
from tests.rules.series import CODES

STEP = 30
INSTANCES = ("exporter:1", "exporter:2")
JOB = "session-end-exporter"


def eventful(system: str, codes: tuple[str, ...], seed: int, rows: int) -> list[Samples]:
    """Outages of two sizes, a new code, a stop, failed scrapes, a replica that restarts from zero and is
    gone for a while; and the exporter's own counters, with trouble of every kind."""
    random = np.random.default_rng(seed)
    times = np.arange(rows, dtype=np.int64) * STEP * 1000
    there = [scrapes(random, rows), scrapes(random, rows)]
    there[1][rows // 2 : rows // 2 + 50] = False
    series: list[Samples] = []

    def add(metric: str, values: Floats, instance: int, **more: str) -> None:
        row = labels({METRIC_NAME: metric, "instance": INSTANCES[instance], "job": JOB, **more})
        present = there[instance] if metric != "up" else np.ones(rows, np.bool_)
        series.append(Samples.of(times, [row], values[np.newaxis], present[np.newaxis]))

    def counter(rate: float, begin: float = 0, end: float = 0, much: float = 0) -> Floats:
        rates = np.full(rows, rate)
        rates[int(begin * rows) : int(end * rows)] = much
        return np.cumsum(random.poisson(rates)).astype(np.float64)

    for place, (code, total) in enumerate(zip(codes, ends(random, len(codes), rows), strict=True)):
        known = CODES[system, code]
        for instance in range(len(INSTANCES)):
            counted = total.copy()
            if instance:
                counted[rows // 3 + place :] -= counted[rows // 3 + place]
            add(
                "session_ends_total",
                counted,
                instance,
                system=system,
                code=code,
                phase=known.phase,
                category=known.category,
                outcome=known.outcome.value,
                ledger="a",
            )
            one = np.ones(rows)
            of_code = {"system": system, "code": code}
            add(
                "session_end_code_info",
                one,
                instance,
                **of_code,
                name=f"{known.name} {instance}",
                phase=known.phase,
                category=known.category,
                outcome=known.outcome.value,
                owner=known.owner.value,
                severity=known.severity.value,
                planned="true" if known.planned else "false",
            )
            add(
                "session_end_code_help",
                one,
                instance,
                **of_code,
                causes=known.causes,
                fix=known.fix,
            )
    for instance in range(len(INSTANCES)):
        own = "session_exporter_"
        add("process_start_time_seconds", np.full(rows, 1000.0 * (instance + 1)), instance)
        add("session_end_objective", np.full(rows, 0.995), instance, system=system)
        add("up", there[instance].astype(np.float64), instance)
        add(f"{own}accepted_events_total", counter(8, 0.5, 0.75, 0), instance)
        add(f"{own}requests_total", counter(8), instance)
        add(f"{own}refused_requests_total", counter(0.1, 0.2, 0.4, 4), instance, reason="throttled")
        add(f"{own}rejected_events_total", counter(0, 0.3, 0.5, 2), instance, reason="clock_skew")
        add(f"{own}rejected_events_total", counter(0.01, 0.6, 0.8, 3), instance, reason="conflict")
        add(f"{own}unknown_code_events_total", counter(0, 0.1, 0.2, 1), instance, system=system)
        add(f"{own}ledger_lost_events_total", counter(0, 0.8, 0.81, 1), instance)
        add(f"{own}dedup_window_expired_ids_total", counter(0, 0.5, 0.51, 9), instance, bound="ids")
        writable = np.ones(rows)
        writable[rows // 4 : rows // 4 + 20] = 0.0
        add(f"{own}ledger_writable", writable, instance)
        damaged = np.zeros(rows)
        damaged[rows // 2 :] = rows // 2 * STEP
        add(f"{own}ledger_damaged_timestamp_seconds", damaged, instance)
        add(f"{own}ledger_misconfigured", 1 - writable, instance, setting="appendfsync")
        late = np.zeros(rows)
        for bound, part in (("60", 0.5), ("600", 0.8), ("+Inf", 1.0)):
            late = late + counter(part, 0.3, 0.6, 3 * part)
            add(f"{own}event_delay_seconds_bucket", late, instance, le=bound)
        waiting = random.poisson(1.0, rows).astype(np.float64)
        waiting[rows // 6 : rows // 5] += np.arange(rows // 5 - rows // 6)
        add("session_queued_users", waiting, instance, system=system, project="shop")
    return series


def ends(random: np.random.Generator, codes: int, rows: int) -> Floats:
    """(codes, rows): counters of ends."""
    rates = np.full((codes, rows), 0.05)
    rates[0] = 12.0
    rates[-1] = 0.0

    def during(begin: float, end: float, code: int | slice, rate: float) -> None:
        rates[code, int(begin * rows) : int(end * rows)] = rate

    during(0.34, 0.41, 1, 6.0)
    during(0.34, 0.41, 2, 1.0)
    during(0.57, 0.75, 3, 0.7)
    during(0.68, 0.75, -1, 0.2)
    during(0.76, 0.88, slice(None), 0.0)
    return np.cumsum(random.poisson(rates), axis=1).astype(np.float64)


def scrapes(random: np.random.Generator, rows: int) -> Flags:
    present = np.ones(rows, np.bool_)
    for start in random.integers(20, rows, 12):
        present[start : start + random.integers(1, 4)] = False
    return present
