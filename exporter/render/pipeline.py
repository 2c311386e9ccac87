"""Alerts about the exporter itself, by name; `catalog.PIPELINE` has their severities."""

from dataclasses import dataclass

from exporter import names
from exporter.policy.model import Counted, Missing, Pipeline
from exporter.render.promql import INSTANCE, number, quoted
from exporter.render.texts import plain

_PER_INSTANCE = "{{ $labels.instance }}"


@dataclass(frozen=True, slots=True)
class Condition:
    """Expression and texts of one alert; the texts are Go templates."""

    expr: str
    summary: str
    description: str
    for_: str = ""


def conditions(policy: Pipeline) -> dict[str, Condition]:
    """Every alert about the exporter. Its counters are each instance's own: replicas share the work, so
    sums are of instances."""
    up = f"up{{job={quoted(policy.job)}}}"
    silence, damaged, full = policy.no_events, policy.ledger_damaged, policy.dedup_window_full
    lost = policy.ledger_lost
    delay, refused, missing = policy.events_delayed, policy.requests_refused, policy.counts_missing
    return {
        "SessionEndExporterDown": Condition(
            f"{up} == 0",
            f"The exporter {_PER_INSTANCE} is down",
            f"Prometheus can't scrape {_PER_INSTANCE}. Its senders keep their events and try again; "
            "unless a replica shows its counts, no alert about its systems can fire until it is back. "
            "Look at its process and its log.",
            policy.down.for_,
        ),
        "SessionEndExporterAbsent": Condition(
            f"absent({up})",
            "Prometheus knows no exporter",
            f"No target has job={plain(quoted(policy.job))}: nothing counts session ends, and no other "
            "alert can fire. Look at Prometheus' scrape configuration and its service discovery.",
            policy.absent.for_,
        ),
        "SessionEndExporterCountsMissing": Condition(
            _missing(missing),
            "Counts of {{ $labels.system }} are missing",
            "No exporter that takes events shows ledger {{ $labels.ledger }}, or none did for a "
            f"part of the last {missing.settled}. Sums over {{{{ $labels.system }}}} are too low, and "
            "nobody is told that its successes stopped. Look for an exporter that is down or no "
            "longer among Prometheus' targets.",
            missing.for_,
        ),
        "SessionEndExporterNoEvents": Condition(
            f"sum(increase({names.ACCEPTED_EVENTS}[{silence.window}])) == 0\n"
            f"and sum(increase({names.ACCEPTED_EVENTS}[{silence.before}] offset {silence.window}))"
            f" > {number(silence.events)}",
            "The exporter gets no events",
            f"Not one event in {silence.window}, and more than {number(silence.events)} in the "
            f"{silence.before} before. Look at the senders, their tokens and the way to the "
            "ingest listener.",
            silence.for_,
        ),
        "SessionEndExporterLedgerNotWritable": Condition(
            f"{names.LEDGER_WRITABLE} == 0",
            f"The ledger of {_PER_INSTANCE} takes no events",
            "Events are answered 503 and wait with their senders. Look at the disk (full, read-only, "
            "hanging or failing), or at the engine of a shared ledger; the log names the error.",
            policy.ledger_not_writable.for_,
        ),
        "SessionEndExporterLedgerDamaged": Condition(
            f"({names.LEDGER_DAMAGED} > 0) > time() - {damaged.window.seconds}",
            f"A damaged ledger of {_PER_INSTANCE} was moved aside",
            "Moved aside at {{ $value | humanizeTimestamp }}. A new ledger was started: totals begin at 0, "
            "and retries of earlier events count again. Keep the damaged file, check the disk, read the "
            "log.",
        ),
        # Replicas all tell of the same loss.
        "SessionEndExporterLedgerLost": Condition(
            f"max(increase({names.LEDGER_LOST}[{lost.window}])) > 0",
            "A failover of the shared ledger lost counts",
            f'{{{{ $value | printf "%.0f" }}}} events of the last {lost.window} were answered 200 and are '
            "not in the ledger any more. Totals stand still until they are reached again, and retries of "
            "these events may count twice. Look at the engine's failover, and at the setting ledger_wait.",
        ),
        "SessionEndExporterLedgerMisconfigured": Condition(
            f"max by ({names.SETTING}) ({names.LEDGER_MISCONFIGURED}) == 1",
            "The shared ledger's engine may lose counts: {{ $labels.setting }}",
            "The engine's {{ $labels.setting }} is not what a ledger needs. Events are counted all the "
            "same. The landing page and the log of the exporter say what to change.",
            policy.ledger_misconfigured.for_,
        ),
        "SessionEndExporterRequestsRefused": Condition(
            f"sum(increase({names.REFUSED_REQUESTS}[{refused.window}])) > {number(refused.requests)}\n"
            f"and sum(increase({names.REFUSED_REQUESTS}[{refused.window}]))"
            f" > {number(refused.share)} * sum(increase({names.REQUESTS}[{refused.window}]))",
            "The exporter refuses requests",
            f'{{{{ $value | printf "%.0f" }}}} requests in {refused.window} were refused, and nothing in '
            f"them was counted. {names.REFUSED_REQUESTS} by reason says why, the log which sender.",
            refused.for_,
        ),
        "SessionEndExporterEventsRejected": Condition(
            _share(f"sum(increase({names.REJECTED_EVENTS}[@window]))", policy.events_rejected),
            "The exporter rejects events",
            f'{{{{ $value | printf "%.0f" }}}} events in {policy.events_rejected.window} broke a rule '
            f"and were not counted. {names.REJECTED_EVENTS} by reason says which rule, the log which "
            "sender.",
            policy.events_rejected.for_,
        ),
        "SessionEndExporterUnknownCodes": Condition(
            _share(
                f"sum by ({names.SYSTEM}) (increase({names.UNKNOWN_CODE_EVENTS}[@window]))",
                policy.unknown_codes,
            ),
            "Codes that the taxonomy does not have on {{ $labels.system }}",
            f'{{{{ $value | printf "%.0f" }}}} events in {policy.unknown_codes.window} were counted as '
            f"unknown. {names.UNKNOWN_CODES_PATH} of the exporter lists the codes as they came.",
            policy.unknown_codes.for_,
        ),
        "SessionEndExporterClockSkew": Condition(
            _share(
                f'sum(increase({names.REJECTED_EVENTS}{{{names.REASON}="clock_skew"}}[@window]))',
                policy.clock_skew,
            ),
            "Events come from the future",
            f'{{{{ $value | printf "%.0f" }}}} events in {policy.clock_skew.window} were rejected '
            "because they end later than now. Compare the clocks of the senders and the exporter.",
            policy.clock_skew.for_,
        ),
        "SessionEndExporterEventsDelayed": Condition(
            f"histogram_quantile({number(delay.quantile)}, "
            f"sum by (le) (rate({names.EVENT_DELAY}_bucket[{delay.window}]))) > {number(delay.age)}",
            "Events come late",
            f"One request in {1 / (1 - delay.quantile):.0f} has events older than "
            "{{ $value | humanizeDuration }}: alerts see incidents that much later. Look at the "
            "senders' queues.",
            delay.for_,
        ),
        "SessionEndExporterDedupWindowFull": Condition(
            f'increase({names.WINDOW_EXPIRED}{{{names.BOUND}="ids"}}[{full.window}]) > 0',
            f"The deduplication window of {_PER_INSTANCE} is full",
            f'{{{{ $value | printf "%.0f" }}}} ids left it in {full.window} for want of room; an event '
            "that is sent again after that counts again. Raise the window's capacity.",
        ),
    }


