"""The address of a shared ledger: a URL without a password. Validated also without the extra `redis`."""

import re
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final
from urllib.parse import unquote

from exporter.validation import PORT, Pattern

_PORT: Final = 6379
_HOST: Final = rf"(?:\[[0-9a-fA-F:.]+\]|[^\s\x00-\x1f\x7f:\[\]@/?#,]+)(?::{PORT})?"
URL: Final = Pattern(
    rf"redis(s)?://(?:([^:@/]*)@)?({_HOST})(?:/(\d*))?"
    rf"|redis(s)?\+cluster://(?:([^:@/]*)@)?({_HOST}(?:,{_HOST})*)/?",
    "write redis://[USER@]HOST[:PORT][/DATABASE] or redis+cluster://[USER@]HOST[:PORT],…, with rediss for "
    "TLS, and the password in the file ledger_password_file",
)
WAIT: Final = Pattern(r"aof|replicas:([1-9]\d?)", "write aof, or replicas:N such as replicas:1")


@dataclass(frozen=True, slots=True)
class Address:
    """One server, or some nodes of a Cluster; `tls` verifies certificates."""

    hosts: tuple[tuple[str, int], ...]
    tls: bool = False
    cluster: bool = False
    username: str | None = None
    database: int = 0


def parse(url: str) -> Address:
    """The address in a URL that matches `URL`."""
    match = re.fullmatch(URL.regex, url)
    assert match is not None
    tls, user, host, database, cluster_tls, cluster_user, nodes = match.groups()
    return Address(
        hosts=tuple(map(_host, (host or nodes).split(","))),
        tls=bool(tls or cluster_tls),
        cluster=nodes is not None,
        username=unquote(user or cluster_user or "") or None,
        database=int(database or 0),
    )


def check_extra(url: str) -> str:
    """The URL, unchanged. Raises `ValueError` without the extra."""
    if find_spec("redis") is None or find_spec("hiredis") is None:
        raise ValueError("needs the extra: pip install 'session-end-exporter[redis]'")
    return url


def masked(url: str) -> str:
    """The URL, with every part hidden that may contain a password."""
    return re.sub(r"\?.*", "?***", re.sub(r"//.*@", "//***@", url))


def replicas(wait: str) -> int:
    """How many Redis replicas a `ledger_wait` needs; 0 for `aof`."""
    return int(wait.removeprefix("replicas:")) if wait != "aof" else 0


def _host(text: str) -> tuple[str, int]:
    ((host, port),) = re.findall(r"^\[?(.*?)\]?(?::(\d+))?$", text)
    return host, int(port or _PORT)
