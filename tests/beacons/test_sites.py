"""The sites file: strict loading, and a message for each kind of mistake."""

from pathlib import Path

import pytest

from exporter.beacons.sites import ORIGIN as VALID_ORIGIN
from exporter.beacons.sites import Sites, SitesLoader, hash_key, make_key
from exporter.errors import ConfigError
from exporter.token_bucket import Limit

HASH = hash_key("a-key")
SOUND = f"""\
sites:
  - site: shop
    system: streampixel
    origins: [https://shop.example]
    keys: ["{HASH}"]
"""
LOADER = SitesLoader(("softdrive", "streampixel"), ("region", "project"), Limit(50, 500))


def read(folder: Path, text: str) -> Sites:
    path = folder / "sites.yaml"
    path.write_text(text)
    return LOADER(path)


def values(label: str, number: int) -> str:
    return f"      {label}: [{', '.join(f'a{n}' for n in range(number))}]\n"


def mistakes(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(folder, text)
    return [mistake.removeprefix(f"{folder}/sites.yaml:") for mistake in caught.value.mistakes]


def test_each_key_leads_to_its_site(tmp_path: Path) -> None:
    other = hash_key("another")
    sites = read(tmp_path, SOUND.replace(f'"{HASH}"', f'"{HASH}", "{other}"'))
    assert sites[HASH] is sites[other]
    site = sites[HASH]
    assert (site.name, site.system) == ("shop", "streampixel")
    assert site.origins == {b"https://shop.example"}
    assert (site.limit, site.labels) == (Limit(50, 500), {})
    more = "    rate: 2.5\n    burst: 9\n    labels:\n      region: [eu-west, us-east]\n"
    site = read(tmp_path, SOUND + more)[HASH]
    assert site.limit == Limit(2.5, 9)
    assert site.labels == {"region": frozenset({"eu-west", "us-east"})}


NOT_AN_ORIGIN = (
    "is not an origin as browsers send it; write scheme://host or scheme://host:port, in lower case, "
    "without default port, path or wildcard, such as https://shop.example"
)
KEY_LINE, ORIGIN = f'keys: ["{HASH}"]', "https://shop.example"
SECOND = SOUND.removeprefix("sites:\n").replace(HASH, hash_key("b"))
COMBINATIONS = "    rate: 1\n    labels:\n" + values("region", 198) + values("project", 1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (SOUND, "", "1: the file must be a mapping of keys, not an empty file"),
        (SOUND, "sites: []\n", "1: sites in the file is empty"),
        ("", "more: 1\n", "6: unknown key 'more' in the file; allowed are sites"),
        (
            "",
            "    orign: x\n",
            "6: unknown key 'orign' in sites[1]; allowed are site, system, origins, keys, rate, burst, "
            "labels",
        ),
        (
            "site: shop\n    ",
            "",
            "2: key 'site' is missing in sites[1]; required are site, system, origins, keys",
        ),
        (
            "shop\n",
            "Shop 1\n",
            "2: site 'Shop 1' is not a site's name; allowed are lower-case letters, digits, '.', '_' and "
            "'-', starting with a letter or digit",
        ),
        (
            "streampixel",
            "other",
            "3: system 'other' in sites[1] is not allowed; allowed are softdrive, streampixel",
        ),
        (ORIGIN, ORIGIN + "/", f"4: origin '{ORIGIN}/' in sites[1] {NOT_AN_ORIGIN}"),
        (ORIGIN, '"*"', f"4: origin '*' in sites[1] {NOT_AN_ORIGIN}"),
        (f"[{ORIGIN}]", "[]", "4: origins in sites[1] is empty"),
        (
            HASH,
            "my-secret-key",
            "5: a key in sites[1] is not sha256: and 64 hexadecimal digits, as `session-end-exporter "
            "beacon-key` prints them",
        ),
        (
            KEY_LINE,
            f'keys: ["{HASH}", "{HASH}"]',
            "5: a key in sites[1] is written twice, first for site 'shop'",
        ),
        ("", SECOND, "6: site 'shop' is written twice, first on line 2"),
        ("", "    rate: .inf\n", "6: rate in sites[1] must be a number from 0.001"),
        ("", "    burst: 0\n", "6: burst in sites[1] must be a number from 1"),
        ("", "    burst: 1.5\n", "6: burst in sites[1] must be a whole number"),
        (
            "",
            "    labels: {tenant: [a]}\n",
            "6: label 'tenant' in sites[1] is not configured; the setting `labels` has region, project",
        ),
        (
            "",
            COMBINATIONS,
            "7: labels in sites[1] allow 600 combinations of values, with `other` and empty; allowed are 200",
        ),
    ],
)
def test_mistake_is_reported_with_line_and_rule(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    """`old` is replaced with `new`; without `old`, `new` is appended."""
    text = SOUND.replace(old, new) if old else SOUND + new
    assert mistakes(tmp_path, text) == [message]


@pytest.mark.parametrize("labels", [{"region": 198}, {"region": 8, "project": 18}])
def test_labels_have_at_most_200_combinations(tmp_path: Path, labels: dict[str, int]) -> None:
    """Fails without the bound: a holder of the public key could create a series per code and combination."""
    text = SOUND + "    labels:\n" + "".join(values(*label) for label in labels.items())
    site = read(tmp_path, text)[HASH]
    assert {name: len(allowed) for name, allowed in site.labels.items()} == labels
    (mistake,) = mistakes(tmp_path, text.replace("[a0", "[more, a0", 1))
    assert mistake.endswith("allowed are 200")


def test_all_mistakes_are_reported_at_once(tmp_path: Path) -> None:
    text = SOUND.replace("streampixel", "x").replace("shop\n", "A\n") + "    rate: -1\n"
    lines = [mistake.partition(":")[0] for mistake in mistakes(tmp_path, text)]
    assert lines == ["2", "3", "6"]


VALID = (
    *("https://a", "http://localhost:3000", "https://x-1.example:8443", "http://[::1]"),
    *("https://shop.example:80", "http://shop.example:443", "https://xn--bcher-kva.example"),
)
INVALID = (
    *("null", "a.b", "ftp://a", "https://", "https://A.example", "https://bücher.example"),
    *("https://a/", "https://*.a", "https://u@a", "https://a?b", "https://a\n", " https://a"),
    *("https://a:443", "http://a:80", "https://a:0", "https://a:", "https://.a"),
)


@pytest.mark.parametrize("origin", VALID + INVALID)
def test_origin_is_valid_as_browsers_send_it(origin: str) -> None:
    assert bool(VALID_ORIGIN.fullmatch(origin)) == (origin in VALID)


def test_keys_are_long_unique_and_need_no_escaping() -> None:
    keys = {make_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(len(key) == 24 and key.replace("-", "").replace("_", "").isalnum() for key in keys)
