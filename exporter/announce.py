"""The message that `serve` prints when it is ready: its URLs and an example command."""

from collections.abc import Mapping
from shlex import quote

from exporter import names
from exporter.logs import Log
from exporter.settings import Settings

log = Log("exporter")
_EVENT = '{"id":"try-1","system":"streampixel","code":4001}'


def announce(settings: Settings, bound: Mapping[str, tuple[str, int]]) -> None:
    """Print the URLs of the bound listeners. A failure to print is only logged."""
    given = {
        name: f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        for name, (host, port) in bound.items()
    }
    settings = settings.model_copy(update=given)
    ingest, ops = settings.url("ingest"), settings.url("ops")
    token = ""
    if settings.ingest_token_file:
        first = f'grep -m1 "^[[:space:]]*[^#[:space:]]" {quote(str(settings.ingest_token_file))}'
        token = f' -H "Authorization: Bearer $({first})"'
    insecure = " -k" if settings.ingest_tls_cert else ""
    greeting = f"""
session-end-exporter is ready

  send events to   {ingest}{names.INGEST_PATH}
  metrics          {ops}{names.METRICS_PATH}
  look around      {ops}/

try it:
  curl{insecure}{token} -H 'Content-Type: application/json' -d '{_EVENT}' {ingest}{names.INGEST_PATH}
"""
    try:
        print(greeting, flush=True)
    except (OSError, ValueError) as error:
        log.warning("greeting not printed", error=str(error), ingest=ingest, ops=ops)
