"""Whether the engine is set up to keep what it is given: its version, its file, and what it evicts."""

from collections.abc import Iterable
from typing import Final

from exporter.ledger.contract import MISCONFIGURATIONS

VERSION, APPENDONLY, MAXMEMORY_POLICY = MISCONFIGURATIONS
OLDEST: Final = (7, 0)
"""Redis 7.0 brought script flags, by which it refuses a script before its first write. Valkey, which
began at 7.2, says so in `redis_version`."""
OLDEST_WAITAOF: Final = (7, 2)


def parse(info: bytes) -> dict[str, str]:
    """The fields of an INFO, which managed services allow where they forbid CONFIG."""
    lines = info.decode("utf-8", "replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))


def version(info: dict[str, str]) -> tuple[int, int]:
    """Major and minor; zeros when it says none."""
    parts = info.get("redis_version", "").split(".")
    digits = [int(part) if part.isdigit() else 0 for part in (*parts, "", "")]
    return digits[0], digits[1]


def wrong(infos: Iterable[dict[str, str]]) -> dict[str, str]:
    """A sentence for each condition that one of the servers does not meet; none when all is well."""
    found: dict[str, str] = {}
    for info in infos:
        if version(info) < OLDEST:
            found[VERSION] = (
                f"The ledger's engine is Redis {info.get('redis_version', 'of an unknown version')}: "
                "7.0 or later is needed."
            )
        if info.get("aof_enabled") != "1":
            found[APPENDONLY] = (
                "The ledger's engine has appendonly no: counts since its last snapshot are gone when "
                "it stops. Set appendonly yes."
            )
        # Without a limit nothing is evicted, but a limit may be set at any time.
        if info.get("maxmemory_policy") != "noeviction":
            found[MAXMEMORY_POLICY] = (
                f"The ledger's engine has maxmemory-policy {info.get('maxmemory_policy', 'unknown')}: "
                "it may evict ids, and count their retries again. Set noeviction."
            )
    return found


def memory(infos: Iterable[dict[str, str]]) -> int:
    """Bytes that the servers use."""
    return sum(int(info.get("used_memory", 0)) for info in infos)
