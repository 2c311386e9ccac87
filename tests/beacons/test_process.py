"""Beacons to a real process, behind a proxy."""

from pathlib import Path

from tests.beacons.browsers import KEY, SHOP, SITES
from tests.e2e.exporter_process import ExporterProcess


def test_trusted_proxy_names_the_address_whose_rate_is_limited(tmp_path: Path) -> None:
    sites = tmp_path / "sites.yaml"
    sites.write_text(SITES)
    settings = {
        "labels": "region",
        "beacon_keys_file": sites,
        "beacon_address_rate": 0.01,
        "beacon_address_burst": 1,
        "trusted_proxies": "127.0.0.1",
    }
    with ExporterProcess(tmp_path / "data", settings=settings) as exporter:

        def status(address: str) -> int:
            headers = {"Origin": SHOP, "X-Forwarded-For": f"203.0.113.9, {address}"}
            body = b'{"id":"a","code":4001}'
            return exporter.request("ingest", "POST", f"/v1/beacons/{KEY}", body, headers).status

        assert status("198.51.100.1") == 204
        assert status("198.51.100.1") == 429
        assert status("198.51.100.2") == 204
