"""Rendering of runbooks: values are escaped, queries have links and a button."""

from html import escape
from urllib.parse import parse_qs, urlsplit

from exporter.runbooks import QueryLinks, Values, render

EVIL = '<script>alert(1)</script> [x](javascript:alert(1)) **b** `c` "q" & ![i](//e) {system}'
PAGE = """{fix}

## First section

- {fix} and `{fix}`

```promql
up{job="{fix}"}
```
"""


def html_of(text: str, values: Values | None = None, links: QueryLinks | None = None) -> str:
    page = render(text, values or {}, links or QueryLinks())
    return page.first + page.rest


def test_value_is_never_markup() -> None:
    html = html_of(PAGE, {"fix": EVIL, "system": "s"}, QueryLinks("http://p"))
    for markup in ("<script", "<strong", "<img", 'javascript:alert(1)"', '<a href="java'):
        assert markup not in html
    text = "&lt;script&gt;alert(1)&lt;/script&gt; [x](javascript:alert(1)) **b** `c`"
    assert html.count(text) == 4
    assert html.count("<code>") == 1


def test_value_is_quoted_in_a_query() -> None:
    html = html_of(PAGE, {"fix": 'a\\b"} or up{x="'})
    query = 'up{job="a\\\\b\\"} or up{x=\\""}'
    assert f">{escape(query)}</code>" in html


def test_html_and_images_of_a_file_are_text() -> None:
    html = html_of("<b>x</b> ![y](http://z/a.png) [js](javascript:alert(1))")
    for markup in ("<b>", "<img", 'href="javascript'):
        assert markup not in html


def test_first_part_ends_at_the_first_heading() -> None:
    page = render("Do this.\n\n## Meaning\n\nBecause.\n", {}, QueryLinks())
    assert page.first == "<p>Do this.</p>\n"
    assert page.rest == '<h2 id="meaning">Meaning</h2>\n<p>Because.</p>\n'
    assert render("Do this.", {}, QueryLinks()).rest == ""


def test_title_of_a_file_is_left_out() -> None:
    """The page has a title, and the first action would come after the file's own."""
    for title in ("# Link lost\n\n", "Link lost\n=====\n"):
        page = render(f"{title}Do this.\n\n# Meaning\n", {}, QueryLinks())
        assert page.first == "<p>Do this.</p>\n"
        assert page.rest == '<h1 id="meaning">Meaning</h1>\n'
    assert render("## Meaning\n", {}, QueryLinks()).rest == '<h2 id="meaning">Meaning</h2>\n'
    assert render("", {}, QueryLinks()).first == ""


def test_query_has_a_link_per_base_url() -> None:
    query = 'sum(up{a="b&c=d"}) + 1 # %41\n  / 2'
    (_, prometheus), (_, grafana) = QueryLinks("http://p/x", "http://g").of(query)
    assert prometheus.startswith("http://p/x/graph?")
    parameters = parse_qs(urlsplit(prometheus).query)
    assert (parameters["g0.expr"], parameters["g0.tab"]) == ([query], ["0"])
    assert grafana.startswith("http://g/explore?schemaVersion=1&panes=")
    text = f"```promql\n{query}\n```"
    assert f'<a href="{escape(prometheus)}">Open in Prometheus</a>' in html_of(
        text, {}, QueryLinks("http://p/x")
    )
    assert "<a " not in html_of(text)
