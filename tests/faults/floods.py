"""Rows 20, 21 and 31 of the fault table: floods with a site's public key, and guesses at the password."""

import contextlib
import http.client
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from exporter.beacons.route import BYTES_PER_EVENT, MAX_BODY
from exporter.beacons.sites import hash_key
from exporter.ledger.queued import LONGEST_WAIT
from exporter.names import BEACONS_PATH, INGEST_PATH
from tests.commands.running import write
from tests.e2e.exporter_process import ExporterProcess
from tests.faults.honest import WORKERS, Flood, flooded, rounds
from tests.faults.table import Mutant, patched, reached, row

KEY: Final = "the-key-that-everybody-reads"
_OTHER_KEY: Final = "another-key-that-everybody-reads"
ORIGIN: Final = "https://shop.example"
_FOREIGN: Final = "https://evil.example"
_TOKEN: Final = "the-right-token-of-the-senders"
_SCRAPER: Final = "for-scraping-only-1"
_ALLOWED: Final = 50
"""Events per second that the site may send: the setting's default."""


def beacon_sites(folder: Path) -> Path:
    """A settings file with two sites, whose public keys are `KEY` and `_OTHER_KEY`."""
    folder.mkdir(parents=True, exist_ok=True)
    sites = folder / "sites.yaml"
    entry = "  - {{site: {}, system: streampixel, origins: [{}], keys: ['{}']}}\n"
    keys = {"shop": KEY, "desk": _OTHER_KEY}
    entries = [entry.format(site, ORIGIN, hash_key(key)) for site, key in keys.items()]
    sites.write_text("sites:\n" + "".join(entries))
    return sites


def _exporter(folder: Path, mutant: str, **settings: object) -> ExporterProcess:
    """An exporter with tokens for senders and scrapers, and sites with public keys."""
    settings = {
        "beacon_keys_file": beacon_sites(folder),
        "ingest_token_file": write(folder / "ingest", _TOKEN),
        "ops_token_file": write(folder / "ops", _SCRAPER),
        "beacon_rate": _ALLOWED,
        **settings,
    }
    return ExporterProcess(folder / "data", settings=settings, mutant=mutant)


def _forged(number: int) -> dict[str, str]:
    return {
        "X-Forwarded-For": f"198.51.{number % 256}.{number // 256 % 256}",
        "Authorization": f"Bearer {KEY}",
    }


