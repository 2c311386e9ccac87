"""Pages about a killed exporter, and about a platform that a YAML file adds at its restart."""

import time

import pytest

from tests.e2e.pager import ACME, LONG, Pager, alert_names, wait_for

DOWN = "SessionEndExporterDown"
SUCCESS, FAILURE = ({"system": "acme", "code": code} for code in ("ok", "07"))


@pytest.fixture(scope="module")
def restarted(pager: Pager) -> float:
    """Kills the exporter, which pages, and starts it with another system; the Unix time of the kill."""
    killed = time.time()
    pager.exporter.kill()
    pager.wait("firing", DOWN)
    counts = "system_outcome:session_ends:increase5m"
    wait_for(lambda: not pager.prometheus.query(counts), LONG, "no counts")
    text = ACME.replace("severity: ticket", "severity: page")
    text = text.replace("A bad cable.", "A {{ bad }} cable.").replace("the cable", 'the "cable"')
    (pager.taxonomy / "acme.yaml").write_text(text)
    pager.exporter.start()
    # The baseline of a new system follows its traffic, also during an outage. Far more ends before the outage
    # slow this down, so that a busy machine has half a minute to detect the outage.
    pager.traffic.more = (SUCCESS,) * 400
    return killed


def test_killed_exporter_pages_for_itself_and_not_for_its_systems(
    pager: Pager, restarted: float
) -> None:
    """Neither missing samples nor the gap in the counts fires SessionEndsStopped for a whole window after the
    restart."""
    page = pager.wait("firing", DOWN)
    assert page["receiver"] == "page"
    (alert,) = page["alerts"]
    assert alert["labels"]["instance"] == pager.ops
    assert alert["annotations"]["summary"] == f"The exporter {pager.ops} is down"
    pager.wait("resolved", DOWN)
    compared = 'system_outcome:session_ends:increase5m{outcome="success"}'
    wait_for(pager.present(compared), LONG, "compared successes")
    up = '(up{job="session-end-exporter"}[30s])'
    pager.wait_for_result(
        f"count_over_time{up} > 20 and min_over_time{up} == 1", "a whole window after the restart"
    )
    since = f"{time.time() - restarted:.0f}s"
    assert pager.prometheus.query(f'count_over_time(ALERTS{{signal="stopped"}}[{since}])') == {}
    assert [alert_names(page) for page in pager.pages()] == [{DOWN}] * 2
    assert pager.pages("streampixel") == pager.pages("softdrive") == []


def test_platform_added_by_a_yaml_file_pages(pager: Pager, restarted: float) -> None:
    learned = 'system_code:session_ends:share6h_snapshot{system="acme", code="07"} < 0.3 / 10000'
    pager.wait_for_result(learned, "a baseline of 10,000 ends")
    # Successes continue, otherwise SessionEndsStopped joins the page.
    pager.traffic.more = (SUCCESS,) * 80 + (FAILURE,) * 30
    page = pager.wait("firing", "SessionEndSpike 07", system="acme")
    (alert,) = (alert for alert in page["alerts"] if alert["labels"].get("code") == "07")
    labels, texts = alert["labels"], alert["annotations"]
    assert (labels["severity"], labels["name"], labels["owner"], labels["phase"]) == (
        *("page", "LinkLost", "customer_network", "keep_alive"),
    )
    assert texts["summary"] == "07 LinkLost spike on acme"
    assert (texts["causes"], texts["fix"]) == ("A {{ bad }} cable.", 'Replace the "cable".')
    path = texts["runbook_url"].removeprefix(f"http://{pager.ops}")
    assert path == "/codes/acme/07"
    assert pager.exporter.request("ops", "GET", path).status == 200
