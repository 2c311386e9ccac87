"""Row 34 of the fault table: certificates that are renewed on disk, and renewals that fail half-way."""

import contextlib
import http.client
import json
import ssl
import time
from pathlib import Path
from typing import Final

from exporter.names import CERTIFICATE_EXPIRY, FILE_RELOADED
from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.faults.senders import post
from tests.faults.table import Missed, Mutant, patched, reached, row
from tests.server.conftest import self_signed


def _post(client: http.client.HTTPSConnection, number: int) -> bool:
    """Whether an event was counted."""
    event = {"id": str(number), "system": "streampixel", "code": 4001}
    status, body = post(client, json.dumps(event))
    return status == 200 and json.loads(body)["accepted"] == 1


def _served(port: int) -> bytes:
    """The certificate that a new connection gets; empty without one."""
    try:
        return ssl.get_server_certificate(("127.0.0.1", port), timeout=30).encode()
    except OSError:
        return b""


_RECHECK: Final = patched("exporter.watched._RECHECK", "0.1")
"""Quick versions check the files every 0.1 s instead of every second."""
_WITHOUT_WATCH: Final = patched("exporter.watched._RECHECK", "3600")
_WITHOUT_TRIAL: Final = patched(
    "exporter.server.certificates._new_context", "lambda context=original(): context"
)


@row(
    34,
    "certificate renewed on disk",
    "served < 60 s, open connections kept",
    Mutant("watch of the files", _WITHOUT_WATCH, "not noticed in 3 s"),
    Mutant("trial of a new pair", _WITHOUT_TRIAL, "[1-9][0-9]* new connections without"),
)
def run(folder: Path, quick: bool, mutant: str = "") -> str:
    """Renew the ingest listener's certificate. Each time the new certificate comes first and its key
    later."""
    rounds = 1 if quick else 10
    patience = 3.0 if mutant else 60.0
    cert, key = self_signed(folder, 1)
    settings = {"ingest_tls_cert": cert, "ingest_tls_key": key}
    slowest, mixed, kept, failures = 0.0, 0, 0, 0
    with (
        contextlib.ExitStack() as opened,
        ExporterProcess(
            folder / "data", settings=settings, mutant=(_RECHECK if quick else "") + mutant
        ) as exporter,
    ):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        port = exporter.ports["ingest"]

        def loaded(file: Path) -> float:
            return exporter.total(FILE_RELOADED, file=str(file))

        client = http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=context)
        opened.callback(client.close)
        # A connection without a first request is closed after receive_timeout.
        assert _post(client, -1)
        first = client.sock
        for number in range(rounds):
            wait_for(lambda: all(map(loaded, (cert, key))), patience, "files in use")
            new_cert, new_key = self_signed(folder / "new", number + 2)
            old, new = cert.read_bytes(), new_cert.read_bytes()
            expiry = exporter.total(CERTIFICATE_EXPIRY, listener="ingest")
            new_cert.replace(cert)
            try:
                wait_for(lambda: not any(map(loaded, (cert, key))), patience)
            except AssertionError:
                raise Missed(f"a failed renewal was not noticed in {patience:g} s") from None
            failures += exporter.total(CERTIFICATE_EXPIRY, listener="ingest") == expiry
            mixed += _served(port) != old
            new_key.replace(key)
            began = time.monotonic()
            while (now := _served(port)) != new:
                mixed += now != old
                assert time.monotonic() < began + 60
                time.sleep(0.02)
            slowest = max(slowest, time.monotonic() - began)
            kept += _post(client, number) and client.sock is first
    figure = (
        f"{rounds} renewals, served in {slowest:.1f} s at most; {mixed} new connections without a whole "
        f"pair; {kept} answers on the old connection"
    )
    return reached(figure, slowest <= 60 and (mixed, kept, failures) == (0, rounds, rounds))
