"""What `send` was asked to do, and where the events go."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Self, get_args
from urllib.parse import urlsplit

from exporter.errors import ConfigError
from exporter.names import INGEST_PATH

Format = Literal["json", "ndjson", "csv"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)
DEFAULT_URL: Final = "http://127.0.0.1:10400"


@dataclass(frozen=True, slots=True)
class Target:
    """The place to post to; `path` begins with a slash."""

    host: str
    port: int
    path: str
    tls: bool

    @classmethod
    def parse(cls, url: str) -> Self:
        """`url` with or without `/v1/session-ends`, behind a proxy's prefix or not.

        Raises `ConfigError` for anything that is not http(s)://HOST[:PORT][/PATH]: user names,
        queries and fragments included, because they would be lost or end up in logs.
        """
        wanted = f"such as {DEFAULT_URL}"
        if not url.isascii() or not url.isprintable() or " " in url:
            raise ConfigError(f"--url = {url!r}: not a URL, {wanted}")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ConfigError(f"--url = {url!r}: {error}, {wanted}") from None
        if "@" in parts.netloc:
            raise ConfigError("--url: no user name or password in it; use --token-file")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"--url = {url!r}: http://HOST:PORT or https://…, {wanted}")
        if parts.query or parts.fragment:
            raise ConfigError(f"--url = {url!r}: no query and no fragment, {wanted}")
        tls = parts.scheme == "https"
        path = parts.path.rstrip("/").removesuffix(INGEST_PATH) + INGEST_PATH
        return cls(parts.hostname, port or (443 if tls else 80), path, tls)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{self.path}"


@dataclass(frozen=True, slots=True)
class Options:
    """The command's flags. `max_bytes` is of a request's body before compression; times are seconds.

    `max_wait` is how long one request may go without an answer that settles it, retries included;
    `timeout` how long one attempt waits for the network.
    """

    url: str = DEFAULT_URL
    token_file: Path | None = None
    ca_file: Path | None = None
    batch: int = 500
    max_bytes: int = 512 * 1024
    format: Format | None = None
    max_wait: float = 300
    timeout: float = 30
    quiet: bool = False
    json: bool = False

    def target(self) -> Target:
        """Where to post; raises `ConfigError` for a flag that can't work."""
        if self.batch < 1:
            raise ConfigError(f"--batch = {self.batch}: at least 1")
        if not self.max_wait >= 0:
            raise ConfigError(f"--max-wait = {self.max_wait}: seconds, at least 0")
        if not self.timeout > 0:
            raise ConfigError(f"--timeout = {self.timeout}: seconds, more than 0")
        if self.format is not None and self.format not in FORMATS:
            raise ConfigError(f"--format = {self.format!r}: one of {', '.join(FORMATS)}")
        return Target.parse(self.url)

    def token(self) -> str | None:
        """The bearer token: the file's first line that is neither blank nor a # comment, as in the exporter's
        own; its text is never shown.

        Raises `ConfigError` when there is none, or when it could not stand in a header.
        """
        if self.token_file is None:
            return None
        try:
            text = self.token_file.read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"--token-file {self.token_file}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ConfigError(f"--token-file {self.token_file}: not text") from None
        lines = (line.strip() for line in text.splitlines())
        token = next((line for line in lines if line and not line.startswith("#")), "")
        if not token:
            raise ConfigError(f"--token-file {self.token_file}: no token in it")
        if not token.isascii() or not token.isprintable() or " " in token:
            raise ConfigError(f"--token-file {self.token_file}: a token is printable ASCII")
        return token
