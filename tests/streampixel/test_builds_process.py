"""The webhook of an exporter process: off by default, durable, with a token that is never shown."""

from pathlib import Path

from exporter import names
from tests.e2e.exporter_process import ExporterProcess, Reply
from tests.streampixel.webhook import TEST_BODY, TOKEN, body, token_file

JSON = {"Content-Type": "application/json"}


def post(exporter: ExporterProcess, sent: bytes, token: str = TOKEN, method: str = "POST") -> Reply:
    return exporter.request("ingest", method, names.BUILDS_PATH + token, sent, JSON)


def counted(exporter: ExporterProcess, event: str) -> float:
    return exporter.total(names.PLATFORM_BUILDS, system="streampixel", event=event)


def test_builds_are_counted_once_across_a_kill_and_the_token_is_never_shown(tmp_path: Path) -> None:
    settings = {
        "streampixel_webhook_token_file": token_file(tmp_path),
        "labels": "region",
        "log_level": "debug",
        "max_header": "600",
    }
    with ExporterProcess(tmp_path / "data", settings=settings) as exporter:
        assert counted(exporter, "build.approved") == 0
        assert not [name for name, _ in exporter.metrics() if "live" in name or "queued" in name]
        assert post(exporter, body()).json == {"accepted": 1, "duplicates": 0, "rejected": []}
        assert post(exporter, TEST_BODY).status == 200
        exporter.kill()
        exporter.start()
        replies = [
            post(exporter, body()),
            post(exporter, b"{"),
            post(exporter, b"[]"),
            post(exporter, body("build.exploded")),
            post(exporter, body(fileUrl="x" * 70_000)),
            post(exporter, body(), method="GET"),
            post(exporter, body(), f"{TOKEN}/more"),
            post(exporter, body(), f"{TOKEN}x"),
            post(exporter, body(), TOKEN + "x" * 1000),
        ]
        assert [reply.status for reply in replies] == [200, 400, 422, 422, 413, 405, 404, 401, 431]
        assert replies[0].json == {"accepted": 0, "duplicates": 1, "rejected": []}
        assert replies[5].headers["allow"] == "POST"
        assert (counted(exporter, "build.approved"), counted(exporter, "webhook.test")) == (1, 1)
        last = exporter.total(names.PLATFORM_LAST_BUILD, event="build.approved")
        assert last == 1_795_200_600
        assert exporter.total(names.REFUSED_REQUESTS) == 8
        assert exporter.total(names.REFUSED_REQUESTS, reason="nothing_valid") == 2
        # The alert about rejected events compares these metrics: all of them ignore builds.
        of_events = (names.ACCEPTED_EVENTS, names.DUPLICATE_EVENTS, names.REJECTED_EVENTS)
        assert [exporter.total(name) for name in (*of_events, names.SESSION_ENDS)] == [0] * 4
        # The landing page ignores the series of builds.
        page = exporter.request("ops", "GET", "/")
        assert page.status == 200
        shown = [reply.body.decode() for reply in (*replies, page)]
        assert exporter.stop() == 0
        assert "build event counted" in exporter.log
        assert TOKEN not in "".join([*shown, exporter.log])
