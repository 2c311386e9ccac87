"""Row 34 of the fault table: which certificate is served, also after its files change."""

import os
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from exporter import watched
from exporter.errors import ConfigError
from exporter.server.certificates import watched_certificate
from tests.e2e.exporter_process import wait_for
from tests.server.conftest import Start, ask, openssl, post, self_signed

Pair = tuple[Path, Path]


def served(address: tuple[str, int]) -> str:
    """The certificate of a new connection, PEM."""
    return ssl.get_server_certificate(address, timeout=15)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are checked at each use, if a mutant does not set another time."""
    if watched.RECHECK == 1:
        monkeypatch.setattr(watched, "RECHECK", 0)


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


@pytest.mark.usefixtures("quick")
def test_changed_certificate_is_served_and_open_connections_stay(
    start: Start, tmp_path: Path
) -> None:
    """As Kubernetes changes a Secret, whose files are links through `..data`, a link to a folder that an
    update replaces."""
    self_signed(tmp_path / "..1", name="old")
    new, _ = self_signed(tmp_path / "..2", name="new")
    (tmp_path / "..data").symlink_to("..1")
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    server = start(files=(tmp_path / "cert.pem", tmp_path / "key.pem"))
    assert served(server.address) == (tmp_path / "..1/cert.pem").read_text()
    client = server.client()
    assert ask(client, post(b"before")).endswith(b"before")
    (tmp_path / "..data_tmp").symlink_to("..2")
    os.replace(tmp_path / "..data_tmp", tmp_path / "..data")
    wait_for(lambda: served(server.address) == new.read_text())
    assert ask(client, post(b"after")).endswith(b"after")


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("kind", ["part of a certificate", "other key", "no file"])
def test_unusable_new_certificate_leaves_the_previous_one_in_use(
    start: Start, kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Fails when the context in use loads the files, for "other key": OpenSSL takes the new certificate,
    drops the old key and refuses the new one."""
    cert, key = self_signed(tmp_path / "old", name="old")
    new_cert, new_key = self_signed(tmp_path / "new", name="new")
    old, new = cert.read_text(), new_cert.read_text()
    server = start(files=(cert, key))
    if kind == "no file":
        key.unlink()
    else:
        put(cert, new[:200] if kind == "part of a certificate" else new)
    for _ in range(10):
        assert served(server.address) == old
    (mistake,) = (line.fields["mistakes"] for line in caplog.records if line.levelname == "ERROR")
    assert "ingest_tls_key" in mistake
    put(cert, new)
    put(key, new_key.read_text())
    wait_for(lambda: served(server.address) == new)


def put(path: Path, text: str) -> None:
    """Replace a file at once."""
    path.with_suffix(".new").write_text(text)
    os.replace(path.with_suffix(".new"), path)
