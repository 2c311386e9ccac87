"""The two systems' usual days. No vendor publishes such numbers: each is an assumption with its reason."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

from exporter.errors import ConfigError
from exporter.simulate.traffic import Traffic
from exporter.taxonomy.loader import load
from exporter.taxonomy.model import Outcome, System

STREAMPIXEL: Final[Mapping[str, float]] = {
    "1000": 0.8225,
    "1001": 0.085,  # one visitor in ten closes the tab instead of the stream
    "1005": 0.012,  # mobile visitors: a network that goes away without a close frame
    "1006": 0.018,  # the same, as most browsers report it; the largest true failure
    "4000": 0.0,  # an admin's decision: not in an ordinary month
    "4001": 0.003,  # the fixed limit is met now and then at the peak
    "4002": 0.001,  # old links to projects that are gone
    "4003": 0.002,
    "4004": 0.042,  # the default limit of 30 minutes ends the longest visits
    "4005": 0.004,
    "4006": 0.006,  # applications crash more often than they fail to start
    "4007": 0.004,  # a fifth of the drops that 1005 and 1006 begin as do not come back
    "unknown": 0.0005,
}
"""Visitors of configurators and showrooms: successes 1000 and 1001 are 90.75 % of all ends."""

SOFTDRIVE: Final[Mapping[str, float]] = {
    "none": 0.8778,
    "1001": 0.001,
    "1002": 0.0,
    "1003": 0.0,
    "1004": 0.0,  # four codes of one name: only the first is met in an ordinary month
    "500": 0.001,
    "502": 0.002,  # a gateway's deployment, a few seconds each
    "guest_agent": 0.004,  # an agent that hangs until its machine restarts
    "01": 0.0002,  # a company that opens TLS is met once, then has an exception
    "02": 0.001,
    "03": 0.006,
    "04": 0.008,  # laptops that sleep, cellular networks: UDP that stops
    "06": 0.0,  # no client release throws in an ordinary month
    "07": 0.002,
    "08": 0.002,
    "09": 0.001,
    "10": 0.025,  # the second device of one person takes the session over
    "11": 0.006,
    "12": 0.012,  # Wi-Fi to cable and back; the largest true failure
    "13": 0.001,  # restarts that an admin asks for; maintenance is an incident of its own
    "14": 0.030,  # the user logs off inside the machine
    "15": 0.012,  # mistyped passwords, expired tokens
    "18": 0.0015,
    "19": 0.006,  # hotel networks without UDP
    "unknown": 0.0005,
}
"""Office workers at cloud PCs: success `none` is 87.8 % of all ends, neutral ends (10, 14, 15) 6.7 %."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Shares of all ends, the UTC hour of the fullest load, a weekend day against a working day."""

    shares: Mapping[str, float]
    peak_hour: float
    weekend: float


PROFILES: Final[Mapping[str, Profile]] = {
    # Showrooms are visited in the evening, and a little more when people are off work.
    "streampixel": Profile(STREAMPIXEL, peak_hour=19.0, weekend=1.2),
    # Sessions end around the end of Europe's office hours; a third of the people look in on weekends.
    "softdrive": Profile(SOFTDRIVE, peak_hour=15.0, weekend=0.35),
}
SYSTEMS: Final = tuple(PROFILES)


def fitted(traffic: Traffic, system: str) -> Traffic:
    """`traffic` with the system's profile where it has None, and failures as many as `failing` says."""
    profile = PROFILES[taxonomy(system).system]
    shares = profile.shares if traffic.shares is None else traffic.shares
    return replace(
        traffic,
        shares=shares if traffic.failing is None else _failing(shares, traffic.failing, system),
        peak_hour=profile.peak_hour if traffic.peak_hour is None else traffic.peak_hour,
        weekend=profile.weekend if traffic.weekend is None else traffic.weekend,
    )


def _failing(shares: Mapping[str, float], wanted: float, system: str) -> Mapping[str, float]:
    """`shares` whose failures are `wanted` together, in the same proportion, at the cost of successes.

    Raises `ConfigError` when nothing fails or succeeds that could be more or less.
    """
    known = taxonomy(system)
    outcomes = {one.code: one.outcome for one in (*known.codes, known.unknown)}

    def total(outcome: Outcome) -> float:
        return sum(share for code, share in shares.items() if outcomes.get(code) is outcome)

    now, good = total(Outcome.FAILURE), total(Outcome.SUCCESS)
    if not now or good + now < wanted:
        raise ConfigError(f"failing = {wanted:g}: {now:g} of the shares fail, {good:g} succeed")
    factors = {
        Outcome.FAILURE: wanted / now,
        Outcome.SUCCESS: (good + now - wanted) / good if good else 1.0,
        Outcome.NEUTRAL: 1.0,
    }
    return {
        code: share * factors[outcomes.get(code, Outcome.NEUTRAL)] for code, share in shares.items()
    }


@cache
def taxonomy(system: str) -> System:
    """The shipped taxonomy of a system that has a profile. Raises `ConfigError` for another one."""
    if system not in PROFILES:
        raise ConfigError(f"system = {system!r}: one of {', '.join(PROFILES)}")
    return load().systems[system]
