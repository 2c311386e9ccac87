"""A key that is in an object twice never passes, wherever it hides."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.ingest.media import Media
from tests.ingest import bodies
from tests.ingest.bodies import Pairs
from tests.ingest.decoding import FILLER, RANDOM, outcome

BEFORE_COLON = ("", " ", "\t", "  ", " \t ")
TWICE = (
    '"id":"a","id"{}:"b"',
    '"id"{}:"a","id":null',
    '"id":null,"id"{}:"b"',
    '"\\u0069d"{}:"a","id":"b"',
    '"id"{}:"a\\":","id":"b"',
    '"session_id":"\\":","id"{}:"a","id":"b"',
    '"x"{}:1,"x":1',
    '"x"{}:{{"y":1,"y":2}}',
    '"labels":{{"region":"a","region"{}:"b"}}',
    '"labels":{{"region":"a"}},"labels"{}:{{}}',
    '"labels"{}:{{}},"labels":{{"region":"a"}}',
    '"labels":{{"region\\":":"a"}},"labels"{}:{{"region":"b"}}',
    '"labels":null,"labels"{}:{{"a":"b"}}',
    '"labels":{{"x":{{"y":1,"y"{}:1}}}}',
    '"code"{}:1,"code":"1"',
    '"system"{}:"softdrive"',
)


@pytest.mark.parametrize("space", BEFORE_COLON)
@pytest.mark.parametrize("pairs", TWICE)
@pytest.mark.parametrize("size", [0, 5000])
@pytest.mark.parametrize("media", [Media.JSON, Media.NDJSON])
def test_a_key_that_is_there_twice_never_passes(
    space: str, pairs: str, size: int, media: Media
) -> None:
    """Fails without the count of keys: the last of the two would win, silently."""
    filler = json.dumps({"system": "softdrive", "id": "f" * 100})
    twice = '{"system":"softdrive",' + pairs.format(space) + "}"
    events = [twice] + [filler] * (size // len(filler))
    text = "\n".join(events) if media is Media.NDJSON else f"[{','.join(events)}]"
    found = outcome(media, text.encode())
    assert isinstance(found, dict)
    assert found[0] == "duplicate_key"
    assert [place for place, one in found.items() if isinstance(one, str)] == [0]


@given(
    st.dictionaries(st.sampled_from(bodies.FIELDS[1:4]), bodies.texts, min_size=1),
    st.data(),
    RANDOM,
)
@settings(max_examples=200, deadline=None)
def test_a_generated_key_that_is_there_twice_never_passes(
    fields: dict[str, str], data: st.DataObject, rnd: Any
) -> None:
    pairs = [("system", "softdrive"), *fields.items()]
    pairs.append((data.draw(st.sampled_from(sorted(fields))), data.draw(bodies.texts)))
    values = [Pairs(tuple(pairs))] + (FILLER if data.draw(st.booleans()) else [])
    found = outcome(Media.JSON, bodies.write(values, rnd).encode())
    assert isinstance(found, dict)
    assert found[0] == "duplicate_key"
