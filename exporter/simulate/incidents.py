"""What goes wrong, or looks as if it did: one function each, its story in its docstring.

`@_incident` gives a function its name, the codes by system (a system without any does not have the
incident; `()` is one without codes of its own), how long it lasts, and what the alerts should make of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from exporter.simulate.traffic import DAY, HOUR
from exporter.simulate.window import Window

Codes = Mapping[str, tuple[str, ...]]
Change = Callable[[Window], None]
CLOCK_CHANGE: Final = "clock-change"
ONE_REGION: Final = "one-region"
MAINTENANCE: Final = "maintenance"
_EVERYWHERE: Final[Codes] = {"streampixel": (), "softdrive": ()}
_CAPACITY: Final[Codes] = {"streampixel": ("4001",), "softdrive": ("18",)}
"""Softdrive has no code for want of machines: a host that is gone is "Server is unreachable"."""
_MINUTE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Kind:
    """An incident before it happens; `seconds` is how long it lasts, the rest as in `Incident`.

    `lasts` says that its change goes on to the history's end, whatever the label says.
    """

    name: str
    story: str
    codes: Codes
    seconds: float
    expects: str
    signals: tuple[str, ...]
    change: Change
    flapping: bool = False
    lasts: bool = False


KINDS: Final[dict[str, Kind]] = {}
"""Every kind by name, in this file's order."""


def _incident(
    name: str,
    codes: Codes,
    seconds: float,
    expects: str = "nothing",
    *signals: str,
    flapping: bool = False,
    lasts: bool = False,
) -> Callable[[Change], Change]:
    def register(change: Change) -> Change:
        story = " ".join((change.__doc__ or "").split())
        KINDS[name] = Kind(name, story, codes, seconds, expects, signals, change, flapping, lasts)
        return change

    return register


# --- pages ------------------------------------------------------------------------------------------


@_incident("capacity-small", _CAPACITY, 2 * HOUR, "page", "spike")
def capacity_small(window: Window) -> None:
    """A few of the GPU workers did not come back after a driver update: at the fullest minutes one
    session in twenty finds none."""
    window.take(0.05)


@_incident("capacity-medium", _CAPACITY, 90 * _MINUTE, "page", "spike")
def capacity_medium(window: Window) -> None:
    """A customer's event takes a good part of the pool: one session in ten finds no worker."""
    window.take(0.10)


@_incident("capacity-large", _CAPACITY, 60 * _MINUTE, "page", "spike")
def capacity_large(window: Window) -> None:
    """The provider took back a whole group of spot machines: a third of the sessions find no worker
    until others have booted."""
    window.take(0.33)


