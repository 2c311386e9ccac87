"""A listener: its application, limits and allowed hosts, and how it refuses requests.

DNS rebinding: the host name of an attacker's page now resolves to this machine, and the browser sends the
page's requests here. Only the name in Host, a public DNS name, shows the attack.
"""

import re
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from exporter.errors import HostNotAllowed, Refused, Unparseable
from exporter.logs import Sampler
from exporter.metrics.own import OwnMetrics
from exporter.problem import Header, problem
from exporter.server.certificates import Certificate

_HOST: Final = re.compile(
    rb"(?P<host>\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)(?::[0-9]*)?"
)
"""`uri-host [ ":" port ]` of RFC 3986: an address in brackets, or a name, which may be empty."""


class AllowedHosts:
    """The hosts for which a listener without tokens answers.

    Always allowed are names that no public DNS name can be: IP addresses, names without a dot,
    `*.localhost`, this machine's name and `listens`, the host of the listener. `names` is the setting
    `allowed_hosts`. `open_paths` are answered for any host; a path that ends with `/` includes all below.
    """

    def __init__(self, names: Iterable[str], listens: str, open_paths: Iterable[str]) -> None:
        allowed = [name.lower() for name in (socket.gethostname().rstrip("."), listens, *names)]
        self._names = frozenset(allowed)
        self._suffixes = (".localhost", *(name[1:] for name in allowed if name.startswith("*.")))
        paths = "|".join(re.escape(path) + ".*" * path.endswith("/") for path in open_paths)
        self._open = re.compile(rf"({paths})(\?.*)?".encode(), re.DOTALL)

    def check(self, host: str, target: bytes) -> None:
        """Raise `HostNotAllowed` unless `host`, from `host_of`, is allowed for `target`."""
        if not self._allows(host) and not self._open.fullmatch(target):
            raise HostNotAllowed(f"Host {host[:100]!r} is not allowed: add it to allowed_hosts")

    def _allows(self, host: str) -> bool:
        if "." not in host or host in self._names or host.endswith(self._suffixes):
            return True
        try:
            ip_address(host)
        except ValueError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Listener:
    """An application at `address` (HOST:PORT), the setting `name`; over TLS if it has a `certificate`.

    `max_header` is in bytes. `receive_timeout`, in seconds, is for a head, for a body and for an answer.
    `hosts` is None on a listener with tokens, which answers for any host. `own` and `sampler` count and log
    refused requests; `requests{status}` counts requests of ingest only.
    """

    name: str
    address: str
    app: Any
    own: OwnMetrics
    sampler: Sampler
    max_header: int
    receive_timeout: float
    max_connections: int
    hosts: AllowedHosts | None = None
    certificate: Certificate | None = None

    def refused(self, error: Refused, client: str, answered: bool) -> None:
        """Count and log a request that never reached the application; `answered`: the peer got an answer."""
        self.own.refused.labels(error.reason).inc()
        if answered and self.name == "ingest":
            self.own.requests.labels(error.status).inc()
        self.sampler.warning(error.reason, "request refused", client=client, detail=error.detail)


def refusal(error: Refused, default_headers: Iterable[Header]) -> bytes:
    """The answer to a refused request; the connection closes after it."""
    status, headers, body = problem(error)
    return serialized(status, [*default_headers, *headers, (b"connection", b"close")], body)


def serialized(status: int, headers: Iterable[Header], body: bytes) -> bytes:
    """An answer as it is sent."""
    head = b"".join([b"%s: %s\r\n" % line for line in headers])
    return b"%s%s\r\n%s" % (STATUS_LINE[status], head, body)


def host_of(headers: Sequence[tuple[bytes, bytes]], version: str, target: bytes) -> str:
    """The host of a request in lower case, without port and brackets; empty if there is none.

    `headers` have lower-case names. Raises `Unparseable` where RFC 9112 3.2 requires a 400.
    """
    values = [value for name, value in headers if name == b"host"]
    if len(values) > 1 or (not values and version != "1.0"):
        raise Unparseable(
            f"a request of HTTP/{version} needs exactly one Host header; there are {len(values)}"
        )
    host = _name(values[0].strip() if values else b"")
    if target.startswith((b"/", b"*")):
        return host
    # RFC 9112 3.2.2: the host of a target that is a whole URL replaces Host.
    of_target = httptools.parse_url(target).host or b""
    return _name(b"[%s]" % of_target if b":" in of_target else of_target)


def _name(value: bytes) -> str:
    parsed = _HOST.fullmatch(value)
    if parsed is None:
        raise Unparseable("the Host header is not a host and a port, such as example.com:10400")
    # A percent-encoded dot is a dot.
    return unquote(parsed["host"]).strip("[]").lower().rstrip(".")
