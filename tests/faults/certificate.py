"""Row 34 of the fault table: certificates that are renewed on disk, and renewals that fail half way."""

import contextlib
import http.client
import json
import os
import ssl
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.faults.table import Row, reached

RECHECK = """
from exporter.server import certificates
certificates.RECHECK = 0.1
"""
"""Run before the program in quick versions: the files are looked at every 0.1 s instead of every 5 s."""
EXPIRY = "session_exporter_certificate_expiry_timestamp_seconds"
RELOADED = "session_exporter_certificate_last_reload_successful"


@dataclass
class Renewals:
    """`served` has the seconds until new connections got the new certificate, for each renewal;
    `mixed` counts new connections that failed or got neither certificate; `kept` the answers on the
    connection that was opened before the first renewal."""

    served: list[float] = field(default_factory=list)
    mixed: int = 0
    kept: int = 0
    failures_shown: int = 0


def make(folder: Path, days: int) -> tuple[bytes, bytes]:
    cert, key = folder / "made.crt", folder / "made.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", str(days), "-subj", "/CN=localhost"),
            *("-keyout", key, "-out", cert),
        ],
        check=True,
        capture_output=True,
    )
    return cert.read_bytes(), key.read_bytes()


def put(path: Path, content: bytes) -> None:
    made = path.with_suffix(".new")
    made.write_bytes(content)
    os.replace(made, path)


def renew(folder: Path, rounds: int, patience: float, mutant: str = "") -> Renewals:
    """Renew the certificate of the ingest listener `rounds` times, each after a renewal that fails: the
    new certificate without its key."""
    cert, key = folder / "tls.crt", folder / "tls.key"
    pair = make(folder, 1)
    put(cert, pair[0])
    put(key, pair[1])
    settings = {"ingest_tls_cert": cert, "ingest_tls_key": key}
    found = Renewals()
    with (
        contextlib.ExitStack() as opened,
        ExporterProcess(folder / "data", settings=settings, mutant=mutant) as exporter,
    ):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        port = exporter.ports["ingest"]
        client = http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=context)
        opened.callback(client.close)
        # A connection without a first request is closed after receive_timeout.
        assert post(client, -1)
        first = client.sock
        for number in range(rounds):
            new = make(folder, number + 2)
            expiry = exporter.total(EXPIRY, listener="ingest")
            put(cert, new[0])
            if patience_ends(lambda: exporter.total(RELOADED, listener="ingest") == 0, patience):
                found.served.append(float("inf"))
                return found
            found.failures_shown += exporter.total(EXPIRY, listener="ingest") == expiry
            found.mixed += served(port) != pair[0]
            put(key, new[1])
            began = time.monotonic()
            while (now := served(port)) != new[0]:
                found.mixed += now != pair[0]
                assert time.monotonic() < began + patience
                time.sleep(0.02)
            found.served.append(time.monotonic() - began)
            pair = new
            found.kept += post(client, number) and client.sock is first
    return found


def post(client: http.client.HTTPSConnection, number: int) -> bool:
    """Whether an event was counted."""
    event = {"id": str(number), "system": "streampixel", "code": 4001}
    client.request(
        "POST", "/v1/session-ends", json.dumps(event), {"Content-Type": "application/json"}
    )
    reply = client.getresponse()
    return reply.status == 200 and json.loads(reply.read())["accepted"] == 1


def patience_ends(condition: Callable[[], bool], patience: float) -> bool:
    try:
        wait_for(condition, patience)
    except AssertionError:
        return True
    return False


def served(port: int) -> bytes:
    """The certificate that a new connection gets; nothing when there is none."""
    try:
        return ssl.get_server_certificate(("127.0.0.1", port), timeout=30).encode()
    except OSError:
        return b""


def run(folder: Path, quick: bool) -> str:
    rounds = 1 if quick else 10
    found = renew(folder, rounds, patience=60, mutant=RECHECK if quick else "")
    figure = (
        f"{rounds} renewals, served in {max(found.served):.1f} s at most; {found.mixed} new connections "
        f"without a whole pair; {found.kept} answers on the old connection"
    )
    return reached(
        figure,
        max(found.served) <= 60
        and (found.mixed, found.kept, found.failures_shown) == (0, rounds, rounds),
    )


ROW = Row(34, "certificate renewed on disk", "served < 60 s, open connections kept", run)
