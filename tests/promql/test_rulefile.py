"""Rule files that cannot be evaluated: the error names file, group, rule and the unsupported part."""

from pathlib import Path

import pytest
import yaml

from exporter.errors import ConfigError, UnsupportedRule
from exporter.promql.rulefile import load


def written(folder: Path, **rule: object) -> Path:
    path = folder / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": [{"record": "R", **rule}]}]}))
    return path


@pytest.mark.parametrize(
    ("expr", "message"),
    [
        (
            "holt_winters(x[5m], 0.5, 0.5)",
            "function 'holt_winters' is not supported; supported: abs, ",
        ),
        (
            "predict_linear(x[5m], 60)",
            "function 'predict_linear' is not supported; supported: abs, ",
        ),
        (
            "count_values('v', x)",
            "aggregation 'count_values' is not supported; supported: avg, bottomk",
        ),
        ("x atan2 y", "operator 'atan2' is not supported; supported: !=, %, "),
        ("x @ end()", "modifier '@ start()' or '@ end()' is not supported"),
        ('x{a="1" or b="2"}', "operator 'or' between label matchers is not supported"),
        ("sum(x", "unclosed left parenthesis"),
    ],
)
def test_unsupported_expression_is_named(tmp_path: Path, expr: str, message: str) -> None:
    path = written(tmp_path, expr=expr)
    with pytest.raises(UnsupportedRule) as error:
        load([path])
    (mistake,) = error.value.mistakes
    assert mistake.startswith(f"{path}: group 'g', rule 'R': {message}")


def test_all_unsupported_rules_are_named(tmp_path: Path) -> None:
    path = tmp_path / "rules.yml"
    rules = [
        {"record": "a", "expr": "foo(x)"},
        {"record": "b", "expr": "x"},
        {"alert": "C", "expr": "x", "for": "1 hour"},
    ]
    path.write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]}))
    with pytest.raises(UnsupportedRule) as error:
        load([path])
    first, second = error.value.mistakes
    assert "rule 'a': function 'foo' is not supported" in first
    assert "rule 'C': " in second


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"for": "soon"}, "rule 'R': "),
        (
            {"labels": {"a": "{{ $value }}"}},
            "template '{{ $value }}' of label 'a' is not supported",
        ),
    ],
)
def test_invalid_field_is_named(tmp_path: Path, fields: dict[str, object], message: str) -> None:
    with pytest.raises(UnsupportedRule, match=r"group 'g', rule 'R': ") as error:
        load([written(tmp_path, expr="x", **fields)])
    assert message in str(error.value)


@pytest.mark.parametrize(
    "text", ["- a", "groups: [", "groups: 3", "groups: [{name: g, rules: [{}]}]", None]
)
def test_invalid_or_missing_file_is_named(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "rules.yml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=r"rules\.yml"):
        load([path])


def test_a_deeply_nested_file_is_refused(tmp_path: Path) -> None:
    """libyaml's recursion would crash the process."""
    path = tmp_path / "rules.yml"
    path.write_text("[" * 50_000)
    with pytest.raises(ConfigError, match=r"rules\.yml:1: is nested deeper than 16 levels"):
        load([path])
