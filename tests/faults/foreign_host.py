"""Row 35 of the fault table: requests with a foreign Host, as DNS rebinding makes them."""

import random
from collections import Counter
from pathlib import Path
from typing import Final

from exporter.names import ACCEPTED_EVENTS, BEACONS_PATH, COLLECTOR_PATH, REFUSED_REQUESTS
from tests.e2e.exporter_process import ExporterProcess, Reply
from tests.faults.floods import KEY, ORIGIN, beacon_sites
from tests.faults.table import Mutant, patched, reached, row

_EVENT: Final = b'{"system": "streampixel", "code": 4001}'
_OWN: Final = (
    *("localhost", "127.0.0.1", "[::1]", "10.1.2.3", "exporter", "exporter.example.com", "a.svc"),
)
"""Hosts that must be served, the last two by the setting."""


def _foreign_names(count: int) -> list[str]:
    """Public DNS names, some of which resemble names that are served."""
    rng = random.Random(35)
    labels = ["evil", "localhost", "127.0.0.1", "10401", "exporter.example.com", "a_b", "xn--abc"]
    tops = ["example", "com", "net", "example.org.", "EXAMPLE", "svc.example"]
    return [
        f"{number}.{rng.choice(labels)}.{rng.choice(tops)}:{rng.choice((80, 10401))}"
        for number in range(count)
    ]


def _both(exporter: ExporterProcess, host: str) -> tuple[Reply, Reply]:
    """The answers to an event on the ingest listener and to a scrape of the ops listener."""
    headers = {"Host": host, "Content-Type": "application/json"}
    return (
        exporter.request("ingest", "POST", "/v1/session-ends", _EVENT, headers),
        exporter.request("ops", "GET", "/metrics", None, headers),
    )


_WITHOUT_CHECK: Final = patched(
    "exporter.server.hosts.AllowedHosts.check", "lambda self, host, target: None"
)


@row(
    35,
    "DNS rebinding: foreign Host, no token",
    "421 on both, nothing counted",
    Mutant("check of the host", _WITHOUT_CHECK, r"\{200: 20\}, 10 events counted"),
)
def run(folder: Path, quick: bool, mutant: str = "") -> str:
    names = 10 if quick else 2000
    foreign, own, health = Counter[int](), Counter[int](), Counter[int]()
    details = True
    settings = {
        "allowed_hosts": "exporter.example.com,*.svc",
        "beacon_keys_file": beacon_sites(folder),
    }
    with ExporterProcess(folder / "data", settings=settings, mutant=mutant) as exporter:
        for host in _foreign_names(names):
            for reply in _both(exporter, host):
                foreign[reply.status] += 1
                details &= b"allowed_hosts" in reply.body
            for path in ("/-/healthy", "/-/ready"):
                reply = exporter.request("ops", "GET", path, None, {"Host": host})
                health[reply.status] += 1
        counted = int(exporter.total(ACCEPTED_EVENTS))
        refused = int(exporter.total(REFUSED_REQUESTS, reason="host_not_allowed"))
        for host in _OWN:
            own.update(reply.status for reply in _both(exporter, host))
        # Pages of other sites load the collector and send beacons.
        headers = {"Host": "evil.example", "Origin": ORIGIN, "Content-Type": "text/plain"}
        public = (
            exporter.request("ingest", "GET", COLLECTOR_PATH, None, headers).status,
            exporter.request("ingest", "POST", BEACONS_PATH + KEY, b'{"id":"a"}', headers).status,
        )
    figure = (
        f"{names} names on both: {dict(foreign)}, {counted} events counted, {refused} refusals counted; "
        f"{len(_OWN)} own hosts: {dict(own)}"
    )
    return reached(
        figure,
        foreign == {421: 2 * names}
        and (counted, refused) == (0, 2 * names)
        and own == {200: 2 * len(_OWN)}
        and health == {200: 2 * names}
        and (public, details) == ((200, 204), True),
    )
