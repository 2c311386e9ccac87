"""The files that settings name."""

from exporter.errors import ConfigError
from exporter.settings import Settings
from exporter.taxonomy import Taxonomy


def mistaken(settings: Settings) -> list[str]:
    """What is wrong with the token, key and certificate files that the settings name."""
    from exporter.ledger.redis.plan import read_password
    from exporter.server.certificates import Certificate
    from exporter.streampixel.live_stats import read_key
    from exporter.tokens import Tokens

    mistakes: list[str] = []
    for file, read in (
        (settings.streampixel_webhook_token_file, lambda path: Tokens(path, lambda: 0.0)),
        (settings.live_stats_key_file, read_key),
        (settings.ledger_password_file, read_password),
    ):
        if file is not None:
            try:
                read(file)
            except ConfigError as error:
                mistakes += error.mistakes
    for name in ("ingest", "ops"):
        tokens = getattr(settings, f"{name}_token_file")
        cert, key = (getattr(settings, f"{name}_tls_{part}") for part in ("cert", "key"))
        if tokens is not None:
            try:
                Tokens(tokens, lambda: 0.0)
            except ConfigError as error:
                mistakes += error.mistakes
        if cert is not None and key is not None:
            try:
                Certificate(name, cert, key)
            except ConfigError as error:
                mistakes += error.mistakes
    return mistakes


def mistaken_sites(settings: Settings, taxonomy: Taxonomy) -> list[str]:
    """What is wrong with the file of beacon keys, when the settings name one."""
    from exporter.beacons.sites import Loader

    if settings.beacon_keys_file is not None:
        try:
            Loader.of(settings, taxonomy)(settings.beacon_keys_file)
        except ConfigError as error:
            return list(error.mistakes)
    return []
