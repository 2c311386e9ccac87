"""A real process with settings that only a process has."""

from exporter import names
from tests.e2e.exporter_process import ExporterProcess
from tests.faults.floods import KEY, ORIGIN, beacon_sites


def test_web_concurrency_is_ignored(tmp_path, monkeypatch):
    # With this value of its variable, uvicorn does not start.
    monkeypatch.setenv("WEB_CONCURRENCY", "auto")
    with ExporterProcess(tmp_path / "data") as exporter:
        reply = exporter.post({"id": "a", "system": "streampixel", "code": 4001})
        assert reply.json == {"accepted": 1, "duplicates": 0, "rejected": []}


def test_foreign_host_is_answered_on_open_paths_only(tmp_path):
    """Pages of other sites load the collector and send beacons; probes ask for health by address."""
    headers = {"Host": "evil.example", "Origin": ORIGIN, "Content-Type": "text/plain"}
    settings = {"allowed_hosts": "*.svc", "beacon_keys_file": beacon_sites(tmp_path)}
    with ExporterProcess(tmp_path / "data", settings=settings) as exporter:
        for listener, path, body, status in (
            ("ingest", names.INGEST_PATH, b"{}", 421),
            ("ops", names.METRICS_PATH, None, 421),
            ("ops", names.HEALTHY_PATH, None, 200),
            ("ops", names.READY_PATH, None, 200),
            ("ingest", names.COLLECTOR_PATH, None, 200),
            ("ingest", names.BEACONS_PATH + KEY, b'{"id":"a"}', 204),
        ):
            method = "POST" if body else "GET"
            assert exporter.request(listener, method, path, body, headers).status == status, path
        own = {"Host": "exporter.svc"}
        assert exporter.request("ops", "GET", names.METRICS_PATH, headers=own).status == 200


def test_token_makes_the_host_check_needless(tmp_path):
    """The listener with a token answers 401, the listener without one 421."""
    tokens = tmp_path / "tokens"
    tokens.write_text("0123456789abcdef0123456789abcdef")
    tokens.chmod(0o600)
    headers = {"Host": "evil.example", "Content-Type": "application/json"}
    with ExporterProcess(tmp_path / "data", settings={"ops_token_file": tokens}) as exporter:
        scrape = exporter.request("ops", "GET", "/metrics", None, headers)
        event = exporter.request("ingest", "POST", "/v1/session-ends", b"{}", headers)
    assert (scrape.status, event.status) == (401, 421)
