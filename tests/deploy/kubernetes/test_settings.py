"""The variables of the exporter's pod: settings that it takes, and with which it answers."""

from pathlib import Path

import pytest

import exporter
from exporter import names
from exporter.settings import PREFIX, load
from tests.deploy.kubernetes.kustomize import Object
from tests.deploy.kubernetes.manifests import Objects
from tests.e2e.exporter_process import ExporterProcess


def test_the_pod_has_no_token_of_the_cluster_and_no_service_variables(
    pod: Object, everything: Objects
) -> None:
    account = everything["ServiceAccount", pod["serviceAccountName"]]
    assert account["automountServiceAccountToken"] is False
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False


def test_service_variables_would_stop_the_exporter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Why enableServiceLinks is false: a Service `session-exporter` has a variable like this."""
    monkeypatch.setenv("SESSION_EXPORTER_SERVICE_HOST", "10.0.0.1")
    with pytest.raises(exporter.errors.ConfigError, match="no such setting"):
        load()


def test_variables_are_valid_settings(
    environment: dict[str, str], container: Object, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = load()
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}
    for listener in ("ingest", "ops"):
        assert getattr(settings, listener) == f"0.0.0.0:{ports[listener]}"
    (tokens,) = (one["mountPath"] for one in container["volumeMounts"] if one["name"] == "tokens")
    assert settings.ingest_token_file == Path(tokens, "ingest")
    assert settings.allow_anonymous == "ops"


@pytest.mark.parametrize("without", ["INGEST_TOKEN_FILE", "ALLOW_ANONYMOUS"])
def test_listener_beyond_loopback_needs_token_or_permission(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, without: str
) -> None:
    for name, value in environment.items():
        if name != PREFIX + without:
            monkeypatch.setenv(name, value)
    with pytest.raises(exporter.errors.ConfigError, match="leaves loopback without a token"):
        load()


def test_ops_listener_accepts_service_names_and_pod_addresses(
    environment: dict[str, str], everything: Objects, tmp_path: Path
) -> None:
    """Fails without ALLOWED_HOSTS."""
    (service,) = (name for kind, name in everything if kind == "Service" and name.endswith("-ops"))
    namespace = everything["Service", service]["metadata"]["namespace"]
    settings = {"allowed_hosts": environment[PREFIX + "ALLOWED_HOSTS"]}
    with ExporterProcess(tmp_path / "data", settings=settings) as running:
        for host, status in {
            "10.244.1.7:10401": 200,
            service: 200,
            f"{service}.{namespace}:10401": 200,
            f"{service}.{namespace}.svc": 200,
            f"{service}.{namespace}.svc.cluster.local": 200,
            f"{service}.{namespace}.svc.example.com": 421,
        }.items():
            reply = running.request("ops", "GET", names.METRICS_PATH, headers={"Host": host})
            assert reply.status == status, host


def test_exporter_answers_probes_and_requires_a_token(
    environment: dict[str, str], container: Object, tmp_path: Path
) -> None:
    token = "0123456789abcdef0123456789abcdef"
    (tmp_path / "ingest").write_text(token)
    own = {f"{PREFIX}{name}" for name in ("INGEST", "OPS", "DATA_DIR")}
    settings = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name not in own
    }
    settings["ingest_token_file"] = str(tmp_path / "ingest")
    event = {"id": "a", "system": "streampixel", "code": 4001}
    with ExporterProcess(tmp_path / "data", settings=settings) as running:
        for name in ("startupProbe", "livenessProbe", "readinessProbe"):
            probe = container[name]["httpGet"]
            assert probe["port"] == "ops"
            assert running.request("ops", "GET", probe["path"]).status == 200
        assert running.request("ops", "GET", names.METRICS_PATH).status == 200
        assert running.post(event).status == 401
        assert running.post(event, Authorization=f"Bearer {token}").json["accepted"] == 1
    probed = {container[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe")}
    assert probed == {names.HEALTHY_PATH}
    assert container["readinessProbe"]["httpGet"]["path"] == names.READY_PATH
