"""The policy that alerts are rendered with: the shipped one or the operator's own."""

from importlib.resources import as_file, files
from pathlib import Path

from exporter.errors import ConfigError
from exporter.policy.fields import Section
from exporter.policy.model import Chosen, Duration, Policy
from exporter.taxonomy.document import read
from exporter.taxonomy.model import Taxonomy


def load(path: Path | None = None) -> Policy:
    """The policy in a file, the shipped one without a path.

    Raises `ConfigError` with every mistake, each as `path:line: message`.
    """
    if path is None:
        with as_file(files("exporter") / "policy.yaml") as shipped:
            return load(shipped)
    mistakes: list[str] = []
    document = read(path, "the policy", mistakes)
    policy = None if document is None else Section(document).read(Policy)
    if policy is None or mistakes:
        raise ConfigError(*mistakes)
    mistakes = [f"{path}: {mistake}" for mistake in _contradictions(policy)]
    if mistakes:
        raise ConfigError(*mistakes)
    return policy


def fits(policy: Policy, taxonomy: Taxonomy) -> list[str]:
    """What the policy says about systems and codes that the taxonomy does not have."""
    mistakes = []
    listed: tuple[Chosen, ...] = (*policy.queue.codes, *policy.builds.codes)
    named = [(one.system, one.place) for one in listed]
    named += [(one.system, one.place) for one in policy.budget.objectives]
    for system_name, place in named:
        if system_name not in taxonomy.systems:
            known = ", ".join(taxonomy.systems)
            mistakes.append(f"{place}: system {system_name!r} is not known; known are {known}")
    for one in listed:
        system = taxonomy.systems.get(one.system)
        if system is not None and one.code not in {code.code for code in system.codes}:
            known = ", ".join(code.code for code in system.codes)
            mistakes.append(
                f"{one.place}: code {one.code!r} is not one of {one.system}'s; its codes are {known}"
            )
    return mistakes


def _contradictions(policy: Policy) -> list[str]:
    """Windows that refer to windows which are not there."""
    mistakes = []
    short = [str(one.window) for one in policy.limit.windows]
    long = [str(one.window) for one in policy.elevated.windows]
    references = [
        ("spike's confirm_window", policy.spike.confirm_window, "limit", short),
        ("overrun's window", policy.overrun.window, "limit", short),
        ("new's window", policy.new.window, "limit", short),
        ("elevated's planned_window", policy.elevated.planned_window, "elevated", long),
        ("baseline's window", policy.baseline.window, "elevated", long),
    ]
    stopped = [str(one.window) for one in policy.stopped.windows]
    recorded = list(dict.fromkeys((*short, *long, *stopped)))
    for below in policy.stopped.windows:
        for name, window in (
            ("before", below.before),
            ("longer_before", below.longer_before),
            ("confirm", below.confirm),
        ):
            what = f"the {name} of stopped's {below.window}"
            references.append((what, window, "limit, elevated or stopped", recorded))
    for one in policy.elevated.windows:
        what = f"the confirm_window of elevated's {one.window}"
        references.append((what, one.confirm_window, "limit or elevated", [*short, *long]))
    for what, window, section, windows in references:
        if window not in windows:
            mistakes.append(f"{what} {window} is not a window of {section}: {', '.join(windows)}")
    for section, written in (("limit", short), ("elevated", long)):
        if written != sorted(written, key=lambda window: Duration(window).seconds):
            mistakes.append(
                f"windows of {section} are not written shortest first: {', '.join(written)}"
            )
    if repeated := sorted({w for w in [*short, *long] if [*short, *long].count(w) > 1}):
        mistakes.append(f"windows of limit and elevated are written twice: {', '.join(repeated)}")
    shortest = min(one.window.seconds for one in policy.limit.windows)
    if policy.spike.burst.seconds >= shortest:
        mistakes.append(f"spike's burst {policy.spike.burst} is not shorter than limit's windows")
    if policy.new.memory.seconds <= policy.baseline.window.seconds:
        mistakes.append(
            f"new's memory {policy.new.memory} is not longer than baseline's window "
            f"{policy.baseline.window}"
        )
    longest = max(
        one.window.seconds + max(one.before.seconds, one.longer_before.seconds)
        for one in policy.stopped.windows
    )
    memory = policy.pipeline.counts_missing.memory
    if memory.seconds < longest:
        mistakes.append(
            f"counts_missing's memory {memory} is shorter than stopped's longest window and its before "
            "together"
        )
    return mistakes
