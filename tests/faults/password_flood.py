"""Row 21 of the fault table: guesses at the password, hundreds a second, beside an honest sender."""

import http.client
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.exporter_process import ExporterProcess
from tests.faults.honest import elsewhere, honest

RATE = 500
"""Guesses a second."""


@dataclass
class Guesses:
    """`statuses` of the guesses, `rate` of them a second, and the honest sender's latencies in
    seconds `before` and `during` them."""

    statuses: Counter[int] = field(default_factory=Counter)
    rate: float = 0.0
    before: Sequence[float] = ()
    during: Sequence[float] = ()


def guess(folder: Path, seconds: float) -> Guesses:
    """The latencies without guesses for `seconds`, then with them, both on one process."""
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
            found.rate = found.statuses.total() / (time.monotonic() - began)
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
    number = 0
    while (now := time.monotonic()) < began + seconds:
        due = began + number / rate
        if due > now:
            time.sleep(due - now)
        number += 1
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        headers = {"Authorization": f"Bearer guess-number-{number}-of-many"}
        connection.request("POST", "/v1/session-ends", b"{}", headers)
        statuses[connection.getresponse().status] += 1
        connection.close()