@contextlib.contextmanager
def _beacons(
    port: int,
    addresses: int,
    origins: Sequence[str],
    body: Callable[[str], bytes],
    key: str = KEY,
    network: int = 20,
) -> Iterator[Callable[[int, int], int]]:
    """`send` of a flood from several loopback addresses, none of which exceeds its own limit."""
    each = max(1, addresses // WORKERS)
    connections = {}
    for worker, number in itertools.product(range(WORKERS), range(each)):
        source = (f"127.{network}.{worker}.{number + 1}", 0)
        connections[worker, number] = http.client.HTTPConnection(
            "127.0.0.1", port, timeout=30, source_address=source
        )

    def send(worker: int, number: int) -> int:
        connection = connections[worker, number % each]
        origin = origins[number % len(origins)]
        headers = {**_forged(number), "Content-Type": "text/plain;charset=UTF-8", "Origin": origin}
        try:
            connection.request("POST", BEACONS_PATH + key, body(f"{worker}-{number}"), headers)
            reply = connection.getresponse()
            reply.read()
            return reply.status
        except (OSError, http.client.HTTPException):
            # A large body is refused unread: the answer comes before the body is sent.
            connection.close()
            return 0

    yield send
    for connection in connections.values():
        connection.close()


# --- row 20: beacons ---------------------------------------------------------------------------------

_RATE: Final = 10 * _ALLOWED
"""Beacons per second."""
_BURST: Final = 100
_READS: Final = (
    *(("ingest", method, BEACONS_PATH + KEY) for method in ("GET", "HEAD", "PUT", "DELETE")),
    ("ingest", "GET", BEACONS_PATH + KEY + "/events"),
    ("ingest", "GET", INGEST_PATH),
    *(("ops", "GET", path) for path in ("/", "/metrics", "/codes", "/api/unknown-codes", "/docs")),
)
_FORGERIES: Final = 60


def _event(id_: str) -> bytes:
    return f'{{"id":"{id_}","code":4001}}'.encode()


def _forge_addresses(port: int) -> str:
    """Send beacons from one address that claim many addresses. Returns the defect, or an empty text.

    No beacon may have a commit of its own: each fsync would delay the other senders.
    """
    waits = []
    with _beacons(port, 1, [ORIGIN], _event, _OTHER_KEY, network=21) as send:
        for number in range(_FORGERIES):
            began = time.monotonic()
            if send(0, number) == 204:
                waits.append(time.monotonic() - began)
    if len(waits) == _FORGERIES:
        return f"; {len(waits)} of {_FORGERIES} beacons with forged addresses accepted"
    if min(waits) < 0.9 * LONGEST_WAIT:
        return f"; a beacon was committed alone after {min(waits) * 1000:.0f} ms"
    return ""


_TRUST_ALL: Final = """
import os
os.environ["SESSION_EXPORTER_TRUSTED_PROXIES"] = "127.0.0.0/8"
"""
_AT_ONCE: Final = "from dataclasses import replace" + patched(
    "exporter.ledger.sqlite.SqliteLedger.commit",
    "lambda self, batch: original(self, replace(batch, deferrable=False))",
)
_NO_LIMIT: Final = patched("exporter.token_bucket.TokenBuckets.take", "lambda *_: None")


@row(
    20,
    f"flood with a public key, {_RATE}/s",
    "429, reads nothing; p99 + ≤ 20 %",
    Mutant("rate limits", _NO_LIMIT, " 0 × 429"),
    Mutant("distrust of X-Forwarded-For", _TRUST_ALL, "60 of 60"),
    Mutant("commit coalescing", _AT_ONCE, "committed alone"),
)
def beacon_flood(folder: Path, quick: bool, mutant: str = "") -> str:
    opened: list[str] = []
    defect = ""
    # Lower than the rate of the flood and of forged beacons on any machine, also a busy one.
    rate = 5 if quick else _ALLOWED
    slow = {"beacon_address_rate": 1, "beacon_address_burst": 20} if quick else {}

    def flood(place: Path, seconds: float) -> Flood:
        nonlocal defect
        with _exporter(place, mutant, beacon_rate=rate, beacon_burst=_BURST, **slow) as exporter:
            port = exporter.ports["ingest"]
            with _beacons(port, 100, (ORIGIN, _FOREIGN), _event) as send:
                flood = flooded(exporter, _TOKEN, seconds, _RATE, send)
            headers = {"Origin": ORIGIN, **_forged(1)}
            opened.extend(
                f"{method} {path}"
                for listener, method, path in _READS
                if exporter.request(listener, method, path, headers=headers).status
                not in (401, 404, 405, 429)
            )
            if quick:
                defect = _forge_addresses(port)
        return flood

    floods, overall = rounds(folder, quick, flood)
    counts = ", ".join(f"{overall.statuses[status]} × {status}" for status in (204, 429, 403))
    figure = (
        f"{overall.rate:.0f}/s: {counts}; read {len(set(opened))}; {overall.p99_figure}{defect}"
    )
    within = all(each.statuses[204] <= _BURST + 1 + each.seconds * rate for each in floods)
    return reached(
        figure,
        within
        and not (opened or defect)
        and set(overall.statuses) == {204, 403, 429}
        and (quick or (overall.rate > 0.9 * _RATE and overall.p99_ratio <= 1.2)),
    )


# --- row 31: large beacons -----------------------------------------------------------------------------

_ADDRESSES: Final = 12
_DEEP_RATE: Final = _ADDRESSES * 5
"""Beacons per second: the sum of the limits of all addresses, at one event per beacon."""
_DEEP_BURST: Final = 500
"""The setting's default."""
_COST: Final = MAX_BODY // BYTES_PER_EVENT
_NESTED: Final = b"[" * 28 + b"]" * 28
"""Within `max_depth`: deeper text would be refused as soon as it exceeds the limit."""
_SPARE: Final = 100
_FIELD: Final = b",".join([_NESTED] * ((MAX_BODY - _SPARE) // (len(_NESTED) + 1)))


def _deep(id_: str) -> bytes:
    """A beacon of just under 64 KiB."""
    return b'{"id":"%s","code":4001,"x":[%s]}' % (id_.encode(), _FIELD)


_WITHOUT_BYTES: Final = patched("exporter.beacons.route.BYTES_PER_EVENT", "1 << 30")


@row(
    31,
    "64 KiB of deep JSON with a public key",
    "p99 + ≤ 20 %; bytes charged",
    Mutant("charge for bytes", _WITHOUT_BYTES, "^60 × 64 KiB: [3-6]. × 204"),
)
def deep_beacons(folder: Path, quick: bool, mutant: str = "") -> str:
    assert 65_300 < len(_deep("3-999")) <= MAX_BODY

    def flood(place: Path, seconds: float) -> Flood:
        with (
            _exporter(place, mutant, beacon_burst=_DEEP_BURST) as exporter,
            _beacons(exporter.ports["ingest"], _ADDRESSES, [ORIGIN], _deep) as send,
        ):
            return flooded(exporter, _TOKEN, seconds, _DEEP_RATE, send)

    floods, overall = rounds(folder, quick, flood)
    statuses = overall.statuses
    figure = (
        f"{statuses.total()} × 64 KiB: {statuses[204]} × 204, {statuses[429]} × 429, {statuses[0]} closed; "
        f"{overall.p99_figure}"
    )
    # The burst, the rate, and the debt of the last beacon.
    charged = all(
        0 < each.statuses[204] <= (_DEEP_BURST + each.seconds * _ALLOWED) / _COST + 1
        for each in floods
    )
    return reached(figure, charged and (quick or overall.p99_ratio <= 1.2))


# --- row 21: passwords -----------------------------------------------------------------------------------

_GUESSES: Final = 500
"""Per second."""


@row(
    21,
    f"password flood, {_GUESSES}/s",
    "401, then 429; p99 + ≤ 10 %",
    Mutant("limit of wrong tokens", _NO_LIMIT, " 0 × 429"),
)
def password_flood(folder: Path, quick: bool, mutant: str = "") -> str:
    def flood(place: Path, seconds: float) -> Flood:
        place.mkdir()
        settings = {"ingest_token_file": write(place / "token", _TOKEN)}
        with ExporterProcess(place / "data", settings=settings, mutant=mutant) as exporter:

            def guess(_worker: int, number: int) -> int:
                """Guess on a new connection, because a refusal ends the connection."""
                headers = {"Authorization": f"Bearer guess-number-{number}-of-many"}
                return exporter.request("ingest", "POST", INGEST_PATH, b"{}", headers).status

            return flooded(exporter, _TOKEN, seconds, _GUESSES, guess)

    floods, overall = rounds(folder, quick, flood)
    statuses = overall.statuses
    figure = (
        f"{overall.rate:.0f}/s: {statuses[401]} × 401, {statuses[429]} × 429; {overall.p99_figure}"
    )
    # A burst of 10, then one per second.
    limited = all(10 <= each.statuses[401] <= 10 + each.seconds + 2 for each in floods)
    return reached(
        figure,
        limited
        and set(statuses) == {401, 429}
        and (quick or (overall.rate > 0.9 * _GUESSES and overall.p99_ratio <= 1.1)),
    )
