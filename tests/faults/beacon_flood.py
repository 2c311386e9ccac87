"""Row 20 of the fault table: a flood with a site's public key, beside an honest sender."""

import http.client
import re
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Final

from exporter.beacons.sites import hash_key
from exporter.names import BEACONS_PATH, COMMIT_SECONDS
from tests.e2e.exporter_process import ExporterProcess
from tests.faults.honest import elsewhere, honest, p99
from tests.faults.table import Row, reached

ALLOWED: Final = 50
"""Events a second that the site may send: the setting's default."""
RATE: Final = 10 * ALLOWED
"""Beacons a second."""
BURST: Final = 100
_SCRAPER: Final = "for-scraping-only-1"
KEY: Final = "the-key-that-everybody-reads"
_ORIGINS: Final = ("https://shop.example", "https://evil.example")
Body = Callable[[str], bytes]
"""A beacon with this id."""
_SENDERS: Final = 4
_READS: Final = (
    *(("ingest", method, BEACONS_PATH + KEY) for method in ("GET", "HEAD", "PUT", "DELETE")),
    ("ingest", "GET", BEACONS_PATH + KEY + "/events"),
    ("ingest", "GET", "/v1/session-ends"),
    *(("ops", "GET", path) for path in ("/", "/metrics", "/codes", "/api/unknown-codes", "/docs")),
)


@dataclass
class Flood:
    """`statuses` of the flood's requests, `rate` of them a second, `accepted` events that it brought to be
    counted in `seconds`, `writes` of the ledger beyond one for each event of the honest sender, `read` paths
    that the key opened, and the honest sender's latencies in seconds `before` and `during` it."""

    statuses: Counter[int] = field(default_factory=Counter)
    rate: float = 0.0
    seconds: float = 0.0
    accepted: int = 0
    writes: int = 0
    read: list[str] = field(default_factory=list)
    before: Sequence[float] = ()
    during: Sequence[float] = ()


@dataclass(frozen=True)
class Attack:
    """`rate` beacons a second from `addresses` of loopback's, with `origins` in turn and bodies of `body`."""

    rate: int
    addresses: int
    origins: Sequence[str]
    body: Body


def _event(id_: str) -> bytes:
    return f'{{"id":"{id_}","code":4001}}'.encode()


def flood(
    folder: Path,
    seconds: float,
    mutant: str = "",
    *,
    addresses: int = 100,
    rate: int = RATE,
    origins: Sequence[str] = _ORIGINS,
    body: Body = _event,
    **more: object,
) -> Flood:
    """The latencies without a flood for `seconds`, then with one of `seconds` × `RATE` requests, both on
    one process.

    Half of the flood forges the site's origin, half comes with its own; all of it forges X-Forwarded-For, and
    comes from `addresses` of loopback's, so that no address alone is too fast and the site's own
    limit is what holds it. `more` are settings beside those of the site.
    """
    attack = Attack(rate, addresses, origins, body)
    for name, text in (
        ("token", "the-right-token-of-the-senders\n"),
        ("ops", _SCRAPER + "\n"),
    ):
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
    sites = folder / "sites.yaml"
    sites.write_text(
        f"sites:\n  - site: shop\n    system: streampixel\n    origins: [{_ORIGINS[0]}]\n"
        f'    keys: ["{hash_key(KEY)}"]\n'
    )
    settings = {
        "ingest_token_file": folder / "token",
        "ops_token_file": folder / "ops",
        "beacon_keys_file": sites,
        "beacon_rate": ALLOWED,
        "beacon_burst": BURST,
        **more,
    }
    token = (folder / "token").read_text().strip()
    found = Flood()
    with ExporterProcess(folder / "data", settings=settings, mutant=mutant) as exporter:
        port = exporter.ports["ingest"]
        with honest(port, token) as sender:
            time.sleep(seconds)  # what is measured is a length of time
        found.before = sender.latencies
        written = _writes(exporter)
        with honest(port, token) as sender:
            began = time.monotonic()
            _send(port, seconds, found.statuses, attack)
            found.seconds = time.monotonic() - began
        found.during = sender.latencies
        found.writes = _writes(exporter) - written - len(found.during)
        found.rate = found.statuses.total() / found.seconds
        found.accepted = found.statuses[204]
        found.read = [
            f"{method} {path}"
            for listener, method, path in _READS
            if exporter.request(listener, method, path, headers=_forged(1)).status
            not in (401, 404, 405, 429)
        ]
    return found


