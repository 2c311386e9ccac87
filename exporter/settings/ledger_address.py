"""The address of a shared ledger: a URL without a password. Validated also without the extra `redis`."""

import re
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final
from urllib.parse import unquote

_PORT: Final = 6379
_URL: Final = re.compile(r"redis(s)?(\+cluster)?://(?:([^@/]*)@)?([^@/?#]+)(?:/(\d*))?")
_HOST: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]]+)(?::(\d{1,5}))?")
_WAIT: Final = re.compile(r"aof|replicas:([1-9]\d?)")
URL_PATTERN: Final = r"rediss?(\+cluster)?://([^:@/]*@)?[^\s@/?#]+(/\d*)?"
"""For editors. `parse` is stricter."""
WAIT_PATTERN: Final = _WAIT.pattern


@dataclass(frozen=True, slots=True)
class Address:
    """One server, or some nodes of a Cluster; `tls` verifies certificates."""

    hosts: tuple[tuple[str, int], ...]
    tls: bool = False
    cluster: bool = False
    username: str | None = None
    database: int = 0


def parse(url: str) -> Address:
    """Parse `scheme://[user@]host[:port][/database]`.

    A Cluster has `host[:port],host[:port],…` and no database. Raises `ValueError`, whose text never
    repeats the URL: it may hold a password.
    """
    match = _URL.fullmatch(url)
    if match is None:
        raise ValueError(
            "not a URL of the form SCHEME://[USER@]HOST[:PORT], with redis://, rediss://, "
            "redis+cluster://, rediss+cluster://"
        )
    tls, cluster, user, hosts, database = match.groups()
    if ":" in (user or ""):
        raise ValueError(
            "has a password, which would appear wherever settings are shown: use a file, "
            "ledger_password_file"
        )
    addresses = tuple(map(_host, hosts.split(",")))
    if not cluster and len(addresses) > 1:
        raise ValueError("has several hosts, which only a Cluster has: redis+cluster://")
    if cluster and database:
        raise ValueError("has a database number, which a Cluster does not have")
    username = unquote(user) if user else None
    return Address(addresses, bool(tls), bool(cluster), username, int(database or 0))


def check_url(url: str) -> str:
    """The URL, unchanged. Raises `ValueError`, which never repeats the URL."""
    parse(url)
    if find_spec("redis") is None or find_spec("hiredis") is None:
        raise ValueError("needs the extra: pip install 'session-end-exporter[redis]'")
    return url


def masked(url: str) -> str:
    """The URL, with every part hidden that may contain a password."""
    return re.sub(r"\?.*", "?***", re.sub(r"//.*@", "//***@", url))


def replicas(wait: str) -> int:
    """How many Redis replicas a `ledger_wait` needs; 0 for `aof`. Raises `ValueError`."""
    match = _WAIT.fullmatch(wait)
    if match is None:
        raise ValueError("write aof, or replicas:N such as replicas:1")
    return int(match[1] or 0)


def check_wait(wait: str) -> str:
    """A value of the setting `ledger_wait`, unchanged. Raises `ValueError`."""
    replicas(wait)
    return wait


def _host(text: str) -> tuple[str, int]:
    match = _HOST.fullmatch(text)
    if match is None or int(match[2] or _PORT) > 65535:
        raise ValueError("has a host that is not HOST or HOST:PORT")
    return match[1].strip("[]"), int(match[2] or _PORT)
