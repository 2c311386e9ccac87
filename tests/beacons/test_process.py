"""From the command that makes a key to the count on /metrics, with real processes and sockets."""

import http.client
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from exporter.commands.beacon_key import beacon_key
from exporter.errors import ConfigError
from tests.beacons.browsers import DESK, KEY, SHOP, SITES
from tests.e2e.exporter_process import ROOT, ExporterProcess, Reply, wait_for

SETTINGS = {"labels": "region,project"}


def command(*arguments: object, **variables: str) -> "subprocess.CompletedProcess[str]":
    clean = {key: value for key, value in os.environ.items() if "SESSION_EXPORTER" not in key}
    return subprocess.run(
        [sys.executable, "-m", "exporter", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        env={**clean, **variables},
        check=False,
    )


def new_key(site: str, *origins: str) -> tuple[str, str]:
    """A key and its entry, as the command prints them."""
    flags = [word for origin in origins for word in ("--origin", origin)]
    ran = command("beacon-key", "--site", site, *flags)
    assert ran.returncode == 0, ran.stderr
    printed = re.fullmatch(
        r"key [^:]*: (\S+)\nentry [^\n]*:\n\n(sites:\n.*)", ran.stdout, re.DOTALL
    )
    assert printed, ran.stdout
    return printed[1], printed[2]


def beacon(exporter: ExporterProcess, key: str, body: bytes, origin: str = SHOP) -> Reply:
    headers = {"Origin": origin, "Content-Type": "text/plain;charset=UTF-8"}
    return exporter.request("ingest", "POST", f"/v1/beacons/{key}", body, headers)


def test_new_key_sends_events_until_its_hash_is_removed(tmp_path: Path) -> None:
    sites = tmp_path / "sites.yaml"
    key, entry = new_key("shop", SHOP, "http://localhost:3000")
    assert key not in entry
    sites.write_text(entry)
    with ExporterProcess(tmp_path / "data", settings={"beacon_keys_file": sites}) as exporter:
        assert beacon(exporter, key, b'{"id":"a","reason":"Worker Node Unavailable"}').status == 204
        assert beacon(exporter, key, b'{"id":"a","reason":"Worker Node Unavailable"}').status == 204
        assert exporter.total("session_ends_total", system="streampixel", code="4001") == 1
        new, newer = new_key("shop", SHOP)
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
    settings = {**SETTINGS, "beacon_keys_file": sites, **rates}
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


def test_invalid_file_fails_start_and_check(tmp_path: Path) -> None:
    sites = tmp_path / "sites.yaml"
    sites.write_text(SITES.replace(DESK, "desk.example"))
    settings = {**SETTINGS, "beacon_keys_file": str(sites)}
    variables = {f"SESSION_EXPORTER_{name.upper()}": text for name, text in settings.items()}
    checked = command("check", **variables)
    assert checked.returncode == 1
    assert f"{sites}:10: origin 'desk.example' in sites[2] is not an origin" in checked.stderr
    exporter = ExporterProcess(tmp_path / "data", settings=settings)
    exporter.launch()
    assert exporter.wait() == 1
    sites.write_text(SITES)
    assert command("check", **variables).returncode == 0


def test_command_names_every_mistake() -> None:
    with pytest.raises(ConfigError) as caught:
        beacon_key("A b", [SHOP, SHOP + "/"], "x")
    site, origin, system = caught.value.mistakes
    assert site.startswith("--site 'A b' is not a site's name")
    assert origin.startswith(f"--origin '{SHOP}/' is not an origin as browsers send it")
    assert system == "--system 'x' is not loaded; loaded are softdrive, streampixel"
