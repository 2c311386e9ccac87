"""A listener's certificate: loaded at start and again when its files change."""

import asyncio
import base64
import contextlib
import os
import re
import ssl
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Gauge

from exporter import names
from exporter.errors import ConfigError
from exporter.logs import Log
from exporter.watched import export_use

RECHECK: Final = 5.0
"""Seconds between two reads of the files."""
_PEM: Final = re.compile(rb"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----(.+?)-----END", re.DOTALL)
_VALIDITY: Final = re.compile(rb"\x30.[\x17\x18].\d{12,14}Z[\x17\x18].(\d{12,14})Z", re.DOTALL)
"""RFC 5280 4.1: a sequence of notBefore and notAfter, each UTCTime or GeneralizedTime, in DER."""

log = Log("exporter.certificates")


class Certificate:
    """The certificate chain and private key of the listener `name`, from two PEM files.

    `context` has the newest pair that could be loaded; open connections keep the pair that they began with.
    `expires` is the end of its validity (Unix seconds). `mistake` says why the current files can't be used.
    Raises `ConfigError` for the first pair.
    """

    def __init__(self, name: str, cert: Path, key: Path) -> None:
        self.name = name
        self.mistake = ""
        self.files = {f"{name}_tls_cert": cert, f"{name}_tls_key": key}
        self.context = _new_context()
        self._served: list[bytes] = []
        self._serve(self._read())

    def is_current(self) -> bool:
        """Whether the present content of the files is served."""
        return not self.mistake

    async def watch(self) -> None:
        """Load the files again whenever they change, until cancelled."""
        while True:
            await asyncio.sleep(RECHECK)
            try:
                pair = await asyncio.to_thread(self._read)
                if pair != self._served:
                    self._serve(pair)
                    log.info("certificate reloaded", listener=self.name, expires=self.expires)
                self.mistake = ""
            except ConfigError as error:
                if str(error) != self.mistake:
                    self.mistake = str(error)
                    log.error(
                        "certificate can't be loaded, the previous one is still served",
                        listener=self.name,
                        mistake=self.mistake,
                    )

    def _read(self) -> list[bytes]:
        """The files' content. It is compared, because a copy may keep the time of change."""
        content = []
        for setting, path in self.files.items():
            try:
                content.append(path.read_bytes())
            except OSError as error:
                raise ConfigError(f"{setting} = '{path}': {error.strerror}") from None
        return content

    def _serve(self, pair: list[bytes]) -> None:
        try:
            with _in_memory(pair[0]) as cert, _in_memory(pair[1]) as key:
                # A key that does not match would leave the served context with the new certificate only.
                _load(_new_context(), cert, key)
                expires = _expiry(pair[0])
                _load(self.context, cert, key)
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or str(error)
            settings = " and ".join(f"{name} = '{path}'" for name, path in self.files.items())
            raise ConfigError(
                f"{settings}: not a PEM certificate and its unencrypted key: {reason}"
            ) from None
        self._served, self.expires = pair, expires


def export_certificates(certificates: Iterable[Certificate], registry: CollectorRegistry) -> None:
    """Export the expiry of each listener's certificate, and whether its files are in use."""
    expiry = Gauge(
        names.CERTIFICATE_EXPIRY,
        "When the certificate that a listener serves expires, Unix time.",
        (names.LISTENER,),
        registry=registry,
    )
    for certificate in certificates:
        expiry.labels(certificate.name).set_function(partial(getattr, certificate, "expires"))
        for path in certificate.files.values():
            export_use(path, certificate.is_current)


def _new_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _load(context: ssl.SSLContext, cert: str, key: str) -> None:
    # Without a password, OpenSSL asks for one on the terminal, and the start hangs.
    context.load_cert_chain(cert, key, password="")


@contextlib.contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    """A path of the content for OpenSSL: the operator's files may change before it reads them."""
    with open(os.memfd_create("pem"), "wb", buffering=0) as file:
        file.write(content)
        yield f"/proc/self/fd/{file.fileno()}"


def _expiry(chain: bytes) -> float:
    """notAfter of the first certificate, Unix seconds. Python's `ssl` shows it for peers only."""
    block = _PEM.search(chain)
    validity = _VALIDITY.search(base64.b64decode(block[1])) if block else None
    if validity is None:
        raise ValueError("no certificate in the file")
    end = validity[1].decode()
    if len(end) == 12:
        # RFC 5280 4.1.2.5.1: a year of two digits from 50 on is 19YY.
        end = ("19" if end >= "50" else "20") + end
    return datetime.strptime(end, "%Y%m%d%H%M%S").replace(tzinfo=UTC).timestamp()
