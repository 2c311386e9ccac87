"""Whether the Redis servers are configured to keep the counts: version, append-only file, eviction."""

from collections.abc import Iterable
from typing import Final

from exporter.errors import LedgerError
from exporter.ledger.contract import MISCONFIGURATIONS
from exporter.ledger.redis.connection import RedisSettings

VERSION, APPENDONLY, MAXMEMORY_POLICY = MISCONFIGURATIONS
Info = dict[str, str]
"""The fields of INFO, which managed services allow where they forbid CONFIG."""

_OLDEST: Final = (7, 0)
"""Redis 7.0 refuses a script with flags before its first write. Valkey reports `redis_version` 7.2."""
_OLDEST_WAITAOF: Final = (7, 2)


def parse(info: bytes) -> Info:
    lines = info.decode("utf-8", "replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))


def check(infos: Iterable[Info], settings: RedisSettings) -> None:
    """Raises `LedgerError` when a server can't hold the ledger."""
    for info in infos:
        version = info.get("redis_version", "unknown")
        if _version(info) < _OLDEST:
            raise LedgerError(
                f"the shared ledger needs Redis 7.0 or later, or Valkey; this is {version}"
            )
        if settings.wait == 0 and _version(info) < _OLDEST_WAITAOF:
            raise LedgerError(
                f"ledger_wait = 'aof' needs Redis 7.2 or later, or Valkey; this is {version}"
            )
        if info.get("cluster_enabled") == "1" and not settings.address.cluster:
            host, port = settings.address.hosts[0]
            raise LedgerError(
                f"ledger: {host}:{port} is a node of a Cluster; its scheme is redis+cluster://"
            )


def misconfigured(infos: Iterable[Info]) -> dict[str, str]:
    """A sentence for each setting with which one of the servers can lose counts."""
    sentences: dict[str, str] = {}
    for info in infos:
        if _version(info) < _OLDEST:
            version = info.get("redis_version", "of an unknown version")
            sentences[VERSION] = f"The ledger's Redis is {version}: 7.0 or later is needed."
        if info.get("aof_enabled") != "1":
            sentences[APPENDONLY] = (
                "The ledger's Redis has appendonly no: it loses the counts since its last snapshot when "
                "it stops. Set appendonly yes."
            )
        # Without a memory limit nothing is evicted, but a limit may be set at any time.
        if info.get("maxmemory_policy") != "noeviction":
            sentences[MAXMEMORY_POLICY] = (
                f"The ledger's Redis has maxmemory-policy {info.get('maxmemory_policy', 'unknown')}: "
                "it may evict ids and count their retries again. Set noeviction."
            )
    return sentences


def _version(info: Info) -> tuple[int, int]:
    """Major and minor version; zeros when unknown."""
    parts = info.get("redis_version", "").split(".")
    major, minor, *_ = (int(part) if part.isdigit() else 0 for part in (*parts, "", ""))
    return major, minor
