"""One connection to one server: commands go out together, answers come back in time or not at all."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from hiredis import pack_command
from redis.asyncio import Connection, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from exporter.errors import ConfigError
from exporter.ledger.redis.address import Address

Command = tuple[bytes | str | int | float, ...]


class Unreached(Exception):
    """No answer: nobody knows what the server did. The text names the server and no password."""


class Link:
    """Commands to one server over one connection, which is made when it is needed.

    Used by one task at a time. Nothing is sent twice: redis-py's own retries would run a script again
    that had been run, and its events would be answered as duplicates.
    """

    def __init__(
        self,
        host: str,
        port: int,
        address: Address,
        password: Callable[[], str | None],
        timeout: float,
    ) -> None:
        self.name = f"{host}:{port}"
        self.host, self.port = host, port
        self._address, self._password, self._timeout = address, password, timeout
        self._connection: Connection | None = None

    async def run(self, commands: Sequence[Command]) -> list[Any]:
        """A reply or a `ResponseError` for each command.

        Raises `Unreached` when they are not all there within the deadline.
        """
        try:
            async with asyncio.timeout(self._timeout):
                return await self._run(commands)
        except TimeoutError:
            problem = f"does not answer within {self._timeout:g} s"
        except (ConfigError, RedisError, OSError) as error:
            problem = _reason(error)
        except BaseException:
            # Answers that nobody waits for would be taken for those of the next commands.
            await self.close()
            raise
        await self.close()
        raise Unreached(f"{self.name} {problem}")

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)

    async def _run(self, commands: Sequence[Command]) -> list[Any]:
        if self._connection is None:
            self._connection = self._connect()
            await self._connection.connect()  # type: ignore[no-untyped-call]
        connection = self._connection
        # In C: redis-py's own packing was a fifth of the time of a tick of single events.
        packed = [pack_command(command) for command in commands]  # type: ignore[arg-type]
        await connection.send_packed_command(b"".join(packed), False)
        replies: list[Any] = []
        for _ in commands:
            try:
                replies.append(await connection.read_response(disconnect_on_error=False))
            except ResponseError as error:
                replies.append(error)
        return replies

    def _connect(self) -> Connection:
        kind = SSLConnection if self._address.tls else Connection
        return kind(
            host=self.host,
            port=self.port,
            db=self._address.database,
            username=self._address.username,
            password=self._password(),
            protocol=2,
            socket_timeout=None,
            socket_connect_timeout=self._timeout,
            retry=Retry(NoBackoff(), 0),
            driver_info=None,
        )


def _reason(error: Exception) -> str:
    """What went wrong, in the words of the client or the system."""
    text = str(error.__cause__ or error).strip().rstrip(".")
    return f"fails: {type(error).__name__}: {text[:160]}"
