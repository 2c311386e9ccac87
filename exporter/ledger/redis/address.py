"""Where the shared ledger is: a URL without a password, which is kept in a file."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

PORT: Final = 6379
_SCHEMES: Final = {
    "redis": (False, False),
    "rediss": (True, False),
    "redis+cluster": (False, True),
    "rediss+cluster": (True, True),
}
_URL: Final = re.compile(r"([a-z+]+)://(?:([^@/]*)@)?([^@/?#]+)(?:/(\d*))?")
_HOST: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]]+)(?::(\d{1,5}))?")
_WAIT: Final = re.compile(r"aof|replicas:([1-9]\d?)")


@dataclass(frozen=True, slots=True)
class Address:
    """One server, or some nodes of a Cluster to ask for the others; `tls` verifies certificates."""

    hosts: tuple[tuple[str, int], ...]
    tls: bool = False
    cluster: bool = False
    username: str | None = None
    database: int = 0


def parse(url: str) -> Address:
    """The address in `redis://`, `rediss://` (TLS), `redis+cluster://` or `rediss+cluster://`.

    `scheme://[user@]host[:port][/database]`, for a Cluster `host[:port],host[:port],…` without a
    database. Raises `ValueError`, whose text never repeats the URL: it may hold a password.
    """
    found = _URL.fullmatch(url)
    if found is None or found[1] not in _SCHEMES:
        schemes = ", ".join(f"{scheme}://" for scheme in _SCHEMES)
        raise ValueError(f"not a URL of the form SCHEME://[USER@]HOST[:PORT], with {schemes}")
    tls, cluster = _SCHEMES[found[1]]
    if ":" in (found[2] or ""):
        raise ValueError(
            "has a password, which would show wherever settings do: use a file, "
            "ledger_password_file"
        )
    hosts = tuple(map(_host, found[3].split(",")))
    if not cluster and len(hosts) > 1:
        raise ValueError("has several hosts, which only a Cluster has: redis+cluster://")
    if cluster and found[4]:
        raise ValueError("has a database number, which a Cluster does not have")
    return Address(hosts, tls, cluster, unquote(found[2]) if found[2] else None, int(found[4] or 0))


def described(address: Address) -> str:
    """Its hosts, for messages."""
    return ", ".join(f"{host}:{port}" for host, port in address.hosts)


def masked(url: str) -> str:
    """The URL with what may be a password hidden."""
    return re.sub(r"\?.*", "?***", re.sub(r"//.*@", "//***@", url))


def replicas(wait: str) -> int:
    """How many replicas a `ledger_wait` asks for; 0 is this server's append-only file (`aof`).

    Raises `ValueError`.
    """
    found = _WAIT.fullmatch(wait)
    if found is None:
        raise ValueError("not aof, nor replicas:N such as replicas:1")
    return int(found[1] or 0)


def _host(text: str) -> tuple[str, int]:
    found = _HOST.fullmatch(text)
    if found is None or int(found[2] or PORT) > 65535:
        raise ValueError("has a host that is not HOST or HOST:PORT")
    return found[1].strip("[]"), int(found[2] or PORT)
