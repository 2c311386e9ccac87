"""docs/browser.md: its commands are run, its pages are opened."""

import re
from pathlib import Path

from playwright.sync_api import Browser

from tests.collector.site import PLAYER, SDK, Site
from tests.collector.test_privacy import FIELDS, TYPES
from tests.collector.visitor import MESSAGES_RECEIVED, Visitor, end
from tests.deploy.test_docs import DOCS, blocks, quoted, section, tables
from tests.e2e.exporter_process import ExporterProcess
from tests.test_readme import Terminal, settled, shown

TEXT = re.sub(r"^   ", "", (DOCS / "browser.md").read_text("utf-8"), flags=re.MULTILINE)
INGEST, KEY, PLAYERS = "https://ends.example.com", "YOUR-KEY", "https://share.streampixel.io"
MODULE = """<script type="importmap">{"imports": {"streampixelsdk": "/sdk.module.js"}}</script>"""


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
        head = '<!doctype html><link rel="icon" href="data:,">' + MODULE
        site.pages |= {f"/docs/{number}": head + page for number, page in enumerate(pages)}
        site.pages["/sdk.module.js"] = (
            f"{SDK}export const StreamPixelApplication = async () => window.sdk = new Sdk();"
        )
        with Visitor(browser, site, started) as visitor:
            page = visitor.open("/docs/0")
            page.wait_for_function("window.sdk", polling=20)
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
        with Visitor(browser, site, started) as visitor:
            page = visitor.open("/docs/2")
            page.evaluate("SessionEndCollector.end(4006)")
            visitor.assert_delivered(page, end(4006))


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
