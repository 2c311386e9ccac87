"""Ordinary traffic of the two systems. Vendors publish no figures: each share is an assumption."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from exporter.errors import ConfigError
from exporter.taxonomy.loader import load
from exporter.taxonomy.model import Code, Outcome

STREAMPIXEL: Final[Mapping[str, float]] = {
    "1000": 0.8225,
    "1001": 0.085,  # one visitor in ten closes the tab, not the stream
    "1005": 0.012,  # mobile networks that drop without a close frame
    "1006": 0.018,  # the same, as most browsers report it; the most frequent failure
    "4000": 0.0,  # an administrator disables a project: not in an ordinary month
    "4001": 0.003,  # peak load sometimes exceeds the fixed limit
    "4002": 0.001,  # old links to deleted projects
    "4003": 0.002,
    "4004": 0.042,  # the default limit of 30 minutes ends long visits
    "4005": 0.004,
    "4006": 0.006,  # applications crash more often than they fail to start
    "4007": 0.004,  # a fifth of the connections dropped with 1005 or 1006 never reconnect
    "unknown": 0.0005,
}
"""Visitors of configurators and showrooms; the successes 1000 and 1001 are 90.75 % of all ends."""

SOFTDRIVE: Final[Mapping[str, float]] = {
    "none": 0.8778,
    "1001": 0.001,
    "1002": 0.0,
    "1003": 0.0,
    "1004": 0.0,  # four codes share a name; only the first is common
    "500": 0.001,
    "502": 0.002,  # a few seconds at each deployment of a gateway
    "guest_agent": 0.004,  # an agent that hangs until its machine restarts
    "01": 0.0002,  # a proxy that inspects TLS, until an exception is configured
    "02": 0.001,
    "03": 0.006,
    "04": 0.008,  # sleeping laptops and cellular networks stop UDP
    "06": 0.0,  # a client exception: not in an ordinary month
    "07": 0.002,
    "08": 0.002,
    "09": 0.001,
    "10": 0.025,  # the user's second device takes over the session
    "11": 0.006,
    "12": 0.012,  # switches between Wi-Fi and cable; the most frequent failure
    "13": 0.001,  # restarts by an administrator; maintenance is an incident
    "14": 0.030,  # the user logs off in the cloud PC
    "15": 0.012,  # mistyped passwords, expired tokens
    "18": 0.0015,
    "19": 0.006,  # hotel networks without UDP
    "unknown": 0.0005,
}
"""Office workers on cloud PCs; the success `none` is 87.8 % of all ends, neutral 10, 14 and 15 are 6.7 %."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Shares of all session ends by code, and the load over a day and a week.

    `peak_hour` is in UTC. `weekend` is the load of a weekend day as a multiple of a working day's.
    """

    shares: Mapping[str, float]
    peak_hour: float
    weekend: float


PROFILES: Final[Mapping[str, Profile]] = {
    # Showrooms: most visitors come in the evening, slightly more on days off.
    "streampixel": Profile(STREAMPIXEL, peak_hour=19.0, weekend=1.2),
    # Offices: most sessions end at the end of Europe's working day; a third of the users work on weekends.
    "softdrive": Profile(SOFTDRIVE, peak_hour=15.0, weekend=0.35),
}
SYSTEMS: Final = tuple(PROFILES)


def with_failures(system: str, failing: float | None) -> Mapping[str, float]:
    """The system's shares with failures scaled to `failing`, at the expense of successes; None: as they are.

    Raises `ConfigError` when failures and successes together are less than `failing`.
    """
    shares = PROFILES[system].shares
    if failing is None:
        return shares
    outcomes = {code.code: code.outcome for code in codes(system)}

    def total(outcome: Outcome) -> float:
        return sum(share for code, share in shares.items() if outcomes[code] is outcome)

    failures, successes = total(Outcome.FAILURE), total(Outcome.SUCCESS)
    if successes + failures < failing:
        raise ConfigError(
            f"--failing = {failing:g}: use at most {successes + failures:.4g} for {system}; "
            "the other session ends are neither successes nor failures"
        )
    factors = {
        Outcome.FAILURE: failing / failures,
        Outcome.SUCCESS: (successes + failures - failing) / successes,
        Outcome.NEUTRAL: 1.0,
    }
    return {code: share * factors[outcomes[code]] for code, share in shares.items()}


@cache
def codes(system: str) -> tuple[Code, ...]:
    """Every code of a shipped system, and `unknown` last."""
    return load().systems[system].all_codes
