"""Rendered files: the same bytes from the same inputs, and a check that sees what is not as rendered."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from exporter.errors import ConfigError
from exporter.policy.loader import load as load_policy
from exporter.policy.model import Duration
from exporter.render import generate, operator
from exporter.render.alerts import rule
from exporter.render.catalog import Signal, subjects
from exporter.render.pack import Pack
from exporter.render.rule import MARK
from exporter.render.texts import plain
from exporter.taxonomy.loader import load as load_taxonomy

REPOSITORY = Path(__file__).parents[2]
TESTDATA = Path(__file__).parents[1] / "testdata" / "taxonomy"
TAXONOMY, POLICY = load_taxonomy(), load_policy()


@pytest.fixture
def pack() -> Pack:
    return generate.pack_of(TAXONOMY, POLICY, "http://runbooks/", "http://dashboards/")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder with everything rendered."""
    generate.render(TAXONOMY, POLICY, tmp_path)
    return tmp_path


def test_the_committed_files_are_what_render_writes() -> None:
    assert generate.check(TAXONOMY, POLICY, REPOSITORY) == []


def test_two_renderings_are_the_same_bytes(pack: Pack) -> None:
    again = generate.pack_of(load_taxonomy(), load_policy(), "http://runbooks", "http://dashboards")
    assert generate.texts(pack) == generate.texts(again)


def test_what_was_just_rendered_is_not_written_again(out: Path) -> None:
    assert generate.render(TAXONOMY, POLICY, out) == []
    assert generate.check(TAXONOMY, POLICY, out) == []


def test_every_rendered_rule_file_says_not_to_edit_it_and_how_it_came(pack: Pack) -> None:
    for path, text in generate.texts(pack, generate.PARTS[:2]).items():
        first = text.splitlines()[0]
        assert MARK in first, path
        assert "session-end-exporter render" in first, path


def test_check_names_the_line_of_an_edit(out: Path) -> None:
    path = out / "rules" / "baseline.yml"
    path.write_text(path.read_text().replace("interval: 1m", "interval: 2m"))
    assert generate.check(TAXONOMY, POLICY, out) == [
        "rules/baseline.yml:4: differs; run session-end-exporter render"
    ]


def test_check_names_a_line_that_was_added_at_the_end(out: Path) -> None:
    path = out / "rules" / "baseline.yml"
    lines = path.read_text().count("\n")
    path.write_text(path.read_text() + "more: 1\n")
    assert generate.check(TAXONOMY, POLICY, out) == [
        f"rules/baseline.yml:{lines + 1}: differs; run session-end-exporter render"
    ]


def test_check_names_a_missing_file(out: Path) -> None:
    (out / "rules" / "pipeline.yml").unlink()
    assert generate.check(TAXONOMY, POLICY, out) == [
        "rules/pipeline.yml: is missing; run session-end-exporter render"
    ]


def test_check_names_an_orphan(out: Path) -> None:
    (out / "rules" / "alerts-gone.yml").write_text("groups: []\n")
    assert generate.check(TAXONOMY, POLICY, out) == [
        "rules/alerts-gone.yml: is not rendered from anything; remove it"
    ]


def test_render_removes_an_orphan_of_its_own_and_nobody_elses(out: Path) -> None:
    own, other = out / "rules" / "alerts-gone.yml", out / "rules" / "mine.yml"
    own.write_text(f"# {MARK}: …\ngroups: []\n")
    other.write_text("groups: []\n")
    assert generate.render(TAXONOMY, POLICY, out) == ["removed rules/alerts-gone.yml"]
    assert not own.exists()
    assert other.exists()


def test_the_operators_object_has_the_groups_of_the_rule_files(pack: Pack) -> None:
    texts = generate.texts(pack)
    groups = [
        group
        for path, text in texts.items()
        if path.startswith("rules/") and path.endswith(".yml")
        for group in yaml.safe_load(text)["groups"]
    ]
    document = yaml.safe_load(texts[operator.PATH])
    assert document["kind"] == "PrometheusRule"
    assert document["spec"] == {"groups": groups}


def test_there_is_one_rule_for_each_alert_of_the_catalog(pack: Pack) -> None:
    rendered = [
        rule.alert
        for file in generate.rule_files(pack)
        for group in file.groups
        for rule in group.rules
        if rule.alert
    ]
    expected = [one.alert for one in subjects(TAXONOMY, POLICY.queued)]
    assert sorted(rendered) == sorted(expected)
    assert len(set(rendered)) == len(rendered)


def test_a_pack_for_another_system_has_its_alerts_and_links(tmp_path: Path) -> None:
    folder = tmp_path / "taxonomy"
    folder.mkdir()
    (folder / "acme.yaml").write_text((TESTDATA / "valid.yaml").read_text())
    generate.render(load_taxonomy([folder]), POLICY, tmp_path, "https://run.example", "https://g")
    (group, *_) = yaml.safe_load((tmp_path / "rules" / "alerts-acme.yml").read_text())["groups"]
    first = group["rules"][0]
    assert first["labels"]["system"] == "acme"
    assert first["annotations"]["runbook_url"].startswith("https://run.example/codes/acme/")
    assert first["annotations"]["dashboard_url"].startswith(
        "https://g/d/session-end-code?var-system=acme"
    )


@pytest.mark.parametrize("code", ["4001", "4006"])
def test_a_code_of_the_queue_or_of_builds_that_no_taxonomy_has_is_refused_with_its_place(
    tmp_path: Path, code: str
) -> None:
    shipped = (REPOSITORY / "exporter" / "policy.yaml").read_text()
    path = tmp_path / "policy.yaml"
    path.write_text(shipped.replace(f'code: "{code}"', 'code: "99"'))
    line = shipped.splitlines().index(f'      code: "{code}"')
    with pytest.raises(ConfigError) as caught:
        generate.pack_of(TAXONOMY, load_policy(path), "http://r", "http://d")
    codes = ", ".join(code.code for code in TAXONOMY.systems["streampixel"].codes)
    assert caught.value.mistakes == (
        f"{path}:{line}: code '99' is not one of streampixel's; its codes are {codes}",
    )


def test_a_spike_that_waits_for_nothing_has_no_for(pack: Pack) -> None:
    for wait, written in (("0s", ""), ("2m", "2m")):
        policy = replace(POLICY, spike=replace(POLICY.spike, for_=Duration(wait)))
        spikes = [one for one in pack.subjects if one.signal is Signal.SPIKE]
        rules = [rule(replace(pack, policy=policy), one) for one in spikes]
        assert rules
        assert {one.for_ for one in rules} == {written}


def test_a_policy_without_a_queue_has_no_alert_for_one() -> None:
    policy = replace(POLICY, queue=replace(POLICY.queue, codes=()))
    pack = generate.pack_of(TAXONOMY, policy, "http://r", "http://d")
    assert not [one for one in pack.subjects if one.signal == "queue"]


@pytest.mark.parametrize("text", ["{{ $labels }}", "ends with {", "{{{", "{ { }}", "a {b} c"])
def test_a_taxonomys_text_has_no_brace_that_opens_an_action(text: str) -> None:
    escaped = plain(text)
    assert "{" not in escaped.replace('{{"{"}}', "")
    assert escaped.replace('{{"{"}}', "{") == text
