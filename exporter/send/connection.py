"""One kept-alive HTTP connection to the exporter, and what it answered.

The standard library's client: one request at a time needs no pool, and a command-line tool that
sends files should not bring another HTTP stack into the exporter's image.
"""

import http.client
import ssl
from dataclasses import dataclass
from typing import Final

from exporter import __version__
from exporter.errors import ConfigError
from exporter.send.options import Options, Target

_LONGEST_ANSWER: Final = 8 << 20
"""Bytes; 1,000 rejections with messages are about a tenth of it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, read to its end; `retry_after` and `location` are the headers' text, or ""."""

    status: int
    body: bytes
    retry_after: str = ""
    location: str = ""


class Connection:
    """Posts NDJSON bodies, compressed by gzip, one at a time; opens itself again when it was closed.

    Redirects and proxies of the environment are not followed: the token goes where it was meant to.
    Raises `ConfigError` when the token or CA file can't be used.
    """

    def __init__(self, options: Options) -> None:
        self._target: Target = options.target()
        self._headers = {
            "Content-Type": "application/x-ndjson",
            "Content-Encoding": "gzip",
            "Accept": "application/json, application/problem+json",
            "User-Agent": f"session-end-exporter/{__version__}",
        }
        if token := options.token():
            self._headers["Authorization"] = f"Bearer {token}"
        host, port, timeout = self._target.host, self._target.port, options.timeout
        self._http: http.client.HTTPConnection
        if self._target.tls:
            context = _tls(options)
            self._http = http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
        else:
            self._http = http.client.HTTPConnection(host, port, timeout=timeout)

    def post(self, body: bytes, *, timeout: float) -> Answer:
        """The answer to `body`; each wait for the network lasts at most `timeout` seconds.

        Raises `OSError` or `http.client.HTTPException` when there was none; the server may have
        counted the body nevertheless. A kept-alive connection that the server had closed meanwhile
        is not a fault: the body goes once more, over a new one.
        """
        kept = self._http.sock is not None
        self._http.timeout = timeout
        if self._http.sock is not None:
            self._http.sock.settimeout(timeout)
        try:
            try:
                return self._exchange(body)
            except (ConnectionResetError, BrokenPipeError):
                if not kept:
                    raise
                self._http.close()
                return self._exchange(body)
        except BaseException:
            self._http.close()
            raise

    def close(self) -> None:
        self._http.close()

    def _exchange(self, body: bytes) -> Answer:
        try:
            self._http.request("POST", self._target.path, body, self._headers)
        except (BrokenPipeError, ConnectionResetError):
            # A server that refuses (413, 401) may answer and close before it has read the body.
            answer = self._answer()
            self._http.close()
            return answer
        return self._answer()

    def _answer(self) -> Answer:
        response = self._http.getresponse()
        body = response.read(_LONGEST_ANSWER + 1)
        if len(body) > _LONGEST_ANSWER:
            raise http.client.HTTPException(f"an answer longer than {_LONGEST_ANSWER:,} bytes")
        return Answer(
            response.status,
            body,
            response.headers.get("Retry-After", ""),
            response.headers.get("Location", ""),
        )


def _tls(options: Options) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=options.ca_file)
    except OSError as error:
        text = error.strerror or str(error)
        raise ConfigError(f"--ca-file {options.ca_file}: {text}") from None
