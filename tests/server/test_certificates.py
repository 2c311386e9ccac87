"""A listener's certificate at start; row 34 of the fault table changes its files."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from exporter.errors import ConfigError
from exporter.server.certificates import watched_certificate
from tests.server.conftest import openssl, self_signed

Pair = tuple[Path, Path]


def test_certificate_requires_tls_1_2(pair: Pair) -> None:
    """Passes without `minimum_version` on Python 3.11, whose default is 1.2 too."""
    assert (
        watched_certificate("ops", *pair).current().context.minimum_version
        == ssl.TLSVersion.TLSv1_2
    )


def test_missing_certificate_names_setting_and_file(pair: Pair) -> None:
    with pytest.raises(ConfigError) as caught:
        watched_certificate("ops", Path("/no/cert.pem"), pair[1])
    assert str(caught.value).startswith("ops_tls_cert = '/no/cert.pem' and ")
    assert str(caught.value).endswith(": No such file or directory")


def test_unusable_key_names_both_settings(pair: Pair, tmp_path: Path) -> None:
    """Fails without a password: OpenSSL asks for one on the terminal and waits."""
    key = tmp_path / "key.pem"
    openssl(f"pkcs8 -topk8 -in {pair[1]} -out {key} -passout pass:secret")
    with pytest.raises(ConfigError) as caught:
        watched_certificate("ops", pair[0], key)
    assert str(caught.value).startswith(
        f"ops_tls_cert = '{pair[0]}' and ops_tls_key = '{key}': not a PEM certificate and its "
        "unencrypted key: "
    )


@pytest.mark.parametrize("days", [2, 20_000], ids=["UTCTime", "GeneralizedTime: after 2049"])
def test_certificate_expiry_is_that_of_openssl(tmp_path: Path, days: int) -> None:
    cert, key = self_signed(tmp_path, days)
    printed = openssl(f"x509 -noout -enddate -in {cert}").strip()
    end = datetime.strptime(printed, "notAfter=%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC)
    assert watched_certificate("ops", cert, key).current().expires == end.timestamp()
