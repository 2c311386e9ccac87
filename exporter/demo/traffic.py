"""Simulated session ends of both systems, with an outage that can be switched on and off."""

from random import Random
from typing import Final

import httpx

from exporter import names
from exporter.simulate.profiles import PROFILES

SYSTEM: Final = "streampixel"
CODE: Final = "4001"
RATE: Final = 10
"""Ends per second and system: 40 in four seconds, the shortest window of the rules on missing successes."""
_BATCH: Final = 1000
"""Events per request: the default of the setting max_events."""


class Traffic:
    """Posts session ends to the listener `ingest` (HOST:PORT); `posted` counts them."""

    def __init__(self, client: httpx.Client, ingest: str) -> None:
        self.outage = False
        self.posted = 0
        self._client = client
        self._url = f"http://{ingest}{names.INGEST_PATH}"
        self._random = Random(1)  # noqa: S311

    def post_until(self, seconds: float) -> None:
        """Posts the ends until `seconds` after the first end."""
        due = round(seconds * RATE) * len(PROFILES) - self.posted
        events = [event for _ in range(due // len(PROFILES)) for event in self._ends()]
        for start in range(0, due, _BATCH):
            batch = events[start : start + _BATCH]
            self._client.post(self._url, json=batch).raise_for_status()
        self.posted += due

    def _ends(self) -> list[dict[str, str]]:
        """One end of each system; during an outage a third of the ends of `SYSTEM` have `CODE`."""
        codes = {
            system: self._random.choices([*profile.shares], [*profile.shares.values()])[0]
            for system, profile in PROFILES.items()
        }
        if self.outage and self._random.random() < 1 / 3:
            codes[SYSTEM] = CODE
        return [{"system": system, "code": code} for system, code in codes.items()]
