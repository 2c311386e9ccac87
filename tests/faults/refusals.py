"""Rows 32 and 35 of the fault table: durations and hosts that must be refused."""

import random
from collections import Counter
from pathlib import Path
from typing import Final

from exporter import names
from exporter.beacons.decode import MAX_DURATION as MAX_OF_BEACONS
from exporter.ingest.event import MAX_DURATION
from exporter.names import BEACONS_PATH, INGEST_PATH, REFUSED_REQUESTS, REJECTED_EVENTS
from tests.e2e.exporter_process import ExporterProcess, Reply
from tests.faults.floods import KEY, ORIGIN, beacon_sites
from tests.faults.table import Mutant, patched, reached, row

# --- row 32: durations that would make the exported sum infinite or the mean useless -------------------

_TOO_LONG: Final = ("1e308", "1e308", "1e300", "1e999", "9" * 309, str(MAX_DURATION + 1))
"""JSON numbers that no event may have as a duration: the sum of two of 1e308 is infinite."""
_EVENT: Final = '{{"id":"{id}","system":"streampixel","duration_seconds":{seconds}}}'
_BODIES: Final = {
    "application/json": _EVENT,
    "application/x-ndjson": _EVENT + "\n",
    "application/cloudevents+json": '{{"specversion":"1.0","id":"{id}","source":"/","type":"end",'
    '"data":{{"system":"streampixel","duration_seconds":{seconds}}}}}',
}


def _refused(reply: Reply) -> bool:
    """Whether the answer names the field as invalid."""
    return reply.status == 422 and [
        (event["reason"], event["message"].partition(" must be ")[0])
        for event in reply.json["rejected"]
    ] == [("invalid_field", "duration_seconds:")]


_HUGE: Final = "1.7e308"


@row(
    32,
    "durations of 1e308",
    "refused, or left out; the sum stays finite",
    Mutant("bound", patched("exporter.ingest.classify.MAX_DURATION", _HUGE), "sum inf s"),
    # A browser's duration then has only the bound of trusted senders.
    Mutant(
        "bound of beacons",
        patched("exporter.beacons.decode.MAX_DURATION", _HUGE),
        "sum 32,832,001 s",
    ),
)
def long_durations(folder: Path, quick: bool, mutant: str = "") -> str:
    """Send each number in each format and in a beacon, and then the longest allowed durations."""
    settings = {
        "beacon_keys_file": beacon_sites(folder),
        **{"beacon_burst": 100_000, "beacon_address_burst": 100_000},
    }
    with ExporterProcess(folder / "data", settings=settings, mutant=mutant) as exporter:

        def post(media: str, id_: str, seconds: object) -> Reply:
            body = _BODIES[media].format(id=id_, seconds=seconds).encode()
            return exporter.request("ingest", "POST", INGEST_PATH, body, {"Content-Type": media})

        def beacon(id_: str, seconds: object) -> Reply:
            body = f'{{"id":"{id_}","duration_seconds":{seconds}}}'.encode()
            headers = {"Origin": ORIGIN, "Content-Type": "text/plain"}
            return exporter.request("ingest", "POST", BEACONS_PATH + KEY, body, headers)

        replies, browsers = [], []
        for number, seconds in enumerate(_TOO_LONG * (1 if quick else 100)):
            replies += [post(media, f"{number}-{media[-4:]}", seconds) for media in _BODIES]
            browsers.append(beacon(f"b-{number}", seconds))
        browsers.append(beacon("a week and more", MAX_OF_BEACONS + 1))
        allowed = (
            post("application/json", "a year", MAX_DURATION).status,
            beacon("a week", MAX_OF_BEACONS).status,
        )
        counted = exporter.total(REJECTED_EVENTS, reason="invalid_field")
        ignored = exporter.total(names.IGNORED_FIELDS)
        total = exporter.total(names.SESSION_DURATION + "_sum")
    refused = sum(map(_refused, replies + browsers))
    # Without their durations.
    kept = sum(reply.status == 204 for reply in browsers)
    return reached(
        f"{refused} refused by field and rule, {counted:.0f} counted as refused; {kept} ends of browsers "
        f"kept; sum {total:,.0f} s",
        all(map(_refused, replies))
        and refused == counted == len(replies + browsers) - kept
        and 0 < kept == ignored
        and allowed == (200, 204)
        and total == MAX_DURATION + MAX_OF_BEACONS,
    )


# --- row 35: requests with a foreign Host, as DNS rebinding makes them -----------------------------------

_END: Final = b'{"system": "streampixel", "code": 4001}'
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
        exporter.request("ingest", "POST", "/v1/session-ends", _END, headers),
        exporter.request("ops", "GET", "/metrics", None, headers),
    )


_WITHOUT_CHECK: Final = patched(
    "exporter.server.listener.AllowedHosts.check", "lambda self, host, target: None"
)


@row(
    35,
    "DNS rebinding: foreign Host, no token",
    "421 on both, nothing counted",
    Mutant("check of the host", _WITHOUT_CHECK, r"\{200: 20\}, 10 events counted"),
)
def foreign_hosts(folder: Path, quick: bool, mutant: str = "") -> str:
    count = 10 if quick else 2000
    foreign, own, health = Counter[int](), Counter[int](), Counter[int]()
    details = True
    settings = {
        "allowed_hosts": "exporter.example.com,*.svc",
        "beacon_keys_file": beacon_sites(folder),
    }
    with ExporterProcess(folder / "data", settings=settings, mutant=mutant) as exporter:
        for host in _foreign_names(count):
            for reply in _both(exporter, host):
                foreign[reply.status] += 1
                details &= b"allowed_hosts" in reply.body
            for path in ("/-/healthy", "/-/ready"):
                reply = exporter.request("ops", "GET", path, None, {"Host": host})
                health[reply.status] += 1
        counted = int(exporter.total(names.ACCEPTED_EVENTS))
        refused = int(exporter.total(REFUSED_REQUESTS, reason="host_not_allowed"))
        for host in _OWN:
            own.update(reply.status for reply in _both(exporter, host))
        # Pages of other sites load the collector and send beacons.
        headers = {"Host": "evil.example", "Origin": ORIGIN, "Content-Type": "text/plain"}
        public = (
            exporter.request("ingest", "GET", names.COLLECTOR_PATH, None, headers).status,
            exporter.request("ingest", "POST", BEACONS_PATH + KEY, b'{"id":"a"}', headers).status,
        )
    figure = (
        f"{count} names on both: {dict(foreign)}, {counted} events counted, {refused} refusals counted; "
        f"{len(_OWN)} own hosts: {dict(own)}"
    )
    return reached(
        figure,
        foreign == {421: 2 * count}
        and (counted, refused) == (0, 2 * count)
        and own == {200: 2 * len(_OWN)}
        and health == {200: 2 * count}
        and (public, details) == ((200, 204), True),
    )
