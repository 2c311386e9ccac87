"""A listener's certificate: loaded at start and again when its files change."""

import base64
import re
import ssl
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, Gauge

from exporter import names
from exporter.errors import ConfigError
from exporter.watched import Watched

_PEM: Final = re.compile(rb"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----(.+?)-----END", re.DOTALL)
_VALIDITY: Final = re.compile(rb"\x30.[\x17\x18].\d{12,14}Z[\x17\x18].(\d{12,14})Z", re.DOTALL)
"""RFC 5280 4.1: a sequence of notBefore and notAfter, each UTCTime or GeneralizedTime, in DER."""


class Loaded(NamedTuple):
    """A certificate chain with its private key, and the end of its validity (Unix seconds)."""

    context: ssl.SSLContext
    expires: float


Certificate = Watched[Loaded]
"""Open connections keep the pair that they began with."""


def watched_certificate(name: str, cert: Path, key: Path) -> Certificate:
    """The certificate of the listener `name` from two PEM files. Raises `ConfigError`."""

    def load(cert: Path, key: Path) -> Loaded:
        try:
            # A key that does not match would leave a context in use with the new certificate only.
            context = _new_context()
            # Without a password, OpenSSL asks for one on the terminal, and the start hangs.
            context.load_cert_chain(cert, key, password="")
            return Loaded(context, _expiry(cert.read_bytes()))
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
            raise ConfigError(
                f"{name}_tls_cert = '{cert}' and {name}_tls_key = '{key}': not a PEM certificate and its "
                f"unencrypted key: {reason}"
            ) from None

    return Watched((cert, key), load, "certificate", time.monotonic)


def export_certificates(
    certificates: Mapping[str, Certificate], registry: CollectorRegistry
) -> None:
    """Export the expiry of each listener's certificate."""
    expiry = Gauge(
        names.CERTIFICATE_EXPIRY,
        "When the certificate that a listener serves expires, Unix time.",
        (names.LISTENER,),
        registry=registry,
    )
    for listener, certificate in certificates.items():
        expiry.labels(listener).set_function(partial(_expires, certificate))


def _expires(certificate: Certificate) -> float:
    return certificate.current().expires


def _new_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _expiry(chain: bytes) -> float:
    """notAfter of the first certificate, Unix seconds. Python's `ssl` shows it for peers only."""
    block = _PEM.search(chain)
    validity = _VALIDITY.search(base64.b64decode(block[1])) if block else None
    if validity is None:
        raise ValueError("no certificate in the file")
    end = validity[1].decode()
    year = "%y" if len(end) == 12 else "%Y"
    return datetime.strptime(end, year + "%m%d%H%M%S").replace(tzinfo=UTC).timestamp()
