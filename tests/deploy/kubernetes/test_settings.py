"""The variables of the exporter's pod: valid settings with which the exporter answers requests."""

from pathlib import Path

import pytest

from exporter import names
from exporter.errors import ConfigError
from exporter.settings import PREFIX, load
from tests.deploy.kubernetes.kustomize import Object
from tests.deploy.kubernetes.manifests import NAME
from tests.e2e.exporter_process import ExporterProcess

TOKEN = "0123456789abcdef0123456789abcdef"


def test_service_variables_would_stop_the_exporter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Why enableServiceLinks is false: a Service `session-exporter` has a variable like this."""
    monkeypatch.setenv("SESSION_EXPORTER_SERVICE_HOST", "10.0.0.1")
    with pytest.raises(ConfigError, match="no such setting"):
        load()


def test_variables_are_valid_settings(
    environment: dict[str, str], container: Object, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = load()
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    for listener in ("ingest", "ops"):
        assert getattr(settings, listener) == f"0.0.0.0:{ports[listener]}"
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert settings.ingest_token_file == Path(mounts["tokens"], "ingest")
    assert settings.allow_anonymous == "ops"


def test_exporter_answers_probes_services_and_senders_with_the_token(
    environment: dict[str, str], container: Object, tmp_path: Path
) -> None:
    """Fails without ALLOWED_HOSTS."""
    (tmp_path / "ingest").write_text(TOKEN)
    settings = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name.removeprefix(PREFIX) not in ("INGEST", "OPS", "DATA_DIR")
    }
    settings["ingest_token_file"] = str(tmp_path / "ingest")
    event = {"id": "a", "system": "streampixel", "code": 4001}
    service = f"{NAME}-ops.{NAME}"
    probes = {"startup": "/-/healthy", "liveness": "/-/healthy", "readiness": "/-/ready"}
    with ExporterProcess(tmp_path / "data", settings=settings) as running:
        for name, path in probes.items():
            assert container[f"{name}Probe"]["httpGet"] == {"path": path, "port": "ops"}
            assert running.request("ops", "GET", path).status == 200
        for host, status in {
            "10.244.1.7:10401": 200,
            f"{NAME}-ops": 200,
            f"{service}:10401": 200,
            f"{service}.svc": 200,
            f"{service}.svc.cluster.local": 200,
            f"{service}.svc.example.com": 421,
        }.items():
            reply = running.request("ops", "GET", names.METRICS_PATH, headers={"Host": host})
            assert reply.status == status, host
        assert running.post(event).status == 401
        assert running.post(event, Authorization=f"Bearer {TOKEN}").json["accepted"] == 1
