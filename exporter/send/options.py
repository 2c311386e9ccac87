"""The flags of `send`, and the URL and the token that they name."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from urllib.parse import SplitResult, urlsplit

from exporter.errors import ConfigError
from exporter.names import INGEST_PATH
from exporter.secret_file import is_word, secrets

Format = Literal["json", "ndjson", "csv"]
_SUFFIXES: Final[dict[str, Format]] = {
    "json": "json",
    "ndjson": "ndjson",
    "jsonl": "ndjson",
    "csv": "csv",
    "tsv": "csv",
}
DEFAULT_URL: Final = "http://127.0.0.1:10400"


def format_of(name: str) -> Format | None:
    """The format that the suffix of a file's name means; None if it means none."""
    return _SUFFIXES.get(name.lower().removesuffix(".gz").rpartition(".")[2])


def http_url(text: str, *schemes: str) -> SplitResult | None:
    """The parts of a URL with one of the schemes, a host and a usable port; None for another text."""
    with suppress(ValueError):
        parts = urlsplit(text)
        if parts.scheme in schemes and parts.hostname and parts.port != 0:
            return parts
    return None


@dataclass(frozen=True, slots=True)
class Options:
    url: str = DEFAULT_URL
    token_file: Path | None = None
    ca_file: Path | None = None
    batch: int = 500  # events per request
    max_bytes: int = 512 * 1024  # of a request, before compression
    format: Format | None = None
    columns: Sequence[str] = ()  # values of --column
    follow: bool = False
    max_wait: float = 300  # seconds for all attempts to deliver a request
    timeout: float = 30  # seconds that an attempt waits for the network
    quiet: bool = False
    json: bool = False

    def endpoint(self) -> SplitResult:
        """`url`, with the path `/v1/session-ends` added if it is missing. Raises `ConfigError`."""
        parts = http_url(self.url, "http", "https")
        if parts is None or not is_word(self.url) or re.search("[?#@]", self.url):
            value = "" if "@" in self.url else f" = {self.url!r}"  # may contain a password
            raise ConfigError(
                f"--url{value}: must be http://HOST:PORT or https://HOST:PORT, such as {DEFAULT_URL}; "
                "a path may follow, but no query, and a token belongs in --token-file"
            )
        return parts._replace(path=parts.path.rstrip("/").removesuffix(INGEST_PATH) + INGEST_PATH)

    def token(self) -> str | None:
        """The first line of `token_file` that is neither blank nor a # comment. Raises `ConfigError`."""
        if self.token_file is None:
            return None
        try:
            tokens = [token for _, token in secrets(self.token_file)]
        except ConfigError as error:
            raise ConfigError(f"--token-file {error}") from None
        if not tokens or not is_word(tokens[0]):
            rule = "its first line must be a token, one word of printable ASCII characters"
            raise ConfigError(f"--token-file {self.token_file}: {rule}")
        return tokens[0]
