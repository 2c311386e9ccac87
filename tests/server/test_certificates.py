"""Certificates: what is loaded at start, and what is served after the files change."""

import asyncio
import contextlib
import os
import shutil
import socket
import ssl
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from exporter.errors import ConfigError
from exporter.server import certificates
from exporter.server.certificates import Certificate
from tests.server.conftest import Start, answer, eventually, openssl, post

Pair = tuple[Path, Path]


def make(folder: Path, name: str, *flags: str) -> Pair:
    """A certificate for `name` and its key, in a folder of its own."""
    folder.mkdir(exist_ok=True)
    cert, key = folder / "tls.crt", folder / "tls.key"
    openssl(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        f"-subj /CN={name} -keyout {key} -out {cert} {' '.join(flags)}"
    )
    return cert, key


def served(address: tuple[str, int]) -> str:
    """The certificate that a new connection gets, PEM."""
    return ssl.get_server_certificate(address, timeout=15)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "RECHECK", 0.02)


# --- at start -------------------------------------------------------------------------------------


def test_certificate_refuses_tls_below_1_2(pair: Pair) -> None:
    """Passes without `minimum_version` on Python 3.11, whose own default is 1.2: it holds it there."""
    assert Certificate("ops", *pair).context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_certificate_that_is_missing_names_setting_and_file(pair: Pair) -> None:
    with pytest.raises(ConfigError) as caught:
        Certificate("ops", Path("/no/cert.pem"), pair[1])
    assert str(caught.value) == "ops_tls_cert = '/no/cert.pem': No such file or directory"


