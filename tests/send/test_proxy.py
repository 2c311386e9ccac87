"""`send` through the proxies that the environment names."""

import socket
import threading

import pytest

from exporter.names import INGEST_PATH
from exporter.send.connection import Connection
from exporter.send.options import Options

from .conftest import Sender

ROW = '{"system": "softdrive"}\n'


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize(
    ("variable", "login", "credentials"),
    [("HTTP_PROXY", "user:p%40ss", "dXNlcjpwQHNz"), ("http_proxy", "user", "dXNlcjo=")],
)
def test_http_goes_through_the_proxy(
    variable: str, login: str, credentials: str, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = sender.url.replace("http://", f"http://{login}@")
    monkeypatch.setenv(variable, proxy)
    report = sender.lines(ROW, url="http://exporter.example:10400")
    assert report.accepted == 1
    assert sender.server.target == f"http://exporter.example:10400{INGEST_PATH}"
    assert sender.server.headers["Host"] == "exporter.example:10400"
    assert sender.server.headers["Proxy-Authorization"] == f"Basic {credentials}"


def test_https_goes_through_a_tunnel(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    heads: list[bytes] = []

    def refuse(listener: socket.socket) -> None:
        for attempt in range(2):
            peer, _ = listener.accept()
            heads.append(b"")
            with peer:
                while b"\r\n\r\n" not in heads[attempt]:
                    heads[attempt] += peer.recv(4096)
                peer.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=refuse, args=(listener,))
        thread.start()
        monkeypatch.setenv("HTTPS_PROXY", f"user:pass@127.0.0.1:{port}")
        report = sender.lines(ROW, url="https://exporter.example", max_wait=0.5)
        thread.join()
    assert heads[0] == heads[1]
    assert heads[0].startswith(b"CONNECT exporter.example:443 HTTP/1.")
    assert b"\r\nProxy-Authorization: Basic dXNlcjpwYXNz\r\n" in heads[0]
    assert f"through the proxy 127.0.0.1:{port}: Tunnel connection failed: 407" in report.error
    assert "pass" not in report.error.replace("through the proxy", "")


@pytest.mark.parametrize(("scheme", "port"), [("http", 80), ("https", 443)])
def test_address_without_a_port_is_reached_at_the_default_port(
    scheme: str, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int]] = []

    def connect(address: tuple[str, int], *_: object) -> socket.socket:
        asked.append(address)
        raise OSError

    monkeypatch.setattr(socket, "create_connection", connect)
    Connection(Options(f"{scheme}://[2001:db8::1]")).post(b"")
    monkeypatch.setenv(f"{scheme}_proxy", "proxy.example")
    Connection(Options(f"{scheme}://exporter.example")).post(b"")
    assert asked == [("2001:db8::1", port), ("proxy.example", 80)]


def test_local_and_excepted_hosts_are_reached_directly(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert sender.lines(ROW).accepted == 1
    assert sender.lines(ROW, url=sender.url.replace("127.0.0.1", "localhost")).duplicates == 1
    assert "proxy" not in sender.lines(ROW, url="http://[::1]:1", max_wait=0).error
    resolve = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _, *rest: resolve("127.0.0.1", *rest))
    url = sender.url.replace("127.0.0.1", "ends.example")
    monkeypatch.setenv("NO_PROXY", "other.org,.example")
    assert sender.lines(ROW, url=url).duplicates == 1
    monkeypatch.setenv("NO_PROXY", "other.org")
    report = sender.lines(ROW, url=url, max_wait=0)
    assert "through the proxy 127.0.0.1:9" in report.error


@pytest.mark.parametrize("proxy", ["socks5://user:secret@h:1", "https://secret@h", "http://:1"])
def test_unusable_proxy_is_named_without_its_password(
    proxy: str, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    report = sender.lines(ROW, url="http://exporter.example")
    assert report.exit_code == 2
    assert report.error.startswith("HTTP_PROXY: must be http://HOST:PORT")
    assert "secret" not in report.error
