"""From the command that makes a key to the count on /metrics, with real processes and sockets."""

import http.client
import re
from pathlib import Path

import pytest

from exporter.commands.beacon_key import beacon_key
from exporter.errors import ConfigError
from tests.beacons.browsers import KEY, SHOP, SITES
from tests.e2e.exporter_process import ExporterProcess, Reply, wait_for


def new_key(printed: pytest.CaptureFixture[str], *origins: str) -> tuple[str, str]:
    """A key of the site `shop` and its entry, as the command prints them."""
    beacon_key("shop", list(origins))
    text = printed.readouterr().out
    parts = re.fullmatch(r"key [^:]*: (\S+)\nentry [^\n]*:\n\n(sites:\n.*)", text, re.DOTALL)
    assert parts, text
    return parts[1], parts[2]


def beacon(exporter: ExporterProcess, key: str, body: bytes, origin: str = SHOP) -> Reply:
    headers = {"Origin": origin, "Content-Type": "text/plain;charset=UTF-8"}
    return exporter.request("ingest", "POST", f"/v1/beacons/{key}", body, headers)


def test_new_key_sends_events_until_its_hash_is_removed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sites = tmp_path / "sites.yaml"
    key, entry = new_key(capsys, SHOP, "http://localhost:3000")
    assert key not in entry
    sites.write_text(entry)
    with ExporterProcess(tmp_path / "data", settings={"beacon_keys_file": sites}) as exporter:
        assert beacon(exporter, key, b'{"id":"a","reason":"Worker Node Unavailable"}').status == 204
        assert beacon(exporter, key, b'{"id":"a","reason":"Worker Node Unavailable"}').status == 204
        assert exporter.total("session_ends_total", system="streampixel", code="4001") == 1
        new, newer = new_key(capsys, SHOP)
        hashes = re.findall(r"sha256:\w+", entry + newer)
        sites.write_text(entry + "      - " + hashes[1] + "\n")
        wait_for(lambda: beacon(exporter, new, b'{"id":"b"}').status == 204)
        assert beacon(exporter, key, b'{"id":"c"}').status == 204
        sites.write_text(newer)
        wait_for(lambda: beacon(exporter, key, b'{"id":"d"}').status == 404)
        assert key not in exporter.log
        assert new not in exporter.log
        assert exporter.total("session_exporter_refused_requests_total", reason="unknown_key") >= 1


def test_beacons_and_refusals_share_a_connection(tmp_path: Path) -> None:
    """New connections are the main cost of a flood. Refused bodies are as large as a browser may send and
    look like requests: none of their bytes may be parsed as a request."""
    sites = tmp_path / "sites.yaml"
    sites.write_text(SITES)
    rates = {"beacon_address_burst": 2, "beacon_address_rate": 0.001}
    settings = {"labels": "region,project", "beacon_keys_file": sites, **rates}
    with ExporterProcess(tmp_path / "data", settings=settings) as exporter:
        port = exporter.ports["ingest"]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.connect()
        connection.auto_open = 0  # a closed connection is then an error, not a second one
        hidden = '{"id":"hidden","code":1006}'
        request = (
            f"POST /v1/beacons/{KEY} HTTP/1.1\r\nHost: x\r\nOrigin: {SHOP}\r\n"
            f"Content-Type: text/plain\r\nContent-Length: {len(hidden)}\r\n\r\n{hidden}"
        )
        statuses = []
        for number, (origin, key) in enumerate(
            [("https://evil.example", KEY), (SHOP, "wrong"), (SHOP, KEY), (SHOP, KEY), (SHOP, KEY)]
        ):
            refused = request * (64 * 1024 // len(request))
            body = f'{{"id":"{number}","code":1000}}' if number in (2, 3) else refused
            headers = {"Origin": origin, "Content-Type": "text/plain"}
            connection.request("POST", f"/v1/beacons/{key}", body, headers)
            reply = connection.getresponse()
            statuses.append(reply.status)
            reply.read()
        connection.close()
        assert statuses == [403, 404, 204, 204, 429]
        assert exporter.total("session_ends_total", code="1000") == 2
        assert exporter.total("session_ends_total", code="1006") == 0


def test_command_names_every_mistake() -> None:
    with pytest.raises(ConfigError) as caught:
        beacon_key("A b", [SHOP, SHOP + "/"], "x")
    site, origin, system = caught.value.mistakes
    assert site.startswith("--site 'A b' is not a site's name")
    assert origin.startswith(f"--origin '{SHOP}/' is not an origin as browsers send it")
    assert system == "--system 'x' is not loaded; loaded are softdrive, streampixel"
