"""Makes exporter.promql extrapolate as the installed promtool and Prometheus do."""

import subprocess

import pytest

from exporter.promql import ranges


@pytest.fixture(scope="session", autouse=True)
def extrapolation_of_the_installed_version() -> None:
    shown = subprocess.check_output(["promtool", "--version"], text=True).split()[2]
    ranges.CAPS_FIRST = tuple(map(int, shown.split(".")[:2])) > (2, 45)
