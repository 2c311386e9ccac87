"""The annotations of the alerts: fixed text from the taxonomy, and the numbers as templates.

Prometheus expands annotations as Go templates. Every brace of a taxonomy's text or of a URL is
escaped, single ones too: "{" before our own "{{" would open the action one character early.
"""

from exporter import names
from exporter.builds.events import REACHING
from exporter.policy.model import Policy
from exporter.render.catalog import Signal, Subject
from exporter.render.pack import Pack
from exporter.render.promql import PER_SYSTEM, number, quoted, selector
from exporter.taxonomy.model import Code, System


def plain(text: str) -> str:
    """Text that Go's templates write as it is."""
    return text.replace("{", '{{"{"}}')


def annotations(pack: Pack, subject: Subject) -> dict[str, str]:
    """summary, description, runbook_url, dashboard_url."""
    return {
        "summary": plain(_summary(subject)),
        "description": _description(pack.policy, subject),
        "runbook_url": plain(pack.runbook_url(subject)),
        "dashboard_url": plain(pack.dashboard_url(subject)),
    }


def _summary(subject: Subject) -> str:
    code, system = subject.code, subject.system
    if code is not None and system is not None:
        name = code.name if code.code == names.UNKNOWN else f"{code.code} {code.name}"
        if subject.signal is Signal.QUEUE:
            return f"The queue ahead of {name} grows on {system.system}"
        return f"{name} {subject.signal.value} on {system.system}"
    if system is not None:
        what = {
            Signal.STOPPED: "Successful session ends stopped",
            Signal.BUDGET: "Error budget burns too fast",
        }[subject.signal]
        return f"{what} on {system.system}"
    raise ValueError(f"{subject.alert} has its texts in pipeline.py")


def _description(policy: Policy, subject: Subject) -> str:
    code, system = subject.code, subject.system
    if system is None:
        raise ValueError(f"{subject.alert} has its texts in pipeline.py")
    since = _since(subject.alert)
    # Fires at its first evaluation, before which Prometheus has not written since when.
    new = subject.signal is Signal.NEW
    if code is None:
        return f"{_of_system(policy, subject.signal, system)} {since}"
    build = _build(policy, code) if subject.signal is Signal.SPIKE else ""
    return (
        f"{_of_code(policy, subject.signal, code)}{'' if new else f' {since}'}{build}\n"
        f"Causes: {plain(code.causes)}\nFix: {plain(code.fix)}"
    )


def _of_code(policy: Policy, signal: Signal, code: Code) -> str:
    count = '{{ $value | printf "%.0f" }}'
    if signal is Signal.NEW:
        new = policy.new
        return f"{count} in {new.window}, none in the {new.memory} before."
    if signal is Signal.QUEUE:
        queue = policy.queue
        return (
            f"{count} users wait for a worker, on the average of {queue.window}: more than "
            f"{number(queue.factor)} times those {queue.before} before, and {number(queue.users)} more. "
            f"{plain(code.code)} does not spike yet."
        )
    window = {
        Signal.SPIKE: policy.spike.confirm_window,
        Signal.OVERRUN: policy.overrun.window,
        Signal.ELEVATED: policy.elevated.windows[0].window,
    }[signal]
    if signal is Signal.ELEVATED:
        # Either window may have fired; the query answers for one, whichever it was.
        count = _query(selector(names.RULE_COUNT + window, _labels(code)), 'printf "%.0f"')
    usual = _query(selector(names.RULE_USUAL + window, _labels(code)), 'printf "%.1f"')
    share = _query(
        f"{selector(names.RULE_COUNT + window, _labels(code))} / {PER_SYSTEM} "
        f"{selector(names.RULE_ENDS + window, {names.SYSTEM: code.system})}",
        "humanizePercentage",
    )
    return f"{count} in {window}, usual {usual}; {share} of all ends."


def _build(policy: Policy, code: Code) -> str:
    """How long ago a build began to reach users, on a line of its own; nothing when that is long ago."""
    if (code.system, code.code) not in policy.suspect:
        return ""
    builds = f'{names.SYSTEM}={quoted(code.system)}, {names.EVENT}=~"{"|".join(REACHING)}"'
    window = policy.builds.window.seconds
    age = f"time() - max({names.PLATFORM_LAST_BUILD}{{{builds}}}) <= {window}"
    ago = "{{ . | first | value | humanizeDuration }} ago"
    said = f"A build was approved or distributed {ago}: look at it first."
    return f"{{{{ with query `{age}` }}}}\n{said}{{{{ end }}}}"


def _of_system(policy: Policy, signal: Signal, system: System) -> str:
    labels = {names.SYSTEM: system.system}
    if signal is Signal.STOPPED:
        now = policy.spike.confirm_window
        ends = _query(selector(names.RULE_ENDS + now, labels), 'printf "%.0f"')
        return (
            f"Fewer than {policy.stopped.factor:.0%} of the successes of the hours before: "
            "sessions no longer reach a normal end, or their ends no longer reach the exporter. "
            f"Ends of any kind in {now}: {ends}."
        )
    allowed = (1 - policy.budget.objective_of(system.system)) * 100
    return (
        "{{ $value | humanizePercentage }} of the sessions that count failed; the objective "
        f"allows {allowed:.3g}% of them over {policy.budget.period}."
    )


def _labels(code: Code) -> dict[str, str]:
    return {names.SYSTEM: code.system, names.CODE: code.code}


def _since(alert: str) -> str:
    """Prometheus writes ALERTS_FOR_STATE after the evaluation that it starts with: what fires in that one
    starts now."""
    starts = selector("ALERTS_FOR_STATE", {"alertname": alert})
    return f"Since {_query(f'min({starts} or vector(time()))', 'humanizeTimestamp')}."


def _query(promql: str, shown: str) -> str:
    """A number looked up when the alert fires, and only then."""
    number = f"{{{{ . | first | value | {shown} }}}}"
    return f"{{{{ with query `{promql}` }}}}{number}{{{{ else }}}}unknown{{{{ end }}}}"
