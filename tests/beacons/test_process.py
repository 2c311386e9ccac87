"""Public keys of sites, from the command that creates a key to the count on /metrics, with real processes."""

import re
from pathlib import Path

import pytest

from exporter.commands.beacon_key import beacon_key
from exporter.errors import ConfigError
from tests.beacons.browsers import SHOP
from tests.e2e.exporter_process import ExporterProcess, Reply, wait_for


def new_key(printed: pytest.CaptureFixture[str], *origins: str) -> tuple[str, str]:
    """A key of the site `shop` and its entry, as the command prints them."""
    beacon_key("shop", list(origins))
    text = printed.readouterr().out
    parts = re.fullmatch(r"key [^:]*: (\S+)\nentry [^\n]*:\n\n(sites:\n.*)", text, re.DOTALL)
    assert parts, text
    return parts[1], parts[2]


def beacon(exporter: ExporterProcess, key: str, body: bytes, forwarded_for: str = "") -> Reply:
    headers = {"Origin": SHOP, "Content-Type": "text/plain;charset=UTF-8"}
    if forwarded_for:
        headers["X-Forwarded-For"] = forwarded_for
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


def test_trusted_proxy_names_the_address_whose_rate_is_limited(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sites = tmp_path / "sites.yaml"
    key, entry = new_key(capsys, SHOP)
    sites.write_text(entry)
    settings = {
        "beacon_keys_file": sites,
        "beacon_address_rate": 0.01,
        "beacon_address_burst": 1,
        "trusted_proxies": "127.0.0.1",
    }
    with ExporterProcess(tmp_path / "data", settings=settings) as exporter:
        statuses = [
            beacon(exporter, key, b'{"id":"a","code":4001}', f"203.0.113.9, {address}").status
            for address in ("198.51.100.1", "198.51.100.1", "198.51.100.2")
        ]
        assert statuses == [204, 429, 204]


def test_command_names_every_mistake() -> None:
    with pytest.raises(ConfigError) as caught:
        beacon_key("A b", [SHOP, SHOP + "/"], "x")
    site, origin, system = caught.value.mistakes
    assert site.startswith("--site 'A b' is not a site's name")
    assert origin.startswith(f"--origin '{SHOP}/' is not an origin as browsers send it")
    assert system == "--system 'x' is not loaded; loaded are softdrive, streampixel"
