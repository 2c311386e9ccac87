"""A Prometheus with simulated traffic, shared by all tests of this folder: it takes a while to make."""

from collections.abc import Iterator

import pytest

from tests.dashboards.world import World
from tests.e2e.exporter_process import wait_for


@pytest.fixture(scope="package")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("world")) as running:
        seen: set[float] = set()

        def settled() -> bool:
            """Sends few events after each scrape, so that most of the traffic is the simulated traffic."""
            scrapes = sum(running.prometheus.query("count_over_time(up[5m])").values())
            if scrapes not in seen:
                seen.add(scrapes)
                running.send()
            pages = running.prometheus.query(
                'ALERTS{alertstate="firing", alertname="SessionEndSpike"}'
            )
            return len(seen) > 5 and bool(pages)

        wait_for(settled, 60, "a page and some scrapes")
        yield running
