"""The message that `serve` prints when it is ready: its URLs and an example command."""

from collections.abc import Mapping
from ipaddress import ip_address
from shlex import quote

from exporter import names
from exporter.logs import Log
from exporter.settings import Settings

log = Log("exporter")
_EVENT = '{"id":"try-1","system":"streampixel","code":4001}'


def announce(settings: Settings, bound: Mapping[str, tuple[str, int]]) -> None:
    """Print the URLs of the bound listeners. A failure to print is only logged."""
    ingest, ops = (_url(settings, name, *bound[name]) for name in ("ingest", "ops"))
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


def _url(settings: Settings, name: str, host: str, port: int) -> str:
    scheme = "https" if getattr(settings, f"{name}_tls_cert") else "http"
    # From this machine, loopback reaches a listener on all addresses.
    if ip_address(host).is_unspecified:
        host = "::1" if ":" in host else "127.0.0.1"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
