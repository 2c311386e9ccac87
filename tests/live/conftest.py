"""What the tests of live stats share."""

import logging
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from exporter import logs
from tests.live.vendor import Vendor, vendor


@pytest.fixture(autouse=True)
def log() -> Iterator[None]:
    """The exporter's own, whatever a test before set up."""
    handlers = list(logging.getLogger().handlers)
    logs.configure("info")
    yield
    logging.getLogger().handlers[:] = handlers
    structlog.reset_defaults()


@pytest.fixture
def server() -> Iterator[Vendor]:
    with vendor() as made:
        yield made


@pytest.fixture
def over_tls(server: Vendor, tmp_path: Path) -> Vendor:
    """The server behind a certificate that it made itself, for its own address."""
    pair = tmp_path / "pair.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        f"-subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 -keyout {pair} -out {pair}.cert"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{pair}.cert", pair)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    server.certificate = f"{pair}.cert"
    return server
