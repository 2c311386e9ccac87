"""The incidents that can be simulated: codes, duration, expected alert and effect of each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from exporter.ledger.contract import REPEAT_WINDOW
from exporter.simulate.history import DAY, HOUR, Counts, Floats

ONE_REGION: Final = "one-region"


@dataclass(frozen=True, slots=True)
class Window:
    """The bins from an incident's start to its end, or to the end of the history.

    `times` (Unix seconds) and `seconds` (since the start) are the middles of the bins of `step` seconds;
    the whole incident has `length` seconds. Methods change `rates`, a view of the (bins, codes) means, and
    `exact`, counts without noise, and `repeats`, the retries among them. `codes` (the incident's) and
    `successes` are columns. `load` gives the ordinary load at Unix seconds.
    """

    times: Floats
    seconds: Floats
    step: float
    length: float
    rates: Floats
    exact: Counts
    repeats: Counts
    codes: Sequence[int]
    successes: Sequence[int]
    load: Callable[[Floats], Floats]
    random: np.random.Generator

    @property
    def progress(self) -> Floats:
        """(bins,): from 0 at the start to 1 at the end."""
        return self.seconds / self.length

    def slopes(self, seconds: float) -> Floats:
        """(bins,): rises from 0 to 1 in the first `seconds`, falls back to 0 in the last `seconds`."""
        return np.clip(np.minimum(self.seconds, self.length - self.seconds) / seconds, 0.0, 1.0)

    def set_share(self, share: float | Floats) -> None:
        """Raises the codes' share of all ends to `share`, in equal parts, at the expense of successes."""
        total = self.rates.sum(axis=1)
        success = self.rates[:, self.successes].sum(axis=1)
        missing = share * total - self.rates[:, self.codes].sum(axis=1)
        # A share that is higher already stays.
        moved = np.clip(missing, 0.0, success)
        kept = 1.0 - np.divide(moved, success, out=np.zeros_like(success), where=success > 0)
        self.rates[:, self.successes] *= kept[:, np.newaxis]
        self.rates[:, self.codes] += (moved / len(self.codes))[:, np.newaxis]

    def multiply_share(self, factor: Floats) -> None:
        """Multiplies the codes' share of all ends, at the expense of successes."""
        total = self.rates.sum(axis=1)
        own = self.rates[:, self.codes].sum(axis=1)
        self.set_share(factor * np.divide(own, total, out=np.zeros_like(own), where=total > 0))

    def add_share(self, share: float) -> None:
        """Adds ends with the codes: `share` of all other ends, on top of them."""
        more = share * self.rates.sum(axis=1) / len(self.codes)
        self.rates[:, self.codes] += more[:, np.newaxis]

    def scale(self, factor: float | Floats) -> None:
        self.rates[:] *= np.reshape(factor, (-1, 1))

    def scale_successes(self, factor: float | Floats) -> None:
        self.rates[:, self.successes] *= np.reshape(factor, (-1, 1))

    def add_user(self, seconds: Floats) -> None:
        """Adds the ends of one user, all with the first code, at these ascending seconds after the start."""
        rows = np.minimum(seconds // self.step, len(self.exact) - 1).astype(np.intp)
        counted = -REPEAT_WINDOW
        for row, second in zip(rows.tolist(), seconds.tolist(), strict=True):
            self.exact[row, self.codes[0]] += 1
            if second - counted < REPEAT_WINDOW:
                self.repeats[row, self.codes[0]] += 1
            else:
                counted = second


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of incident, which lasts `seconds`; `expects` and `signals` as in `history.Incident`.

    `codes` by system: the codes that rise, none when traffic as a whole changes; a system that is not in it
    does not have the incident. The effect of a `permanent` kind lasts to the end of the history.
    """

    codes: dict[str, tuple[str, ...]]
    seconds: float
    effect: Callable[[Window], None]
    expects: str
    signals: tuple[str, ...]
    permanent: bool


def _kind(
    streampixel: str | None,
    softdrive: str | None,
    seconds: float,
    effect: Callable[[Window], None],
    expects: str = "nothing",
    *signals: str,
    permanent: bool = False,
) -> Kind:
    """A kind from its codes per system: "" if no code rises, None for a system without the incident."""
    codes = {"streampixel": streampixel, "softdrive": softdrive}
    known = {system: tuple(code.split()) for system, code in codes.items() if code is not None}
    return Kind(known, seconds, effect, expects, signals, permanent)


def _flap(window: Window) -> None:
    window.set_share(np.where(window.seconds // 360 % 2 == 0, 0.33, 0.0))


def _creep(window: Window) -> None:
    window.multiply_share(1.0 + 1.5 * np.minimum(window.progress * 2, 1.0))


def _spread(window: Window) -> None:
    window.set_share(0.05 * np.minimum(window.seconds / (2 * HOUR), 1.0))


def _shift(window: Window) -> None:
    window.scale(window.load(window.times + HOUR) / window.load(window.times))


def _burst(window: Window) -> None:
    ends = int(window.random.integers(20, 60, endpoint=True))
    window.add_user(np.arange(ends) / ends * window.random.uniform(10.0, 60.0))


def _retry_slowly(window: Window) -> None:
    times = np.cumsum(window.random.uniform(60.0, 130.0, int(window.length // 60)))
    window.add_user(times[times < window.length])


# Softdrive has no code for missing capacity: 18 is "Server is unreachable".
KINDS: Final = {
    "capacity-small": _kind("4001", "18", 2 * HOUR, lambda w: w.set_share(0.05), "page", "spike"),
    "capacity-medium": _kind(
        "4001", "18", 1.5 * HOUR, lambda w: w.set_share(0.10), "page", "spike"
    ),
    "capacity-large": _kind("4001", "18", HOUR, lambda w: w.set_share(0.33), "page", "spike"),
    "flapping": _kind("4001", "18", HOUR, _flap, "page", "spike"),
    "crash-loop": _kind("4006", "07", 6 * HOUR, lambda w: w.set_share(0.07), "page", "spike"),
    ONE_REGION: _kind("4005", "502", 1.5 * HOUR, lambda w: w.set_share(1 / 3), "page", "spike"),
    "stop": _kind("", "", 2 * HOUR, lambda w: w.scale(0.0), "page", "stopped"),
    # Failures become all of the traffic, so a spike detects it too.
    "successes-vanish": _kind(
        "", "", 1.5 * HOUR, lambda w: w.scale_successes(0.0), "page", "stopped", "spike"
    ),
    "slow-creep": _kind("1006", "12", 3 * DAY, _creep, "ticket", "elevated"),
    "tls-inspection": _kind(None, "01", 8 * HOUR, _spread, "ticket", "spike", "elevated", "new"),
    "new-code": _kind("4000", "06", 6 * HOUR, lambda w: w.set_share(0.01), "ticket", "new"),
    "maintenance-overrun": _kind(
        None, "13", 3 * HOUR, lambda w: w.set_share(0.33), "ticket", "overrun"
    ),
    # Nuisances: no alert is expected.
    "recovery": _kind(
        "", "", HOUR / 2, lambda w: w.scale_successes(1.0 + 2.0 * (1.0 - w.progress))
    ),
    "holiday": _kind("", "", DAY, lambda w: w.scale(1.0 - 0.6 * w.slopes(HOUR))),
    "launch-day": _kind(
        "", "", 14 * HOUR, lambda w: w.scale(1.0 + 4.0 * np.sin(np.pi * w.progress) ** 2)
    ),
    "quiet-evening": _kind("", "", 4 * HOUR, lambda w: w.scale(1.0 - 0.8 * w.slopes(HOUR / 4))),
    "duplicate-burst": _kind("4003", "19", HOUR / 12, _burst),
    "slow-retries": _kind("4003", "19", HOUR, _retry_slowly),
    "maintenance": _kind(None, "13", HOUR / 5, lambda w: w.add_share(0.35)),
    "clock-change": _kind("", "", DAY, _shift, permanent=True),
}

DESCRIPTIONS: Final = {
    "capacity-small": "Some GPU workers fail after an update: 5% of session ends find no worker.",
    "capacity-medium": "A customer's event occupies workers: 10% of session ends find none.",
    "capacity-large": "The cloud provider reclaims machines: 33% of session ends find no worker.",
    "flapping": "An autoscaler oscillates: workers are missing for 6 minutes, back for 6.",
    "crash-loop": "A release crashes in a scene that 7% of visitors open, until its rollback.",
    ONE_REGION: "Signaling is down in one region, which has a third of the traffic.",
    "stop": "No events arrive: a certificate has expired, or the senders no longer send.",
    "successes-vanish": "No session starts, so none ends in success; ordinary failures continue.",
    "slow-creep": "A network route degrades: closures rise to 2.5 times their number in 36 h.",
    "tls-inspection": "A proxy inspects TLS: new handshake failures reach 5% within two hours.",
    "new-code": "A code appears for the first time, at 1% of session ends.",
    "maintenance-overrun": "Nightly maintenance does not finish: 33% of session ends are restarts.",
    "recovery": "Users return after an outage: three times the successes, falling to normal.",
    "holiday": "A public holiday: 40% of the traffic for a day.",
    "launch-day": "A product presentation: traffic rises to five times its level and falls back.",
    "quiet-evening": "A televised final: traffic falls to 20% within 15 minutes, then returns.",
    "duplicate-burst": "A browser retries without a pause: 20 to 60 ends of a code in a minute.",
    "slow-retries": "One user tries again and again for an hour: an end every 60 to 130 seconds.",
    "maintenance": "Hosts restart in turn, every night: 35 restarts per 100 other session ends.",
    "clock-change": "Daylight saving time begins: daily load moves an hour earlier for good.",
}
"""A line per kind for `--list-incidents`."""
