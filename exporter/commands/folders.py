"""Where taxonomies are looked for by commands that work without a server."""

import sys
from collections.abc import Sequence
from pathlib import Path

from exporter.errors import ConfigError
from exporter.settings import load


def folders(config: Path | None, taxonomy: list[Path] | None) -> Sequence[Path]:
    """The configured taxonomies.

    Who looks up a code at night is not to be stopped by a port that is wrong in some variable: without
    `config`, mistakes in the environment are told and left.
    """
    try:
        return load(config, taxonomy=taxonomy).taxonomy
    except ConfigError as error:
        if config is not None:
            raise
        for mistake in error.mistakes:
            print(f"warning: {mistake}", file=sys.stderr)
        return taxonomy or []
