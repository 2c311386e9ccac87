"""Makes exporter.promql extrapolate as the installed promtool and Prometheus do."""

import pytest

from exporter.promql import ranges
from tests.programs import output


@pytest.fixture(scope="session", autouse=True)
def extrapolation_of_the_installed_version() -> None:
    shown = output("promtool", "--version").split()[2]
    ranges.CAPS_FIRST = tuple(map(int, shown.split(".")[:2])) > (2, 45)
