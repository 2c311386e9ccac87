"""The workflows, with actionlint: `make test-helm` builds it."""

from tests.deploy.helm.rendered import run
from tests.e2e.exporter_process import ROOT


def test_actionlint_accepts_the_workflows() -> None:
    files = sorted((ROOT / ".github/workflows").glob("*.yml"))
    assert len(files) == 2
    assert run("actionlint", "-no-color", *files) == ""