@_incident("flapping", _CAPACITY, 60 * _MINUTE, "page", "spike", flapping=True)
def flapping(window: Window) -> None:
    """An autoscaler that overshoots: workers gone for six minutes, back for six, for an hour."""
    window.take(np.where(window.seconds // (6 * _MINUTE) % 2 == 0, 0.33, 0.0))


@_incident(
    "crash-loop",
    {"streampixel": ("4006",), "softdrive": ("07",)},
    6 * HOUR,
    "page",
    "spike",
)
def crash_loop(window: Window) -> None:
    """A release with a crash in a scene that one visitor in fourteen opens, found and rolled back after
    six hours."""
    window.take(0.07)


@_incident(
    ONE_REGION,
    {"streampixel": ("4005",), "softdrive": ("502",)},
    90 * _MINUTE,
    "page",
    "spike",
)
def one_region(window: Window) -> None:
    """The signalling of one region is down and the others are well. A third of the traffic is there, so
    a third of all ends have the code."""
    window.take(1 / 3)


@_incident("stop", _EVERYWHERE, 2 * HOUR, "page", "stopped")
def stop(window: Window) -> None:
    """No event at all: the front door's certificate expired, or a release of the senders forgot to
    send."""
    window.scale(0.0)


@_incident("successes-vanish", _EVERYWHERE, 90 * _MINUTE, "page", "stopped", "spike")
def successes_vanish(window: Window) -> None:
    """Nobody gets in, so nobody leaves well; the failures that are always there go on. Their share of all
    ends becomes all of it, so a spike counts as found too."""
    window.scale_successes(0.0)


# --- tickets ----------------------------------------------------------------------------------------


@_incident(
    "slow-creep",
    {"streampixel": ("1006",), "softdrive": ("12",)},
    3 * DAY,
    "ticket",
    "elevated",
)
def slow_creep(window: Window) -> None:
    """A provider's route gets worse by the day: abnormal closures grow to two and a half times as many
    over a day and a half and stay there until the route is changed."""
    window.grow(1.0 + 1.5 * np.minimum(window.progress * 2, 1.0))


@_incident(
    "tls-inspection",
    {"softdrive": ("01",)},
    8 * HOUR,
    "ticket",
    "spike",
    "elevated",
    "new",
)
def tls_inspection(window: Window) -> None:
    """A customer's proxy begins to open TLS, office by office over two hours: handshakes that never
    failed are 5 % of all ends until the exception is made."""
    window.take(0.05 * np.minimum(window.seconds / (2 * HOUR), 1.0))


@_incident(
    "new-code",
    {"streampixel": ("4000",), "softdrive": ("06",)},
    6 * HOUR,
    "ticket",
    "new",
)
def new_code(window: Window) -> None:
    """A code never seen before: a release that throws in one of a hundred sessions, or projects that an
    admin disables one after the other."""
    window.take(0.01)


@_incident("maintenance-overrun", {"softdrive": ("13",)}, 3 * HOUR, "ticket", "overrun")
def maintenance_overrun(window: Window) -> None:
    """The nightly maintenance does not end: hosts restart again and again into the morning, and a third
    of all ends are restarts."""
    window.take(0.33)


# --- nuisances: nobody is to hear of them --------------------------------------------------------------


@_incident("recovery", _EVERYWHERE, 30 * _MINUTE)
def recovery(window: Window) -> None:
    """After an outage everybody comes at once: three times the successes, back to usual in half an hour.
    Belongs right behind a stop."""
    window.scale_successes(1.0 + 2.0 * (1.0 - window.progress))


@_incident("holiday", _EVERYWHERE, DAY)
def holiday(window: Window) -> None:
    """A public holiday: four tenths of the traffic from midnight to midnight, an hour's slope on each
    side."""
    window.scale(1.0 - 0.6 * window.slopes(HOUR))


@_incident("launch-day", _EVERYWHERE, 14 * HOUR)
def launch_day(window: Window) -> None:
    """A product is shown on stage: up to five times the traffic, smoothly there and back."""
    window.scale(1.0 + 4.0 * np.sin(np.pi * window.progress) ** 2)


@_incident("quiet-evening", _EVERYWHERE, 4 * HOUR)
def quiet_evening(window: Window) -> None:
    """A final on television: a fifth of the traffic within a quarter of an hour, then all of it
    again."""
    window.scale(1.0 - 0.8 * window.slopes(15 * _MINUTE))


@_incident(
    "duplicate-burst",
    {"streampixel": ("4003",), "softdrive": ("19",)},
    5 * _MINUTE,
)
def duplicate_burst(window: Window) -> None:
    """One user's browser tries again without a pause: 20 to 60 ends of one code within a minute."""
    ends = int(window.random.integers(20, 60, endpoint=True))
    window.burst(window.codes[0], ends, float(window.random.uniform(10.0, 60.0)))


@_incident(MAINTENANCE, {"softdrive": ("13",)}, 12 * _MINUTE)
def maintenance(window: Window) -> None:
    """Every night hosts restart one after the other: for twelve minutes, on top of the other ends,
    restarts as many as a third of them, which is 7 % in that hour."""
    window.add(0.35)


@_incident(CLOCK_CHANGE, _EVERYWHERE, DAY, lasts=True)
def clock_change(window: Window) -> None:
    """Summer time begins: from now on the whole day happens an hour earlier in UTC. The label is of the
    first day, the change stays."""
    window.scale(window.traffic.shape(window.times + HOUR) / window.traffic.shape(window.times))
