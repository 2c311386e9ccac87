"""A world for the tests of queries: it takes a while to make, so that all tests of this folder share it."""

from collections.abc import Iterator

import pytest

from tests.dashboards.world import World
from tests.e2e.exporter_process import wait_for


@pytest.fixture(scope="package")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("world")) as made:
        seen: set[float] = set()

        def settled() -> bool:
            """Sends a little after each scrape: what was simulated shall stay the most of it."""
            scrapes = sum(made.prometheus.query("count_over_time(up[5m])").values())
            if scrapes not in seen:
                seen.add(scrapes)
                made.send()
            pages = made.prometheus.query(
                'ALERTS{alertstate="firing", alertname="SessionEndSpike"}'
            )
            return len(seen) > 5 and bool(pages)

        wait_for(settled, 60, "a page and some scrapes")
        yield made
