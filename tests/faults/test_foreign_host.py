import subprocess

from tests.beacons.browsers import KEY, SHOP, SITES
from tests.e2e.exporter_process import ExporterProcess
from tests.faults.foreign_host import both, rebind, run

WITHOUT_CHECK = """
from exporter.server.hosts import AllowedHosts
AllowedHosts.check = lambda self, host, target: None
"""
FOREIGN = "evil.example"


def test_a_foreign_host_is_refused_on_both_listeners(tmp_path):
    """Two thousand names in `make faults`. Fails on the mutant of the next test."""
    run(tmp_path, quick=True)


def test_a_listener_that_answers_for_any_host_is_noticed(tmp_path):
    found = rebind(tmp_path, 2, mutant=WITHOUT_CHECK)
    assert found.foreign == {200: 4}
    assert found.counted == 2


def test_a_token_makes_the_check_needless_and_beacons_need_none(tmp_path):
    """What pages of other sites load and send is answered for any host; so is a listener with a token."""
    tokens, sites = tmp_path / "tokens", tmp_path / "sites.yaml"
    tokens.write_text("0123456789abcdef0123456789abcdef")
    tokens.chmod(0o600)
    sites.write_text(SITES)
    settings = {"ops_token_file": tokens, "beacon_keys_file": sites, "labels": "region,project"}
    with ExporterProcess(tmp_path / "data", settings=settings) as exporter:
        (ingest, _), (ops, _) = both(exporter, FOREIGN)
        assert (ingest, ops) == (421, 401)
        headers = {"Host": FOREIGN, "Origin": SHOP, "Content-Type": "text/plain"}
        beacon = exporter.request("ingest", "POST", f"/v1/beacons/{KEY}", b'{"id":"a"}', headers)
        assert beacon.status == 204
        assert exporter.request("ingest", "GET", "/v1/collector.js", None, headers).status == 200


def test_a_foreign_name_that_resolves_to_loopback_is_refused(tmp_path):
    """As in a rebound browser: the name resolves to loopback."""
    with ExporterProcess(tmp_path / "data") as exporter:
        port = exporter.ports["ops"]
        for name, status in ((FOREIGN, "421"), ("localhost", "200")):
            done = subprocess.run(
                [
                    *("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}"),
                    *("--resolve", f"{name}:{port}:127.0.0.1", f"http://{name}:{port}/metrics"),
                ],
                capture_output=True,
                text=True,
                check=True,
            )
            assert done.stdout == status
