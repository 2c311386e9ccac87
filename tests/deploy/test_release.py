"""The workflows of continuous integration and releases, and the files that a release builds."""

import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import yaml
from packaging.utils import canonicalize_name

import exporter
from tests.e2e.exporter_process import ROOT
from tests.programs import output
from tests.test_project import pins

TEXTS = {path.stem: path.read_text() for path in (ROOT / ".github/workflows").glob("*.yml")}
CI, RELEASE = (yaml.safe_load(TEXTS[name]) for name in ("ci", "release"))
JOBS = {**RELEASE["jobs"], **CI["jobs"]}


def commands(job: dict[str, Any]) -> str:
    return "\n".join(step.get("run", "") for step in job.get("steps", ()))


def test_continuous_integration_runs_make_test_and_releases_wait_for_it() -> None:
    assert "make test" in commands(CI["jobs"]["test"]).splitlines()
    assert "make test-helm" in commands(CI["jobs"]["helm"]).splitlines()
    assert RELEASE["jobs"]["test"]["uses"] == "./.github/workflows/ci.yml"
    assert RELEASE["jobs"]["publish"]["needs"] == ["test", "build"]


def test_actions_are_pinned_to_a_commit() -> None:
    """Fails for tags: an attacker who takes over an action can move its tags to another commit."""
    uses = re.findall(r"uses: (.*)", "".join(TEXTS.values()))
    actions = {line for line in uses if not line.startswith("./")}
    assert len(actions) == 5
    for line in actions:
        assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_only_the_job_that_publishes_can_write_and_it_builds_nothing() -> None:
    assert CI["permissions"] == {"contents": "read"}
    assert RELEASE["permissions"] == {}
    writing = {name for name, job in JOBS.items() if "write" in job.get("permissions", {}).values()}
    assert writing == {"publish"}
    assert not re.search(r"\b(make|pip|hatchling|docker build|go)\b", commands(JOBS["publish"]))
    for job in JOBS.values():
        for step in job.get("steps", ()):
            if "actions/checkout@" in step.get("uses", ""):
                assert step["with"] == {"persist-credentials": False}


def test_commands_contain_no_expressions() -> None:
    """A value that the workflow inserts into a command could contain a command."""
    assert not [name for name, job in JOBS.items() if "${{" in commands(job)]


def test_tag_is_compared_with_the_version_of_the_package() -> None:
    assert 'test "$GITHUB_REF_NAME" = "v$(.venv/bin/hatchling version)"' in commands(JOBS["build"])
    program = Path(sys.executable).with_name("hatchling")
    assert output(program, "version", cwd=ROOT).strip() == exporter.__version__


def test_list_of_packages_is_the_lock_of_the_image(tmp_path: Path) -> None:
    """The command of the job `build`, with another folder instead of dist."""
    (line,) = re.findall(r".*cyclonedx-py.*", commands(JOBS["build"]))
    program, *arguments = shlex.split(re.sub(r"\bdist\b", str(tmp_path), line))
    output(Path(sys.executable).with_name(Path(program).name), *arguments, cwd=ROOT)
    bom = json.loads((tmp_path / "session-end-exporter.cdx.json").read_text())
    assert bom["bomFormat"] == "CycloneDX"
    assert bom["metadata"]["component"]["name"] == "session-end-exporter"
    listed: dict[str, list[str]] = {}
    for component in bom["components"]:
        name = canonicalize_name(component["name"])
        listed.setdefault(name, []).append(component["version"])
        hashes = [entry["hashes"] for entry in component["externalReferences"]]
        assert all(hashes), component["name"]
    assert listed == pins("requirements.lock")
