"""A listener's certificate: loaded at start and again when its files change."""

import asyncio
import base64
import contextlib
import os
import re
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from exporter.errors import ConfigError
from exporter.logs import Log

RECHECK: Final = 5.0
"""Seconds between two reads of the files."""
_PEM: Final = re.compile(rb"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----(.+?)-----END", re.DOTALL)

log = Log("exporter.certificates")


class Certificate:
    """The certificate chain and private key of the listener `name`, from two PEM files.

    `context` is the same object for the listener's life: open connections keep their keys, new ones get
    the newest pair that could be loaded. `expires` is the end of its validity (Unix seconds). `mistake`
    says why the current files can't be used; empty if they can. Raises `ConfigError` when the first pair
    can't be used.
    """

    def __init__(self, name: str, cert: Path, key: Path) -> None:
        self.name = name
        self.mistake = ""
        self._files = {f"{name}_tls_cert": cert, f"{name}_tls_key": key}
        self.context = _new_context()
        self._served: tuple[bytes, ...] = ()
        self._serve(self._read())

    async def watch(self) -> None:
        """Load the files again whenever they change, until cancelled."""
        while True:
            await asyncio.sleep(RECHECK)
            try:
                pair = await asyncio.to_thread(self._read)
                changed = pair != self._served
                if changed:
                    self._serve(pair)
                self.mistake = ""
                if changed:
                    log.info("certificate reloaded", listener=self.name, expires=self.expires)
            except ConfigError as error:
                if str(error) != self.mistake:
                    self.mistake = str(error)
                    log.error(
                        "certificate can't be loaded, the previous one is still served",
                        listener=self.name,
                        mistake=self.mistake,
                    )

    def _read(self) -> tuple[bytes, ...]:
        """The files' content. It is compared, because a copy may keep the time of change."""
        content = []
        for setting, path in self._files.items():
            try:
                content.append(path.read_bytes())
            except OSError as error:
                raise ConfigError(f"{setting} = '{path}': {error.strerror}") from None
        return tuple(content)

    def _serve(self, pair: tuple[bytes, ...]) -> None:
        try:
            with _in_memory(pair) as paths:
                # First in a context of its own: a key that does not match would leave the served context
                # with the new certificate and no key.
                _load(_new_context(), paths)
                expires = _not_after(pair[0])
                _load(self.context, paths)
        except (OSError, ValueError, IndexError) as error:
            reason = getattr(error, "reason", None) or str(error)
            (cert, cert_path), (key, key_path) = self._files.items()
            raise ConfigError(
                f"{cert} = '{cert_path}' and {key} = '{key_path}': not a PEM "
                f"certificate and its unencrypted key: {reason}"
            ) from None
        self._served, self.expires = pair, expires


def _new_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _load(context: ssl.SSLContext, paths: list[str]) -> None:
    # Without a password, OpenSSL asks for one on the terminal, and the start hangs.
    cert, key = paths
    context.load_cert_chain(cert, key, password="")


@contextlib.contextmanager
def _in_memory(contents: tuple[bytes, ...]) -> Iterator[list[str]]:
    """Paths of files in memory. `load_cert_chain` accepts only paths, and the operator's files may change
    between our read and OpenSSL's."""
    with contextlib.ExitStack() as opened:
        paths = []
        for content in contents:
            file = opened.enter_context(open(os.memfd_create("pem"), "wb", buffering=0))
            file.write(content)
            paths.append(f"/proc/self/fd/{file.fileno()}")
        yield paths


def _not_after(chain: bytes) -> float:
    """The end of the first certificate's validity, Unix seconds; `ValueError` without a certificate.

    Python's `ssl` shows it for a peer's certificate only. RFC 5280 4.1: Certificate → tbsCertificate →
    version (optional), serialNumber, signature, issuer, validity → notBefore, notAfter.
    """
    block = _PEM.search(chain)
    if block is None:
        raise ValueError("no certificate in the file")
    der = base64.b64decode(block[1])
    at = _content(der, _content(der, 0)[0])[0]
    # Validity follows three fields, or four with a version, whose tag is [0].
    for _ in range(4 if der[at] == 0xA0 else 3):
        at = _content(der, at)[1]
    not_before = _content(der, at)[0]
    not_after = _content(der, not_before)[1]
    start, end = _content(der, not_after)
    # UTCTime has a year of two digits, of which 50 to 99 are 1950 to 1999; GeneralizedTime has four.
    text = der[start:end].decode("ascii")
    if der[not_after] == 0x17:
        text = ("19" if text[:2] >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def _content(der: bytes, at: int) -> tuple[int, int]:
    """Start and end of the content of the DER element at `at`."""
    length, start = der[at + 1], at + 2
    if length >= 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[at + 2 : start], "big")
    return start, start + length
