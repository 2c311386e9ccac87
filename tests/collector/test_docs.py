"""docs/browser.md: its commands are run, its pages are opened."""

import re
import socket
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.collector.site import PLAYER, SDK, Site
from tests.collector.test_privacy import FIELDS, TYPES
from tests.collector.visitor import MESSAGES_RECEIVED, Visitor, end
from tests.deploy.test_docs import DOCS, blocks, quoted, section, tables
from tests.e2e.exporter_process import ExporterProcess
from tests.test_readme import Terminal, settled, shown

TEXT = re.sub(r"^   ", "", (DOCS / "browser.md").read_text("utf-8"), flags=re.MULTILINE)
INGEST, KEY, PLAYERS = "https://ends.example.com", "YOUR-KEY", "https://share.streampixel.io"
HEAD = """<!doctype html><link rel="icon" href="data:,">
<script type="importmap">{"imports": {"streampixelsdk": "/sdk.module.js"}}</script>"""
SDK_MODULE = f"{SDK}export const StreamPixelApplication = async () => window.sdk = new Sdk();"


def test_steps_of_the_docs_lead_to_a_counted_end(
    browser: Browser, site: Site, exporter: ExporterProcess, tmp_path: Path
) -> None:
    make, look = [command for block in blocks(TEXT, "console") for command in shown(block)]
    command = make.command.replace("https://shop.example", site.origin)
    made = Terminal(exporter, tmp_path).run(command)
    key = re.search(r"key .*: (\S+)", made)
    assert key, made
    (tmp_path / "sites.yaml").write_text(made[made.index("sites:") :])
    settings = {"beacon_keys_file": tmp_path / "sites.yaml"}
    with ExporterProcess(tmp_path / "data", settings=settings) as started:
        ingest = f"http://127.0.0.1:{started.ports['ingest']}"
        pages = [page.replace(INGEST, ingest).replace(KEY, key[1]) for page in blocks(TEXT, "html")]
        site.pages |= {f"/docs/{number}": HEAD + page for number, page in enumerate(pages)}
        site.pages["/sdk.module.js"] = SDK_MODULE
        with Visitor(browser, site, started) as visitor:
            page = visitor.open("/docs/0")
            page.wait_for_function("window.sdk?.followed", polling=20)
            page.evaluate("sdk.play()")
            visitor.close(page)
            visitor.assert_counted(end(1001))
            assert settled(Terminal(started, tmp_path).run(look.command)) == re.sub(
                r'ledger="\w+"', 'ledger="…"', settled(look.output)
            )
        with Visitor(browser, site, started) as visitor:
            visitor.context.route(
                f"{PLAYERS}/**", lambda route: route.fulfill(content_type="text/html", body=PLAYER)
            )
            page = visitor.open("/docs/1")
            page.frame(url=f"{PLAYERS}/**").evaluate("say('loadingComplete')")  # type: ignore[union-attr]
            page.evaluate(MESSAGES_RECEIVED)
            visitor.close(page)
            visitor.assert_counted(end(1001))


@pytest.mark.parametrize(("number", "ready"), [(0, "window.sdk"), (1, "window.ready")])
def test_page_does_not_wait_for_an_exporter_that_does_not_answer(
    browser: Browser, site: Site, number: int, ready: str
) -> None:
    """Fails with `defer`: browsers run deferred scripts and modules in order."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ingest = f"http://127.0.0.1:{silent.getsockname()[1]}"
        markup = blocks(TEXT, "html")[number].replace(INGEST, ingest)
        site.pages["/docs/silent"] = f"{HEAD}{markup}<script type=module>window.ready = 1</script>"
        site.pages["/sdk.module.js"] = SDK_MODULE
        context = browser.new_context()
        context.route(f"{PLAYERS}/**", lambda route: route.fulfill(body=PLAYER))
        page = context.new_page()
        page.goto(f"{site.origin}/docs/silent", wait_until="domcontentloaded", timeout=5_000)
        page.wait_for_function(ready, polling=20, timeout=5_000)
        context.close()


def test_tables_list_fields_and_settings_of_the_script() -> None:
    sent, options = section(TEXT, "What is sent"), section(TEXT, "Add it to your page")
    (rows,) = tables(sent)
    assert {quoted(row[0])[0] for row in rows} == FIELDS
    (rows,) = tables(options)
    config = re.search(r"interface Config \{(.*?)\n\}", TYPES.read_text("utf-8"), re.DOTALL)
    assert config
    assert [quoted(row[1])[0] for row in rows] == sorted(
        re.findall(r"^  (\w+)\??:", config[1], re.MULTILINE),
        key=["key", "ingest", "window", "frame", "origin", "labels"].index,
    )


def test_calls_in_the_docs_exist(visitor: Visitor) -> None:
    called = set(re.findall(r"SessionEndCollector(?:\?)?\.(\w+)\(", TEXT))
    page = visitor.open()
    assert called <= set(page.evaluate("Object.keys(SessionEndCollector)"))
    assert len(called) >= 7
