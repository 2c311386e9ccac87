"""A real exporter that takes beacons, Debian's Chromium, and a site on another origin."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from exporter.beacons.script import FILE
from exporter.beacons.sites import hash_key, make_key
from tests.collector.site import Site
from tests.collector.visitor import Visitor
from tests.e2e.exporter_process import ExporterProcess
from tests.pages.conftest import chromium

HEAD = '<!doctype html><title>Shop</title><link rel="icon" href="data:,"><script src="/sdk.js"></script>'
APP = """\
<script>
  const sdk = new Sdk();
  SessionEndCollector.streampixel(sdk);
</script>"""


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    kept = ["--disable-back-forward-cache"]
    with chromium(
        "--host-resolver-rules=MAP shop.test 127.0.0.1", ignore_default_args=kept
    ) as browser:
        yield browser


@pytest.fixture(scope="package")
def site() -> Iterator[Site]:
    with Site() as running:
        yield running


@pytest.fixture(scope="package")
def exporter(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExporterProcess]:
    folder = tmp_path_factory.mktemp("collector")
    keys = {name: make_key() for name in ("shop", "slow")}
    (folder / "sites.yaml").write_text(
        "sites:\n"
        + "".join(
            f"  - site: {name}\n"
            "    system: streampixel\n"
            f"    origins: ['{site.origin}', '{site.player}', '{site.plain}']\n"
            f"    keys: ['{hash_key(key)}']\n"
            "    labels: {project: [configurator]}\n"
            + ("    rate: 0.1\n    burst: 1\n" if name == "slow" else "")
            for name, key in keys.items()
        )
    )
    settings = {
        "beacon_keys_file": folder / "sites.yaml",
        "beacon_address_burst": 10_000,
        "labels": "project",
        "first_seen_zero_for": "10ms",
    }
    with ExporterProcess(folder / "data", settings=settings) as running:
        ingest = f"http://127.0.0.1:{running.ports['ingest']}"
        script = f'<script src="{ingest}/v1/collector.js"'
        tags = {name: f'{script} data-key="{key}"></script>' for name, key in keys.items()}
        shop = tags["shop"]
        frame = f'<iframe id="player" src="{site.player}/player"></iframe>'
        framed = shop.replace("></", f' data-frame="#player" data-origin="{site.player}"></')
        pages = {
            "/": shop + APP,
            "/labelled": shop.replace("></", ' data-project="configurator"></') + APP,
            "/twice": f"{shop}{APP}{shop}<script>SessionEndCollector.streampixel(sdk)</script>",
            "/slow": tags["slow"] + APP,
            "/frame": framed + frame + frame.replace("player", "other", 1),
            "/no-frame": framed,
            "/frames": framed.replace("#player", "iframe") + frame * 2,
            "/keyless-first": f"{script}></script>{shop}{APP}",
            "/copy": f'<script src="/copy.js" data-key="{keys["shop"]}"></script>',
            "/bare": f"{script}></script><script>const KEY = '{keys['shop']}'</script>",
            "/elsewhere": "",
        }
        site.pages = {path: HEAD + page for path, page in pages.items()}
        site.pages["/copy.js"] = FILE.read_text("utf-8")
        yield running


@pytest.fixture
def visitor(browser: Browser, site: Site, exporter: ExporterProcess) -> Iterator[Visitor]:
    with Visitor(browser, site, exporter) as visitor:
        yield visitor
