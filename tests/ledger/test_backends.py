"""The choice of ledger stands in one module."""

import re
import subprocess
import sys
from pathlib import Path

import exporter

PRODUCT = Path(exporter.__file__).parent


def test_product_imports_no_implementation_of_the_ledger() -> None:
    """Fails when a module outside of `exporter.ledger` imports one of its implementations."""
    imported = {
        module
        for path in PRODUCT.rglob("*.py")
        if PRODUCT / "ledger" not in path.parents
        for module in re.findall(r"(?:from|import) exporter\.ledger\.([\w.]+)", path.read_text())
    }
    assert imported == {"contract", "backends"}


def test_redis_is_not_imported_without_a_redis_ledger() -> None:
    code = "import sys, exporter.serve, exporter.ledger.sqlite; print(*sys.modules)"
    modules = subprocess.check_output([sys.executable, "-c", code], text=True, timeout=60).split()
    assert "exporter.serve" in modules
    assert not [name for name in modules if "redis" in name]
