"""Row 21 of the fault table: guesses at the password, hundreds a second, beside an honest sender."""

import http.client
import statistics
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Final

from tests.e2e.exporter_process import ExporterProcess
from tests.faults.honest import elsewhere, honest, p99
from tests.faults.table import Row, reached

RATE = 500
"""Guesses a second."""


@dataclass
class Guesses:
    """`statuses` of the guesses, `rate` of them a second for `seconds`, and the honest sender's
    latencies in seconds `before` and `during` them."""

    statuses: Counter[int] = field(default_factory=Counter)
    rate: float = 0.0
    seconds: float = 0.0
    before: Sequence[float] = ()
    during: Sequence[float] = ()


def guess(folder: Path, seconds: float) -> Guesses:
    """The latencies without guesses for `seconds`, then with `seconds` × `RATE` of them, both on one
    process."""
    token = folder / "token"
    token.write_text("the-right-token-of-the-senders\n")
    token.chmod(0o600)
    found = Guesses()
    with ExporterProcess(folder / "data", settings={"ingest_token_file": token}) as exporter:
        port = exporter.ports["ingest"]
        with honest(port, token.read_text().strip()) as sender:
            time.sleep(seconds)  # what is measured is a length of time
        found.before = sender.latencies
        with honest(port, token.read_text().strip()) as sender:
            began = time.monotonic()
            _flood(port, seconds, found.statuses)
            found.seconds = time.monotonic() - began
            found.rate = found.statuses.total() / found.seconds
        found.during = sender.latencies
    return found


def _flood(port: int, seconds: float, statuses: Counter[int]) -> None:
    guessers = [
        threading.Thread(target=_guess, args=(port, seconds, RATE / 4, statuses)) for _ in range(4)
    ]
    for guesser in guessers:
        guesser.start()
    for guesser in guessers:
        guesser.join()


def _guess(port: int, seconds: float, rate: float, statuses: Counter[int]) -> None:
    """A connection a guess: a refusal ends it."""
    elsewhere(seconds)
    began = time.monotonic()
    # By number and not by time: a busy machine's flood is slower, and as large.
    for number in range(int(seconds * rate)):
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        headers = {"Authorization": f"Bearer guess-number-{number}-of-many"}
        connection.request("POST", "/v1/session-ends", b"{}", headers)
        statuses[connection.getresponse().status] += 1
        connection.close()


def _run(folder: Path, quick: bool) -> str:
    """Rounds by turns, and the p99 of all: see the flood with a public key."""
    rounds, seconds = (1, 2.0) if quick else (9, 10.0)
    found = []
    for number in range(rounds):
        (folder / str(number)).mkdir()
        found.append(guess(folder / str(number), seconds))
    rate = statistics.median(one.rate for one in found)
    before = p99(chain.from_iterable(one.before for one in found))
    during = p99(chain.from_iterable(one.during for one in found))
    ratio = during / before
    statuses = sum((one.statuses for one in found), found[0].statuses.__class__())
    figure = (
        f"{rate:.0f}/s: {statuses[401]} × 401, {statuses[429]} × 429; p99 {before * 1000:.1f} → "
        f"{during * 1000:.1f} ms, × {ratio:.2f}"
    )
    # A round of two seconds says nothing of a p99.
    return reached(
        figure,
        set(statuses) == {401, 429} and (quick or (rate > 0.9 * RATE and ratio <= 1.1)),
    )


ROW: Final = Row(21, f"password flood, {RATE}/s", "401, then 429; p99 + ≤ 10 %", _run)
