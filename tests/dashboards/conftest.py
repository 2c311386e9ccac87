from collections.abc import Iterator

import pytest

from tests.dashboards.states import States, exporter_with_all_metrics


@pytest.fixture(scope="package")
def states(tmp_path_factory: pytest.TempPathFactory) -> Iterator[States]:
    folder = tmp_path_factory.mktemp("states")
    with exporter_with_all_metrics(folder) as exporter:
        built = States(folder, exporter)
        with built.prometheus:
            yield built