def test_certificate_with_an_invalid_key_names_both_files(pair: Pair, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("not a key")
    with pytest.raises(ConfigError) as caught:
        Certificate("ops", pair[0], wrong)
    assert str(caught.value).startswith(
        f"ops_tls_cert = '{pair[0]}' and ops_tls_key = '{wrong}': not a PEM certificate and its "
        "unencrypted key: "
    )


def test_certificate_with_an_encrypted_key_asks_no_question(pair: Pair, tmp_path: Path) -> None:
    """Fails without a password given: OpenSSL asks for one on the terminal and waits."""
    locked = tmp_path / "locked.pem"
    openssl(f"pkcs8 -topk8 -in {pair[1]} -out {locked} -passout pass:secret")
    with pytest.raises(ConfigError, match="unencrypted key"):
        Certificate("ops", pair[0], locked)


@pytest.mark.parametrize(
    ("flags", "what"),
    [
        ((), "UTCTime"),
        (("-days", "20000"), "GeneralizedTime: after 2049"),
        (("-x509v1",), "version 1: no version field"),
    ],
)
def test_certificate_expiry_is_what_openssl_says(
    tmp_path: Path, flags: tuple[str, ...], what: str
) -> None:
    if flags == ("-x509v1",):
        cert, key = tmp_path / "tls.crt", tmp_path / "tls.key"
        request = tmp_path / "request"
        openssl(f"req -new -newkey rsa:2048 -nodes -subj /CN=a -keyout {key} -out {request}")
        openssl(f"x509 -req -in {request} -signkey {key} -days 3 -out {cert}")
    else:
        cert, key = make(tmp_path / "made", "a", *flags)
    said = subprocess.run(
        ["openssl", "x509", "-noout", "-enddate", "-in", cert],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    at = datetime.strptime(said, "notAfter=%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC)
    assert Certificate("ops", cert, key).expires == at.timestamp(), what


# --- when the files change ------------------------------------------------------------------------


@pytest.mark.usefixtures("quick")
def test_certificate_is_reloaded_when_its_files_change_and_connections_stay(
    start: Start, tmp_path: Path
) -> None:
    """Fails without `watch` in `listeners.serve`."""
    old, new = make(tmp_path / "old", "old"), make(tmp_path / "new", "new")
    server = start(tls=old)
    assert served(server.address) == old[0].read_text()
    context = ssl.create_default_context(cafile=str(old[0]))
    context.check_hostname = False
    with context.wrap_socket(server.connect()) as client:
        client.sendall(post(b"before"))
        assert answer(client).endswith(b"before")
        for before, after in zip(old, new, strict=True):
            shutil.copyfile(after, before)
        eventually(lambda: served(server.address) == new[0].read_text())
        client.sendall(post(b"after"))
        assert answer(client).endswith(b"after")


@pytest.mark.usefixtures("quick")
def test_certificate_is_reloaded_when_kubernetes_swaps_the_symlink(
    start: Start, tmp_path: Path
) -> None:
    """A Secret's files are links through `..data`, a link to a folder that an update replaces at once."""
    make(tmp_path / "..1", "old")
    new, _ = make(tmp_path / "..2", "new")
    (tmp_path / "..data").symlink_to("..1")
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    server = start(tls=(tmp_path / "tls.crt", tmp_path / "tls.key"))
    assert served(server.address) == (tmp_path / "..1/tls.crt").read_text()
    (tmp_path / "..data_tmp").symlink_to("..2")
    os.replace(tmp_path / "..data_tmp", tmp_path / "..data")
    eventually(lambda: served(server.address) == new.read_text())


def put(path: Path, text: str) -> None:
    """Replace a file whole."""
    made = path.with_suffix(".new")
    made.write_text(text)
    os.replace(made, path)


class CountedPath(type(Path())):  # type: ignore[misc]
    """A path that counts the reads of its file."""

    reads = 0

    def read_bytes(self) -> bytes:
        self.reads += 1
        return bytes(super().read_bytes())


async def watched(certificate: Certificate, work: Any) -> None:
    watching = asyncio.create_task(certificate.watch())
    try:
        await asyncio.to_thread(work)
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching


def handshake(certificate: Certificate) -> str:
    """The certificate of a handshake with `certificate.context`, on a pair of sockets, PEM."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    left, right = socket.socketpair()
    with left, right:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = context.wrap_bio(incoming, outgoing)
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = certificate.context.wrap_bio(to_server, to_client, server_side=True)
        for _ in range(3):
            for peer in (client, server):
                with contextlib.suppress(ssl.SSLWantReadError):
                    peer.do_handshake()
                to_server.write(outgoing.read())
                incoming.write(to_client.read())
    der = client.getpeercert(binary_form=True)
    assert der
    return ssl.DER_cert_to_PEM_cert(der)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("break_it", ["half a certificate", "key of another", "no file"])
def test_certificate_that_cannot_be_loaded_leaves_the_one_before_it_in_force(
    break_it: str, tmp_path: Path
) -> None:
    """Fails without the first of the two loads in `_serve`, for "key of another": OpenSSL takes the new
    certificate, drops the old key and refuses the new one."""
    cert, key = make(tmp_path / "old", "old")
    new_cert, new_key = make(tmp_path / "new", "new")
    old = cert.read_text()
    counted = CountedPath(cert)
    certificate = Certificate("ingest", counted, key)
    expires = certificate.expires

    def work() -> None:
        if break_it == "half a certificate":
            put(cert, new_cert.read_text()[:200])
        elif break_it == "key of another":
            put(cert, new_cert.read_text())
        else:
            key.unlink()
        eventually(lambda: certificate.mistake != "")
        reads = counted.reads
        eventually(lambda: counted.reads > reads + 5)
        assert handshake(certificate) == old
        assert certificate.expires == expires
        put(cert, new_cert.read_text())
        put(key, new_key.read_text())
        eventually(lambda: certificate.mistake == "")
        assert handshake(certificate) == new_cert.read_text()

    with capture_logs() as lines:
        asyncio.run(watched(certificate, work))
    # At most two: the new certificate is there before its key.
    errors = [line for line in lines if line["log_level"] == "error"]
    assert len({line["mistake"] for line in errors}) == len(errors) <= 2
    assert all("ingest_tls_" in line["mistake"] for line in errors)
    assert lines[-1]["event"] == "certificate reloaded"
