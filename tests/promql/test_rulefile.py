"""Rule files that cannot be evaluated: the error names file, group, rule and the unsupported part."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.errors import ConfigError, UnsupportedRule
from exporter.promql.rulefile import load
from exporter.promql.run import Run


def written(folder: Path, *rules: dict[str, Any]) -> Path:
    path = folder / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]}))
    return path


@pytest.mark.parametrize(
    ("expr", "message"),
    [
        ("predict_linear(x[5m], 60)", "function 'predict_linear' is not supported; supported: "),
        ("count_values('v', x)", "aggregation 'count_values' is not supported; supported: count, "),
        ("x atan2 y", "operator 'atan2' is not supported; supported: !=, *, "),
        ("x @ end()", "modifier '@' is not supported"),
        ("x[5m:] @ 60", "modifier '@' is not supported"),
        ("x offset -1m", "negative offset is not supported"),
        ("sum without (a) (x)", "modifier 'without' is not supported"),
        ("x * on (a) group_right () y", "modifier 'group_right' is not supported"),
        ("x > bool 1", "modifier 'bool' is not supported"),
        ("x + fill_left(0) y", "modifier 'fill' is not supported"),
        ("x + fill_right(0) y", "modifier 'fill' is not supported"),
        ('x{a="1" or b="2"}', "operator 'or' between label matchers is not supported"),
        (r'x{a=~"\\pL+"}', r"regular expression '\pL+' is not supported"),
        ('x{a!~"[[:alpha:]]"}', "regular expression '[[:alpha:]]' is not supported"),
        ("topk(time(), x)", "topk with a parameter that is no number below 2^63 is not"),
        ("topk(Inf, x)", "topk with a parameter that is no number below 2^63 is not"),
        ("quantile_over_time(2, x[1h])", "quantile_over_time without a number from 0 to 1 is not"),
        ("sum(x", "unclosed left parenthesis"),
        ("x[5m]", "must be an instant vector or a number"),
        ("x[5m:]", "must be an instant vector or a number"),
        ("'x'", "must be an instant vector or a number"),
    ],
)
def test_unsupported_expression_is_named(tmp_path: Path, expr: str, message: str) -> None:
    path = written(tmp_path, {"record": "R", "expr": expr})
    with pytest.raises(UnsupportedRule) as error:
        load([path])
    (mistake,) = error.value.mistakes
    assert message in mistake.removeprefix(f"{path}: group 'g', rule 'R': ")


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"R": "count_over_time(R[2m:] offset 1h)"}, "a subquery over the rule's own or a later"),
        ({"R": "max_over_time(later[90s:30s])", "later": "x"}, "a subquery over the rule's own"),
        ({"R": "x + later", "later": "R * 0.1"}, "a cycle of rules"),
    ],
)
def test_rules_with_an_unsupported_order_are_named(
    tmp_path: Path, rules: dict[str, str], message: str
) -> None:
    path = written(tmp_path, *({"record": name, "expr": rules[name]} for name in rules))
    with pytest.raises(UnsupportedRule, match=f"group 'g', rule 'R': {message}"):
        Run(load([path]), [], 0, 60)


def test_all_unsupported_rules_are_named(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        {"record": "a", "expr": "foo(x)"},
        {"record": "b", "expr": "x"},
        {"alert": "C", "expr": "x", "for": "1 hour"},
        {"alert": "D", "expr": "x", "labels": {"a": "{{ $value }}"}},
    )
    with pytest.raises(UnsupportedRule) as error:
        load([path])
    first, second, third = error.value.mistakes
    assert "rule 'a': function 'foo' is not supported" in first
    assert "rule 'C': " in second
    assert "rule 'D': template '{{ $value }}' of label 'a' is not supported" in third


@pytest.mark.parametrize(
    "text",
    [
        "- a",
        "groups: [",
        "groups: 3",
        "groups: [{name: g, rules: [{}]}]",
        "groups: [{name: g, interval: 1 hour}]",
        None,
    ],
)
def test_invalid_or_missing_file_is_named(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "rules.yml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=r"rules\.yml"):
        load([path])


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("grups: []", "`grups`"),
        (
            "groups: [{name: g, partial_response_strategy: warn}]",
            "`partial_response_strategy` - at `$.groups[0]`",
        ),
        (
            "groups: [{name: g, rules: [{alert: A, expr: 1, keep_fireing_for: 5m}]}]",
            "`keep_fireing_for` - at `$.groups[0].rules[0]`",
        ),
    ],
)
def test_unknown_key_is_refused_as_prometheus_does(tmp_path: Path, text: str, key: str) -> None:
    """It used to be ignored: an alert ended early, or a file had no rule."""
    path = tmp_path / "rules.yml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        load([path])
    assert str(error.value) == f"{path}: Object contains unknown field {key}"


def test_labels_of_a_group_are_those_of_its_rules_without_them(tmp_path: Path) -> None:
    """The other keys of a group have no effect. Prometheus knows the labels of a group since 3.0."""
    path = tmp_path / "rules.yml"
    path.write_text(
        "groups: [{name: g, interval: 1m, limit: 5, query_offset: 1m, labels: {a: x, b: y}, rules: "
        "[{record: r, expr: 1, labels: {b: z}}]}]"
    )
    ((rule,),) = (group.rules for group in load([path]))
    assert rule.labels == {"a": "x", "b": "z"}


def test_merge_keys_are_read_as_prometheus_does(tmp_path: Path) -> None:
    path = tmp_path / "rules.yml"
    path.write_text(
        "groups: [{name: g, rules: [&a {alert: A, expr: 1, labels: {b: 'true'}}, {<<: *a, alert: B}]}]"
    )
    ((first, second),) = (group.rules for group in load([path]))
    assert (first.name, second.name, second.labels) == ("A", "B", {"b": "true"})


def test_values_are_the_text_of_the_file(tmp_path: Path) -> None:
    """As Prometheus reads them. `true` used to be the label value "True", and a date was refused."""
    path = tmp_path / "rules.yml"
    path.write_text(
        "groups: [{name: 1, interval: 0s}, {name: 2, rules: "
        "[{alert: 2, expr: 3, for: 0m, keep_firing_for: 0, "
        "labels: {a: true, b: yes, c: 0x10, d: 2026-01-05}, annotations: {e: 1.50}}]}]"
    )
    _, ((rule,)) = (group.rules for group in load([path]))
    assert (rule.name, rule.wait, rule.keep) == ("2", 0, 0)
    assert rule.labels == {"a": "true", "b": "yes", "c": "0x10", "d": "2026-01-05"}
    assert rule.annotations == {"e": "1.50"}