def _writes(exporter: ExporterProcess) -> int:
    headers = {"Authorization": f"Bearer {_SCRAPER}"}
    shown = exporter.request("ops", "GET", "/metrics", headers=headers).body.decode()
    [count] = re.findall(rf"^{COMMIT_SECONDS}_count (\d+)", shown, re.MULTILINE)
    return int(count)


def _send(port: int, seconds: float, statuses: Counter[int], attack: Attack) -> None:
    senders = [
        threading.Thread(target=_flood, args=(port, seconds, statuses, attack, number))
        for number in range(_SENDERS)
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()


def _flood(port: int, seconds: float, statuses: Counter[int], attack: Attack, sender: int) -> None:
    """A connection for each of its addresses, opened again when it is closed."""
    elsewhere(seconds)
    connections = [
        http.client.HTTPConnection(
            "127.0.0.1", port, timeout=30, source_address=(f"127.20.{sender}.{number + 1}", 0)
        )
        for number in range(max(1, attack.addresses // _SENDERS))
    ]
    began = time.monotonic()
    # By number and not by time: a busy machine's flood is slower, and as large.
    for number in range(1, int(seconds * attack.rate / _SENDERS) + 1):
        time.sleep(max(0.0, began + (number - 1) * _SENDERS / attack.rate - time.monotonic()))
        connection = connections[number % len(connections)]
        headers = _forged(number) | {
            "Content-Type": "text/plain;charset=UTF-8",
            "Origin": attack.origins[number % len(attack.origins)],
        }
        try:
            body = attack.body(f"{sender}-{number}")
            connection.request("POST", BEACONS_PATH + KEY, body, headers)
            reply = connection.getresponse()
            reply.read()
            statuses[reply.status] += 1
        except (OSError, http.client.HTTPException):
            # A large body that is refused unread: the answer comes before the body is sent.
            connection.close()
            statuses[0] += 1
    for connection in connections:
        connection.close()


def _forged(number: int) -> dict[str, str]:
    return {
        "Origin": _ORIGINS[number % 2],
        "X-Forwarded-For": f"198.51.{number % 256}.{number // 256 % 256}",
        "Authorization": f"Bearer {KEY}",
    }


def _run(folder: Path, quick: bool) -> str:
    """Rounds by turns, and the p99 of all: that of one round moves by a third by itself, with the disk."""
    rounds, seconds = (1, 2.0) if quick else (9, 10.0)
    found = []
    for number in range(rounds):
        (folder / str(number)).mkdir()
        found.append(flood(folder / str(number), seconds))
    rate = statistics.median(one.rate for one in found)
    before = p99(chain.from_iterable(one.before for one in found))
    during = p99(chain.from_iterable(one.during for one in found))
    ratio = during / before
    statuses = sum((one.statuses for one in found), found[0].statuses.__class__())
    counted = f"{statuses[204]} × 204, {statuses[429]} × 429, {statuses[403]} × 403"
    read = {path for one in found for path in one.read}
    figure = (
        f"{rate:.0f}/s: {counted}; read {len(read)}; p99 {before * 1000:.1f} → {during * 1000:.1f} ms, "
        f"× {ratio:.2f}"
    )
    within = all(one.accepted <= BURST + 1 + one.seconds * ALLOWED for one in found)
    return reached(
        figure,
        within
        and not read
        and set(statuses) == {204, 403, 429}
        and (quick or (rate > 0.9 * RATE and ratio <= 1.2)),
    )


ROW: Final = Row(
    20,
    f"flood with a public key, {RATE}/s",
    "429, reads nothing; p99 + ≤ 20 %",
    _run,
)
