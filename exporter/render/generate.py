"""The only writer of rendered files, and the check that they are as they would be written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from exporter.errors import ConfigError
from exporter.policy.loader import fits
from exporter.policy.model import Policy
from exporter.render import alertmanager, alerts, operator, recording, runbooks
from exporter.render.catalog import subjects
from exporter.render.pack import DASHBOARD_BASE_URL, RUNBOOK_BASE_URL, Pack
from exporter.render.rule import COMMAND, MARK, RuleFile
from exporter.taxonomy.model import Taxonomy


@dataclass(frozen=True, slots=True)
class Part:
    """A builder and the globs of the files that are its own; whatever else they match is an orphan."""

    build: Callable[[Pack], dict[str, str]]
    owns: tuple[str, ...]


def rule_files(pack: Pack) -> tuple[RuleFile, ...]:
    """Every rule file, recording rules first."""
    return (*recording.files(pack), *alerts.files(pack))


def _rules(pack: Pack) -> dict[str, str]:
    return {file.path: file.text() for file in rule_files(pack)}


def _operator(pack: Pack) -> dict[str, str]:
    return {operator.PATH: operator.text(rule_files(pack))}


def _dashboards(pack: Pack) -> dict[str, str]:
    # Needed by nothing else, so that it is an extra and the exporter starts without it.
    try:
        from exporter.render.dashboards import files
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"dashboards are made with {error.name}, which is not installed: "
            "pip install 'session-end-exporter[render]'"
        ) from error
    return files.files(pack)


PARTS: Final[Sequence[Part]] = (
    Part(_rules, ("rules/*.yml", "rules/*.yaml")),
    Part(_operator, (operator.PATH,)),
    Part(runbooks.files, (f"{runbooks.FOLDER}/*.md", f"{runbooks.FOLDER}/*/*.md")),
    Part(
        alertmanager.files,
        (f"{alertmanager.FOLDER}/alertmanager.yml", f"{alertmanager.FOLDER}/templates/*.tmpl"),
    ),
    Part(
        _dashboards,
        ("dashboards/*.json", "deploy/kubernetes/components/dashboards/configmaps.yaml"),
    ),
)


def pack_of(
    taxonomy: Taxonomy, policy: Policy, runbook_base_url: str, dashboard_base_url: str
) -> Pack:
    """The builders' input. Raises `ConfigError` when the policy names what the taxonomy does not have."""
    if mistakes := fits(policy, taxonomy):
        raise ConfigError(*mistakes)
    return Pack(
        taxonomy=taxonomy,
        policy=policy,
        subjects=tuple(subjects(taxonomy, policy.queued)),
        runbook_base_url=runbook_base_url.rstrip("/"),
        dashboard_base_url=dashboard_base_url.rstrip("/"),
    )


def texts(pack: Pack, parts: Sequence[Part] = PARTS) -> dict[str, str]:
    """Every file of a pack by its path below the output folder."""
    made: dict[str, str] = {}
    for part in parts:
        for path, text in part.build(pack).items():
            if path in made:
                raise ValueError(f"two builders write {path}")
            made[path] = text
    return made


def render(
    taxonomy: Taxonomy,
    policy: Policy,
    out: Path,
    runbook_base_url: str = RUNBOOK_BASE_URL,
    dashboard_base_url: str = DASHBOARD_BASE_URL,
) -> list[str]:
    """Writes the files that differ and removes orphans that carry the generated files' mark; the paths
    written and removed. A file without the mark is somebody's own: `check` names it."""
    wanted = texts(pack_of(taxonomy, policy, runbook_base_url, dashboard_base_url))
    changed = []
    for name, text in wanted.items():
        path = out / name
        if _read(path) == text.encode():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        changed.append(f"wrote {name}")
    for name in _orphans(out, wanted):
        if MARK.encode() in (_read(out / name) or b"")[:400]:
            (out / name).unlink()
            changed.append(f"removed {name}")
    return changed


def check(
    taxonomy: Taxonomy,
    policy: Policy,
    out: Path,
    runbook_base_url: str = RUNBOOK_BASE_URL,
    dashboard_base_url: str = DASHBOARD_BASE_URL,
) -> list[str]:
    """What `render` would change, and files in its folders that it did not write; empty when all is as
    it should be. Writes nothing."""
    wanted = texts(pack_of(taxonomy, policy, runbook_base_url, dashboard_base_url))
    mistakes = []
    for name, text in wanted.items():
        found = _read(out / name)
        if found is None:
            mistakes.append(f"{name}: is missing; run {COMMAND}")
        elif found != text.encode():
            mistakes.append(f"{name}:{_line(found, text.encode())}: differs; run {COMMAND}")
    mistakes += [
        f"{name}: is not rendered from anything; remove it" for name in _orphans(out, wanted)
    ]
    return mistakes


def _orphans(out: Path, wanted: dict[str, str]) -> list[str]:
    found = {
        path.relative_to(out).as_posix()
        for part in PARTS
        for pattern in part.owns
        for path in out.glob(pattern)
        if path.is_file()
    }
    return sorted(found - wanted.keys())


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _line(found: bytes, wanted: bytes) -> int:
    """The first line, from 1, that is not the same."""
    ours, theirs = found.split(b"\n"), wanted.split(b"\n")
    pairs = zip(ours, theirs, strict=False)
    same = (line for line, (one, other) in enumerate(pairs, start=1) if one != other)
    return next(same, min(len(ours), len(theirs)) + 1)
