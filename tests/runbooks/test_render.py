"""Rendering of runbooks: values are escaped, queries have links and a button."""

from urllib.parse import parse_qs, urlsplit

import pytest

from exporter.runbooks.render import QueryLinks, queries, render

EVIL = '<script>alert(1)</script> [x](javascript:alert(1)) **b** `c` "q" & ![i](//e) {system}'
PAGE = """{fix}

## First section

- {fix} and `{fix}`

```promql
up{job="{fix}"}
```
"""


def test_a_value_is_never_markup() -> None:
    page = render(PAGE, (("fix", EVIL), ("system", "s")), QueryLinks("http://p"))
    html = page.first + page.rest
    for markup in ("<script", "<strong", "<img", 'javascript:alert(1)"', '<a href="java'):
        assert markup not in html
    assert (
        html.count("&lt;script&gt;alert(1)&lt;/script&gt; [x](javascript:alert(1)) **b** `c`") == 4
    )
    assert html.count("<code>") == 1


def test_a_value_is_quoted_in_a_query() -> None:
    (query,) = queries(PAGE, (("fix", 'a\\b"} or up{x="'),))
    assert query == 'up{job="a\\\\b\\"} or up{x=\\""}'


def test_html_and_images_of_a_file_are_text() -> None:
    page = render("<b>x</b> ![y](http://z/a.png) [js](javascript:alert(1))", (), QueryLinks())
    assert "<b>" not in page.first
    assert "<img" not in page.first
    assert 'href="javascript' not in page.first


def test_the_first_part_ends_at_the_first_heading() -> None:
    page = render("Do this.\n\n## Meaning\n\nBecause.\n", (), QueryLinks())
    assert page.first == "<p>Do this.</p>\n"
    assert page.rest == '<h2 id="meaning">Meaning</h2>\n<p>Because.</p>\n'


def test_queries_are_numbered_per_file() -> None:
    page = render(PAGE + PAGE, (("fix", "x"),), QueryLinks(), "shared-query")
    for number in ("1", "2"):
        assert f'id="shared-query-{number}"' in page.rest
        assert f'data-copies="shared-query-{number}"' in page.rest


@pytest.mark.parametrize(
    ("links", "texts"),
    [
        (QueryLinks(), []),
        (QueryLinks(prometheus="http://p"), ["Open in Prometheus"]),
        (QueryLinks("http://p", "http://g"), ["Open in Prometheus", "Open in Grafana"]),
    ],
)
def test_a_query_has_a_link_per_base_url(links: QueryLinks, texts: list[str]) -> None:
    assert [text for text, _ in links.of("up")] == texts
    page = render(PAGE, (("fix", "x"),), links)
    assert [
        text for text in ("Open in Prometheus", "Open in Grafana") if text in page.rest
    ] == texts


def test_links_contain_the_query() -> None:
    query = 'sum(up{a="b&c=d"}) + 1 # %41\n  / 2'
    (_, prometheus), (_, grafana) = QueryLinks("http://p/x", "http://g").of(query)
    assert prometheus.startswith("http://p/x/graph?")
    asked = parse_qs(urlsplit(prometheus).query)
    assert (asked["g0.expr"], asked["g0.tab"]) == ([query], ["0"])
    assert grafana.startswith("http://g/explore?schemaVersion=1&panes=")
