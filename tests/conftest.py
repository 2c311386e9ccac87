"""Which tests share a process when several processes run them."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A file's tests run in one process, and all of tests/dashboards, which share a Prometheus."""
    for item in items:
        folder = item.path.parent
        group = folder if folder.name == "dashboards" else item.path
        item.add_marker(pytest.mark.xdist_group(str(group.relative_to(item.config.rootpath))))
