"""The ledger is chosen in one module, and only a shared ledger needs the extra `redis`."""

import re
from pathlib import Path

import pytest

import exporter
from exporter import names
from exporter.errors import ConfigError
from exporter.settings import load
from tests.e2e.exporter_process import ExporterProcess

PRODUCT = Path(exporter.__file__).parent
WITHOUT_REDIS = "import sys; sys.modules['redis'] = sys.modules['hiredis'] = None"
"""Code that makes each import of these packages raise ImportError."""


def test_product_imports_no_implementation_of_the_ledger() -> None:
    """Fails when a module outside of `exporter.ledger` imports one of its implementations."""
    imported = {
        module
        for path in PRODUCT.rglob("*.py")
        if PRODUCT / "ledger" not in path.parents
        for module in re.findall(r"(?:from|import) exporter\.ledger\.([\w.]+)", path.read_text())
    }
    assert imported == {"contract", "backends"}


def test_serve_with_sqlite_imports_no_redis(tmp_path: Path) -> None:
    with ExporterProcess(tmp_path / "data", mutant=WITHOUT_REDIS) as exporter:
        assert exporter.post({"system": "streampixel", "code": 4001}).json["accepted"] == 1
        assert exporter.total(names.SESSION_ENDS) == 1
        assert exporter.request("ops", "GET", "/").status == 200
        assert exporter.stop() == 0


def test_redis_ledger_without_the_extra_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("exporter.settings.ledger_address.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"ledger = .*: needs the extra: pip install"):
        load(ledger="redis://cache")
