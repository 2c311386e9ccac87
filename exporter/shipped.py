"""The files that come with the exporter: rules, runbooks, dashboards, configurations."""

from pathlib import Path


def shipped(path: str) -> Path:
    """A file or folder, by its path in the repository: `rules`, `deploy/alertmanager`."""
    # The wheel has them in exporter/share; a checkout, also if installed as editable, beside the package.
    package = Path(__file__).parent
    installed = package / "share"
    return (installed if installed.is_dir() else package.parent) / path
