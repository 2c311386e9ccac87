"""/docs: an OpenAPI description as one HTML page.

Not Swagger UI, which comes from a CDN or as 1.5 MB of scripts: this page makes no request, needs no
script, and is under the same Content-Security-Policy as the others.
"""

import json
from collections.abc import Mapping
from html import escape
from typing import Any

from exporter.ops.page import table

Description = Mapping[str, Any]


def docs(document: Description) -> str:
    """The page's body for an OpenAPI 3.1 document with the schemas that `exporter.ops.schemas` writes."""
    info = document["info"]
    operations = [
        (path, method, operation, item["servers"][0]["url"])
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method != "servers"
    ]
    contents = "\n".join(
        f'<li><a href="#{operation["operationId"]}">{method.upper()} {escape(path)}</a></li>'
        for path, method, operation, _ in operations
    )
    parts = [
        '<nav aria-label="Back"><ul><li><a href="/">session-end-exporter</a></li>'
        '<li><a href="/openapi.json">openapi.json</a></li></ul></nav>',
        f'<main>\n<h1>HTTP API</h1>\n<p class="lead">{escape(info["description"])} '
        f"Version {escape(info['version'])}.</p>",
        f'<nav aria-label="Operations"><ul>\n{contents}\n</ul></nav>',
    ]
    for tag in document["tags"]:
        parts.append(f"<h2>{escape(tag['name'].capitalize())}</h2>")
        parts.append(f"<p>{_prose(tag['description'])}</p>")
        parts += [
            _operation(path, method, operation, url)
            for path, method, operation, url in operations
            if tag["name"] in operation["tags"]
        ]
    parts.append("<h2>Schemas</h2>")
    parts += [_schema(name, one) for name, one in document["components"]["schemas"].items()]
    return "\n".join([*parts, "</main>"])


def _operation(path: str, method: str, operation: Description, url: str) -> str:
    parts = [
        f'<section class="operation" id="{escape(operation["operationId"])}">',
        f"<h3><code>{method.upper()} {escape(path)}</code></h3>",
        f"<p>{_prose(operation['summary'])}. At <code>{escape(url)}</code>"
        f"{', with a bearer token' if operation['security'] else ''}.</p>",
    ]
    if "description" in operation:
        parts.append(f"<p>{_prose(operation['description'])}</p>")
    # Regions with one name can't be told apart by who jumps from region to region.
    of = f"of {method.upper()} {path}"
    parts += [_code("Example", sample["source"]) for sample in operation.get("x-codeSamples", ())]
    if parameters := operation.get("parameters"):
        rows = [
            [f"<code>{escape(one['name'])}</code>", one["in"], _prose(one["description"])]
            for one in parameters
        ]
        parts.append(table(f"Parameters {of}", ["Parameter", "In", "Meaning"], rows))
    if body := operation.get("requestBody"):
        rows = [
            [f"<code>{escape(media)}</code>", _body(one["schema"])]
            for media, one in body["content"].items()
        ]
        parts.append(table(f"Request bodies {of}", ["Content-Type", "Body"], rows))
    rows = [
        [escape(status), _media(one.get("content", {})), _prose(one["description"])]
        for status, one in operation["responses"].items()
    ]
    parts.append(table(f"Responses {of}", ["Status", "Body", "When"], rows))
    return "\n".join([*parts, "</section>"])


def _schema(name: str, schema: Description) -> str:
    required = schema.get("required", ())
    rows = [
        [
            f"<code>{escape(field)}</code>",
            "yes" if field in required else "no",
            _kind(one),
            _meaning(one),
        ]
        for field, one in schema["properties"].items()
    ]
    parts = [
        f'<section id="schema-{escape(name)}">\n<h3>{escape(name)}</h3>',
        f"<p>{_prose(schema['description'])}</p>",
        table(f"Fields of {name}", ["Field", "Required", "Type", "Meaning"], rows),
        *(
            _code(f"An {name}" if name[0] in "AE" else f"A {name}", json.dumps(example, indent=2))
            for example in schema.get("examples", ())
        ),
    ]
    return "\n".join([*parts, "</section>"])


def _kind(schema: Description) -> str:
    """A schema's type in words, with a link when it has a name."""
    if ref := schema.get("$ref"):
        name = escape(ref.rpartition("/")[2])
        return f'<a href="#schema-{name}">{name}</a>'
    if several := schema.get("anyOf"):
        return " or ".join(_kind(one) for one in several)
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if "array" in kinds:
        return f"array of {_kind(schema['items'])}"
    said = " or ".join(escape(kind) for kind in kinds)
    return f"{said}, {escape(schema['format'])}" if "format" in schema else said


def _body(schema: Description) -> str:
    """A body that is no JSON has only words to say what it is."""
    return _prose(schema["description"]) if schema.get("type") == "string" else _kind(schema)


def _meaning(schema: Description) -> str:
    said = [_prose(schema["description"])] if "description" in schema else []
    if "enum" in schema:
        values = (f"<code>{escape(str(one))}</code>" for one in schema["enum"] if one is not None)
        said.append(f"One of {', '.join(values)}.")
    if "const" in schema:
        said.append(f"Always <code>{escape(str(schema['const']))}</code>.")
    if "minimum" in schema:
        said.append(f"At least {schema['minimum']}.")
    if properties := schema.get("properties"):
        named = ", ".join(f"<code>{escape(name)}</code>" for name in properties)
        said.append(f"Configured: {named}.")
    return " ".join(said)


def _media(content: Description) -> str:
    return "<br>".join(
        f"<code>{escape(media.partition(';')[0])}</code>"
        + (f": {_kind(one['schema'])}" if one["schema"].get("type") != "string" else "")
        for media, one in content.items()
    )


def _code(title: str, text: str) -> str:
    return f'<pre tabindex="0" aria-label="{escape(title)}"><code>{escape(text)}</code></pre>'


def _prose(text: str) -> str:
    """Text with `code` in backticks."""
    pieces = escape(text).split("`")
    return "".join(f"<code>{one}</code>" if place % 2 else one for place, one in enumerate(pieces))
