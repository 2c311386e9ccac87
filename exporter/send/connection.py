"""The HTTP connection to the exporter, and what its responses mean.

The standard library's client: httpx cost more CPU time and a slower start.
"""

import base64
import http.client
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import SplitResult, unquote
from urllib.request import getproxies, proxy_bypass

import msgspec

from exporter import __version__
from exporter.errors import ConfigError, ExporterError
from exporter.send.options import Options, http_url

_REMEDIES: Final = {
    401: ". Give a valid token with --token-file: a line of the exporter's ingest_token_file",
    404: ". Does --url name the ingest listener?",
}


class Undelivered(ExporterError):
    """Events could not be delivered and another attempt does not help; the text is for the user."""


class _Rejection(msgspec.Struct):
    index: int
    message: str


class LateEvents(msgspec.Struct):
    """The number of late events, and the time of the oldest as RFC 3339 in UTC."""

    events: int
    oldest: str


class Warnings(msgspec.Struct):
    """Warnings about valid events: counts of unknown codes, the nearest field of each ignored field, and
    late events."""

    unknown_codes: dict[str, int] = {}
    ignored_fields: dict[str, str | None] = {}
    late: LateEvents | None = None


class _Reply(msgspec.Struct):
    """The fields read from a result or a problem+json; any other body gives the defaults."""

    accepted: int = -1
    duplicates: int = -1
    rejected: list[_Rejection] = []
    detail: str = ""
    title: str = ""
    warnings: Any = None


@dataclass(frozen=True, slots=True)
class Response:
    """A response, or status 0 if none arrived; the events may have been counted nevertheless."""

    status: int
    problem: str  # explains the status
    retry_after: float = 0.0  # seconds that the server asks to wait
    reply: _Reply = field(default_factory=_Reply)

    @property
    def retryable(self) -> bool:
        """Whether the same request may be counted later."""
        return self.status in (0, 408, 425, 429) or self.status >= 500

    def result(self, sent: int) -> tuple[int, int, dict[int, str]]:
        """The numbers of accepted events and of duplicates, and the message of each rejected event by index.

        Raises `Undelivered` for a status other than 200 or 422, and for a 200 that does not answer each of
        the `sent` events: a proxy may send it.
        """
        reply, indexes = self.reply, range(sent)
        rejected = {item.index: item.message for item in reply.rejected if item.index in indexes}
        if self.status == 422:
            return 0, 0, dict.fromkeys(indexes, self.problem) | rejected
        if self.status != 200:
            raise Undelivered(self.problem)
        counts = reply.accepted, reply.duplicates, len(rejected)
        if min(counts) < 0 or sum(counts) != sent:
            raise Undelivered(f"{self.problem}: does not answer each event; is --url the exporter?")
        return reply.accepted, reply.duplicates, rejected

    def warnings(self) -> Warnings:
        """The warnings of the response; empty if another version of the exporter sends a different form."""
        with suppress(msgspec.ValidationError):
            return msgspec.convert(self.reply.warnings, Warnings)
        return Warnings()


def _proxy_for(url: SplitResult) -> tuple[str, int, dict[str, str]] | None:
    """Host, port and headers of the environment's proxy for a URL, if it has one. Raises `ConfigError`."""
    host = url.hostname or ""
    proxy = getproxies().get(url.scheme)
    local = host in ("localhost", "::1") or host.startswith("127.")
    if not proxy or local or proxy_bypass(url.netloc):
        return None
    parts = http_url(proxy if "://" in proxy else f"http://{proxy}", "http")
    if parts is None:
        # The value is not shown: it may contain a password.
        raise ConfigError(f"{url.scheme.upper()}_PROXY: must be http://HOST:PORT")
    headers = {}
    if parts.username is not None:
        text = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Proxy-Authorization"] = f"Basic {base64.b64encode(text.encode()).decode()}"
    return parts.hostname or "", parts.port or 80, headers


class Connection:
    """Posts bodies, compressed by gzip, one at a time over a kept-alive connection.

    Does not follow redirects, so only `--url` and the environment's proxy for it get the token.
    Raises `ConfigError` when the URL, the proxy, the token file or the CA file cannot be used.
    """

    def __init__(self, options: Options) -> None:
        url = options.endpoint()
        self._url, self._path = url.geturl(), url.path
        self._headers = {
            "Content-Encoding": "gzip",
            "User-Agent": f"session-end-exporter/{__version__}",
        }
        self._options, self._token = options, options.token()
        # Without a port, http.client would take the end of an IPv6 address for the port.
        target = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
        proxy = _proxy_for(url)
        host, port, credentials = proxy or (*target, {})
        timeout = min(options.timeout, max(options.max_wait, 1.0))
        self._http = http.client.HTTPConnection(host, port, timeout)
        if url.scheme == "https":
            try:
                tls = ssl.create_default_context(cafile=options.ca_file)
            except OSError as error:
                reason = error.strerror or str(error)
                raise ConfigError(f"--ca-file {options.ca_file}: {reason}") from None
            self._http = http.client.HTTPSConnection(host, port, timeout=timeout, context=tls)
        if proxy and url.scheme == "https":
            self._http.set_tunnel(*target, credentials)
        elif proxy:
            self._path = self._url
            self._headers |= credentials
        if proxy:
            self._url += f" through the proxy {host}:{port}"

    def post(self, body: bytes, media: str = "application/x-ndjson") -> Response:
        """The response to `body`. Raises `Undelivered` without TLS or a trusted certificate."""
        reused = self._http.sock is not None
        try:
            return self._exchange(body, media)
        except ssl.SSLCertVerificationError as error:
            text = f"the certificate of {self._url} is not trusted: {error.verify_message}"
            remedy = "" if "mismatch" in text else ". Give its CA with --ca-file"
            raise Undelivered(text + remedy) from None
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if reused and isinstance(error, ConnectionResetError | BrokenPipeError):
                # The server had closed the idle connection, which is no failure.
                return self.post(body, media)
            reason = getattr(error, "strerror", None) or str(error)
            if "WRONG_VERSION_NUMBER" in reason:
                problem = f"{self._url}: the port does not speak TLS: write http://"
                raise Undelivered(problem) from None
            problem = f"no response from {self._url}: {reason}; check --url and the network"
            if isinstance(error, ConnectionRefusedError):
                remedy = "is the exporter running? session-end-exporter serve"
                problem = f"connection refused at {self._url}: {remedy}"
            return Response(0, problem)

    def close(self) -> None:
        self._http.close()

    def _exchange(self, body: bytes, media: str) -> Response:
        if self._http.sock is None:
            self._http.connect()
        headers = self._headers | {"Content-Type": media}
        # The token may be replaced while a pipe is read: its file may be empty for a moment.
        with suppress(ConfigError):
            self._token = self._options.token()
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        # A server that refuses (401, 413) may respond and close before it has read the body.
        with suppress(ConnectionResetError, BrokenPipeError):
            self._http.request("POST", self._path, body, headers)
        response = self._http.getresponse()
        try:
            reply = msgspec.json.decode(response.read(8 << 20), type=_Reply)
        except (ValueError, RecursionError):
            reply = _Reply()
        detail = (reply.detail or reply.title)[:500] or response.reason
        if location := response.headers.get("Location"):
            detail = f"redirect to {location}; redirects are not followed"
        problem = f"{response.status} from {self._url}: {detail}"
        seconds = response.headers.get("Retry-After", "")
        wait = float(seconds) if seconds.isdecimal() else 0.0
        return Response(response.status, problem + _REMEDIES.get(response.status, ""), wait, reply)
