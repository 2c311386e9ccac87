"""A real process from start to stop."""

import socket

from tests.e2e.exporter_process import ExporterProcess


def test_event_is_counted_and_survives_a_restart(tmp_path):
    with ExporterProcess(tmp_path / "data") as exporter:
        reply = exporter.post({"id": "a", "system": "streampixel", "code": 4001})
        assert (reply.status, reply.json) == (200, {"accepted": 1, "duplicates": 0, "rejected": []})
        assert exporter.total("session_ends_total", system="streampixel", code="4001") == 1
        assert exporter.stop() == 0
        exporter.start()
        assert exporter.total("session_ends_total", system="streampixel", code="4001") == 1
        again = exporter.post({"id": "a", "system": "streampixel", "code": "4001"})
        assert again.json == {"accepted": 0, "duplicates": 1, "rejected": []}
        assert exporter.total("session_ends_total") == 1


def test_late_body_is_refused_and_counted_once(tmp_path):
    settings = {"receive_timeout": 0.3}
    with ExporterProcess(tmp_path / "data", settings=settings) as exporter:
        head = (
            b"POST /v1/session-ends HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100\r\n\r\n["
        )
        with socket.create_connection(("127.0.0.1", exporter.ports["ingest"])) as sender:
            sender.sendall(head)
            assert sender.recv(4096).startswith(b"HTTP/1.1 408")
        assert exporter.post({"system": "softdrive"}).status == 200
        refused = "session_exporter_refused_requests_total"
        assert exporter.total(refused, reason="timeout") == 1
        assert exporter.total("session_exporter_requests_total", status="408") == 1


def test_damaged_ledger_is_moved_aside_and_readiness_names_it(tmp_path):
    data = tmp_path / "data"
    with ExporterProcess(data) as exporter:
        exporter.post([{"id": str(n), "system": "softdrive", "code": 13} for n in range(100)])
        exporter.stop()
        database = data / "ledger.db"
        content = bytearray(database.read_bytes())
        content[4096 : 4096 * 2] = bytes(4096)
        database.write_bytes(content)
        exporter.start()
        ready = exporter.request("ops", "GET", "/-/ready")
        # The write-ahead log, when there was one, goes with it.
        moved = [
            path
            for path in data.iterdir()
            if ".damaged-" in path.name and not path.name.endswith(("-wal", "-shm"))
        ]
        assert len(moved) == 1
        assert moved[0].read_bytes() == bytes(content)
        assert ready.status == 503
        assert moved[0].name in ready.body.decode()
        assert any(moved[0].name in str(line.get("moved_to")) for line in exporter.lines())
        assert exporter.request("ops", "GET", "/metrics").status == 200


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


def test_variables_of_uvicorn_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setenv("WEB_CONCURRENCY", "auto")
    with ExporterProcess(tmp_path / "data") as exporter:
        assert exporter.request("ops", "GET", "/-/healthy").status == 200