def _share(count: str, policy: Counted) -> str:
    """More than so many, and more than a share of all events, rejected ones included."""
    count = count.replace("@window", policy.window)
    every = " + ".join(
        f"(sum(increase({name}[{policy.window}])) or vector(0))"
        for name in (names.ACCEPTED_EVENTS, names.REJECTED_EVENTS)
    )
    return (
        f"{count} > {number(policy.events)}\n"
        f"and {count} > on () group_left () {number(policy.share)} * ({every})"
    )


def _missing(policy: Missing) -> str:
    """Per system and ledger. A replica that shows the ledger makes up for one that doesn't, and an exporter
    that counts makes up for the ledger it was started with: a damaged one is moved aside for a new one.

    Also for a while after a return, when the hole is still in what `stopped` compares. Looking at one
    instant of that while let `stopped`, which fires on when its reason is gone, out for a minute.
    """
    often = (policy.settled.seconds - policy.for_.seconds) / policy.settled_step.seconds

    def shown(label: str) -> str:
        now = (
            f"group by ({names.SYSTEM}, {label}) "
            f"({names.RULE_SUM} unless on ({INSTANCE}) {names.LEDGER_WRITABLE} == 0)"
        )
        settled = f"count_over_time({now}[{policy.settled}:{policy.settled_step}])"
        return f"unless on ({names.SYSTEM}, {label}) ({now} and {settled} >= {number(often)})"

    known = f"group by ({names.SYSTEM}, {names.LEDGER}, {INSTANCE}) ({names.RULE_SUM})"
    memory = f"{known}[{policy.memory}:{policy.memory_step}] offset {policy.settled}"
    return (
        f"group by ({names.SYSTEM}, {names.LEDGER}) (\n"
        f"  last_over_time({memory})\n"
        f"  {shown(names.LEDGER)}\n"
        f"  {shown(INSTANCE)}\n"
        ")"
    )
