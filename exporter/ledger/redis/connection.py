"""The servers of a shared ledger: settings, a connection, and whether they are configured to keep counts."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hiredis import pack_command
from redis.asyncio import Connection, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from exporter import secret_file
from exporter.errors import ConfigError
from exporter.ledger.contract import MISCONFIGURATIONS, Cell, Series
from exporter.settings.ledger_address import Address

Command = tuple[bytes | str | int | float, ...]
VERSION, APPENDONLY, MAXMEMORY_POLICY = MISCONFIGURATIONS
Info = dict[str, str]
"""The fields of INFO, which managed services allow where they forbid CONFIG."""

SCRIPTS: Final = {path.stem: path.read_bytes() for path in Path(__file__).parent.glob("*.lua")}
_OLDEST: Final = 7
"""Redis 7.0 refuses a script with flags before its first write. Valkey reports `redis_version` 7.2."""


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """The settings that a shared ledger is opened with; times in seconds.

    `zero` and `zero_durations` exist from the first scrape. An id is remembered for `age`. `timeout` is
    the deadline of a round trip, `start_timeout` is how long a start waits for Redis. `wait` is None, the
    number of Redis replicas that must have a write, or 0 for the append-only file. `on_labels` gets the
    label values of each series, also of series that another exporter adds.
    """

    address: Address
    label_names: tuple[str, ...] = ()
    zero: Sequence[Series] = ()
    zero_durations: Sequence[Cell] = ()
    shards: int = 16
    age: float = 86400.0
    first_seen_delay: float = 75.0
    timeout: float = 1.0
    start_timeout: float = 10.0
    wait: int | None = None
    password_file: Path | None = None
    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    on_labels: Callable[[tuple[str, ...]], None] = lambda _: None

    def password(self) -> str | None:
        """Read the password's file. Raises `ConfigError`."""
        return secret_file.password(self.password_file) if self.password_file else None


class CallFailed(Exception):
    """No usable reply: the server refused the call, or it is unknown whether the server ran it.

    The text names the server, never a password.
    """


class ServerConnection:
    """Sends commands to one server together, with one timeout for all replies. Used by one task at a time.

    redis-py's pools and its RedisCluster are not used: their retries could run a script twice, and the
    events would be answered as duplicates; WAIT must follow its writes on the same connection.
    """

    def __init__(self, host: str, port: int, settings: RedisSettings) -> None:
        self.name = f"{host}:{port}"
        self.host = host
        self._port, self._settings = port, settings
        self._connection: Connection | None = None

    async def run(self, commands: Sequence[Command]) -> list[Any]:
        """A reply or a `ResponseError` for each command. Raises `CallFailed` unless all come in time."""
        try:
            async with asyncio.timeout(self._settings.timeout):
                return await self._run(commands)
        except TimeoutError:
            problem = f"does not answer within {self._settings.timeout:g} s"
        except (ConfigError, RedisError, OSError) as error:
            text = str(error.__cause__ or error).rstrip(".")
            problem = f"fails: {type(error).__name__}: {text[:160]}"
        except BaseException:
            # The next commands would take the replies of these commands for their own.
            await self.close()
            raise
        await self.close()
        raise CallFailed(f"{self.name} {problem}")

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)

    async def _run(self, commands: Sequence[Command]) -> list[Any]:
        loads: list[Command] = []
        if self._connection is None:
            self._connection = self._connect()
            await self._connection.connect()  # type: ignore[no-untyped-call]
            loads = [("SCRIPT", "LOAD", text) for text in SCRIPTS.values()]
        connection, commands = self._connection, [*loads, *commands]
        # In C: packing by redis-py took a fifth of the time of a commit of single events.
        packed = [pack_command(command) for command in commands]  # type: ignore[arg-type]
        await connection.send_packed_command(b"".join(packed), False)
        replies: list[Any] = []
        for _ in commands:
            try:
                replies.append(await connection.read_response(disconnect_on_error=False))
            except ResponseError as error:
                replies.append(error)
        return replies[len(loads) :]

    def _connect(self) -> Connection:
        address = self._settings.address
        connection = SSLConnection if address.tls else Connection
        return connection(
            host=self.host,
            port=self._port,
            db=address.database,
            username=address.username,
            # Read at each connection: the password in the file may change.
            password=self._settings.password(),
            protocol=2,
            socket_timeout=None,
            socket_connect_timeout=self._settings.timeout,
            retry=Retry(NoBackoff(), 0),
            driver_info=None,
        )


def parse_info(info: bytes) -> Info:
    lines = info.decode("utf-8", "replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def misconfigured(infos: Iterable[Info]) -> dict[str, str]:
    """A sentence for each setting with which one of the servers can lose counts."""
    sentences: dict[str, str] = {}
    for info in infos:
        version = info.get("redis_version", "0")
        if int(version.partition(".")[0]) < _OLDEST:
            sentences[VERSION] = (
                f"The ledger's Redis is {version}: 7.0 or later is needed, or Valkey."
            )
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
