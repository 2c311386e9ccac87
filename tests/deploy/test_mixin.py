"""The mixin for jsonnet users."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_mixin_imports_every_rule_file_and_dashboard() -> None:
    mixin = ROOT / "deploy" / "mixin.libsonnet"
    imported = re.findall(r"import(?:str)? '\.\./(.*?)'", mixin.read_text())
    files = [*ROOT.glob("rules/*.yml"), *ROOT.glob("dashboards/*.json")]
    assert sorted(imported) == sorted(str(path.relative_to(ROOT)) for path in files)
