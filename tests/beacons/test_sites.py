"""The sites file: strict loading, and a message for each kind of mistake."""

from pathlib import Path

import pytest

from exporter.beacons.sites import NAME, Sites, hash_key, make_key, read_sites
from exporter.beacons.sites import ORIGIN as VALID_ORIGIN
from exporter.errors import ConfigError
from exporter.settings import Settings
from exporter.taxonomy.loader import load
from exporter.token_bucket import Limit

HASH = hash_key("a-key")
SOUND = f"""\
sites:
  - site: shop
    system: streampixel
    origins: [https://shop.example]
    keys: ["{HASH}"]
"""
SETTINGS = Settings(labels=("region", "project"), beacon_rate=50, beacon_burst=500)


def read(folder: Path, text: str) -> Sites:
    path = folder / "sites.yaml"
    path.write_text(text)
    return read_sites(SETTINGS, load(), path)


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


NOT_A_HASH = "5: sites[1] keys[1]: is not a hash as `session-end-exporter beacon-key` prints it"
KEY_LINE, ORIGIN = f'keys: ["{HASH}"]', "https://shop.example"
SECOND = SOUND.removeprefix("sites:\n").replace(HASH, hash_key("b"))
COMBINATIONS = "    rate: 1\n    labels:\n" + values("region", 198) + values("project", 1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (SOUND, "", "1: must be a mapping of keys"),
        (SOUND, "sites: []\n", "1: sites: is empty"),
        ("", "more: 1\n", "6: more: no such key"),
        (
            "",
            "    orign: x\n",
            "6: sites[1] orign: no such key",
        ),
        (
            "site: shop\n    ",
            "",
            "2: sites[1] site: is required",
        ),
        (
            "shop\n",
            "Shop 1\n",
            f"2: sites[1] site: {NAME.rule}",
        ),
        (
            "streampixel",
            "other",
            "3: sites[1] system: must be one of softdrive, streampixel",
        ),
        (ORIGIN, ORIGIN + "/", f"4: sites[1] origins[1]: {VALID_ORIGIN.rule}"),
        (ORIGIN, '"*"', f"4: sites[1] origins[1]: {VALID_ORIGIN.rule}"),
        (f"[{ORIGIN}]", "[]", "4: sites[1] origins: is empty"),
        (
            HASH,
            "my-secret-key",
            NOT_A_HASH,
        ),
        (HASH, hash_key(""), NOT_A_HASH),
        (
            KEY_LINE,
            f'keys: ["{HASH}", "{HASH}"]',
            "5: sites[1] keys[2]: is written twice",
        ),
        ("", SECOND, "6: sites[2] site: is written twice"),
        ("", "    rate: .inf\n", "6: sites[1] rate: must be a finite number"),
        ("", "    burst: 0\n", "6: sites[1] burst: must be greater than or equal to 1"),
        ("", "    burst: 1.5\n", "6: sites[1] burst: must be a valid integer"),
        (
            "",
            "    labels: {tenant: [a]}\n",
            "6: sites[1] labels tenant: is not in the setting `labels`",
        ),
        (
            "",
            COMBINATIONS,
            "7: sites[1] labels: allow 600 combinations of values, with `other` and empty; allowed are 200",
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
    assert lines == ["2", "6", "3"]


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
    assert bool(VALID_ORIGIN.matches(origin)) == (origin in VALID)


def test_keys_are_long_unique_and_need_no_escaping() -> None:
    keys = {make_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(len(key) == 24 and key.replace("-", "").replace("_", "").isalnum() for key in keys)
