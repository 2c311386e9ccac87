"""Row 32 of the fault table: durations that would make the exported sum infinite or the mean useless."""

from pathlib import Path
from typing import Final

from exporter.beacons.decode import MAX_DURATION as MAX_OF_BEACONS
from exporter.ingest.event import MAX_DURATION
from exporter.names import BEACONS_PATH, INGEST_PATH, REJECTED_EVENTS, SESSION_DURATION
from tests.e2e.exporter_process import ExporterProcess, Reply
from tests.faults.floods import KEY, ORIGIN, beacon_sites
from tests.faults.table import Mutant, patched, reached, row

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
    "refused; the sum stays finite",
    Mutant("bound", patched("exporter.ingest.classify.MAX_DURATION", _HUGE), "sum inf s"),
    # A browser's duration then has only the bound of trusted senders.
    Mutant(
        "bound of beacons",
        patched("exporter.beacons.decode.MAX_DURATION", _HUGE),
        "24 of 25 refused",
    ),
)
def run(folder: Path, quick: bool, mutant: str = "") -> str:
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

        replies = []
        for number, seconds in enumerate(_TOO_LONG * (1 if quick else 100)):
            replies += [post(media, f"{number}-{media[-4:]}", seconds) for media in _BODIES]
            replies.append(beacon(f"b-{number}", seconds))
        replies.append(beacon("a week and more", MAX_OF_BEACONS + 1))
        allowed = (
            post("application/json", "a year", MAX_DURATION).status,
            beacon("a week", MAX_OF_BEACONS).status,
        )
        counted = exporter.total(REJECTED_EVENTS, reason="invalid_field")
        total = exporter.total(SESSION_DURATION + "_sum")
    refused = sum(map(_refused, replies))
    return reached(
        f"{refused} of {len(replies)} refused by field and rule, {counted:.0f} counted as refused; sum "
        f"{total:,.0f} s",
        refused == len(replies) == counted
        and allowed == (200, 204)
        and total == MAX_DURATION + MAX_OF_BEACONS,
    )
