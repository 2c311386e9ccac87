"""deploy/kubernetes: the objects of the single exporter, and its README, checked without a cluster."""

import json
import re
import sys
from pathlib import Path

import exporter
from exporter import names
from exporter.settings import PREFIX, Settings
from exporter.taxonomy.loader import load
from tests.deploy.kubernetes.conftest import (
    CUSTOM,
    FOLDER,
    NAME,
    Objects,
    assert_confined,
    assert_valid,
    of_kind,
    overlay,
    settings_of,
)
from tests.deploy.kubernetes.kustomize import Object, build
from tests.e2e.exporter_process import ROOT, ExporterProcess
from tests.programs import output
from tests.rule_groups import groups

README = (FOLDER / "README.md").read_text(encoding="utf-8")
LABELS = {"app.kubernetes.io/name": NAME}
SENDERS = {
    "namespaceSelector": {},
    "podSelector": {"matchLabels": {"session-end-exporter/sender": "true"}},
}
LONGEST_ANNOTATION = 262_144
TOKEN = "0123456789abcdef0123456789abcdef"


def namespace(name: str) -> Object:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def test_kustomization_builds_exporter_scrape_rules_and_dashboards() -> None:
    objects = build(FOLDER)
    assert sorted(item["kind"] for item in objects) == sorted(
        [
            *("Namespace", "ServiceAccount", "StatefulSet", "NetworkPolicy", "PodDisruptionBudget"),
            *("Service", "Service", "ServiceMonitor", "PrometheusRule"),
            *["ConfigMap"] * len(list((ROOT / "dashboards").glob("*.json"))),
        ]
    )
    assert {item["metadata"].get("namespace") for item in objects} == {None, NAME}
    base = {item["kind"] for item in build(FOLDER / "base")}
    assert not base & {*CUSTOM, "ConfigMap"}, "the base needs only Kubernetes"


def test_every_object_is_valid_for_kubernetes(objects: Objects) -> None:
    assert_valid(objects)


def test_prometheusrule_has_the_shipped_rules(objects: Objects) -> None:
    written = output(sys.executable, ROOT / "scripts" / "prometheusrule")
    path = FOLDER / "components/rules/prometheusrule.yaml"
    assert path.read_text() == written, "run `make prometheusrule`"
    shipped = [group for file in groups().values() for group in file]
    assert objects["PrometheusRule", NAME]["spec"]["groups"] == shipped


def test_configmaps_are_the_dashboards_with_the_sidecar_label(objects: Objects) -> None:
    """Each ConfigMap fits into the annotation that `kubectl apply` writes."""
    texts: dict[str, str] = {}
    for config_map in of_kind(objects, "ConfigMap").values():
        assert config_map["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert len(json.dumps(config_map)) < LONGEST_ANNOTATION
        texts |= config_map["data"]
    files = list((ROOT / "dashboards").glob("*.json"))
    assert files
    assert texts == {file.name: file.read_text(encoding="utf-8") for file in files}


def test_pod_is_confined_and_writes_only_to_its_volume(
    objects: Objects, stateful_set: Object, environment: dict[str, str]
) -> None:
    pod = stateful_set["template"]["spec"]
    (container,) = pod["containers"]
    assert_confined(pod)
    labels = objects["Namespace", NAME]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    account = objects["ServiceAccount", pod["serviceAccountName"]]
    assert account["automountServiceAccountToken"] is False
    (claim,) = stateful_set["volumeClaimTemplates"]
    mounts = container["volumeMounts"]
    writable = {mount["mountPath"]: mount["name"] for mount in mounts if not mount.get("readOnly")}
    assert writable == {environment[f"{PREFIX}DATA_DIR"]: claim["metadata"]["name"]}
    (tokens,) = pod["volumes"]
    assert tokens["secret"]["defaultMode"] == 0o400
    # The group owns the volume and may read the tokens.
    assert pod["securityContext"]["fsGroup"] == pod["securityContext"]["runAsGroup"]


def test_single_exporter_may_be_evicted_and_keeps_its_volume(
    objects: Objects, stateful_set: Object, pod: Object
) -> None:
    assert stateful_set["replicas"] == 1
    assert stateful_set["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Retain"
    budget = objects["PodDisruptionBudget", NAME]["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"] == stateful_set["selector"] == {"matchLabels": LABELS}
    assert stateful_set["template"]["metadata"]["labels"] == LABELS
    assert pod["terminationGracePeriodSeconds"] >= 2 * Settings().shutdown_timeout


def test_pod_runs_the_image_as_its_user(
    pod: Object, container: Object, environment: dict[str, str]
) -> None:
    assert container["image"] == f"{NAME}:{exporter.__version__}"
    assert container["imagePullPolicy"] == "IfNotPresent"
    assert container["command"] == [NAME, "serve"]
    image = (ROOT / "deploy" / "Containerfile").read_text(encoding="utf-8")
    context = pod["securityContext"]
    assert f"USER {context['runAsUser']}:{context['runAsGroup']}\n" in image
    assert f"DATA_DIR={environment[f'{PREFIX}DATA_DIR']}\n" in image


def test_memory_request_and_limit_hold_window_and_queue(container: Object) -> None:
    requests, limits = (container["resources"][name] for name in ("requests", "limits"))
    request, limit = (int(item["memory"].removesuffix("Mi")) for item in (requests, limits))
    # 132 MiB were measured with a full window and an empty queue.
    assert request >= 132
    assert limit >= 2 * (132 + Settings().max_queue_bytes / 1024**2)
    assert "cpu" in requests
    assert "cpu" not in limits
    # The kubelet keeps five log files of 10 MiB.
    for item in (requests, limits):
        assert int(item["ephemeral-storage"].removesuffix("Mi")) > 50


def test_startup_probe_waits_for_a_ledger_of_100_million_ids(container: Object) -> None:
    """The goal of docs/scale.md is a second for a million ids."""
    probe = container["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 5 * 100


def test_each_service_leads_to_its_listener(
    objects: Objects, stateful_set: Object, container: Object
) -> None:
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    services = of_kind(objects, "Service")
    headless = {name for name, item in services.items() if item["spec"].get("clusterIP") == "None"}
    assert headless == {stateful_set["serviceName"]}
    assert {name: item["spec"]["ports"][0]["targetPort"] for name, item in services.items()} == {
        NAME: "ingest",
        f"{NAME}-ops": "ops",
    }
    for service in services.values():
        (port,) = service["spec"]["ports"]
        assert service["spec"]["selector"] == LABELS
        assert ports[port["targetPort"]] == port["port"]
        # A pod that is not ready must be reachable: it answers with the reason, and still counts if it can.
        assert service["spec"]["publishNotReadyAddresses"] is True


def test_network_policies_allow_only_senders_and_monitoring(objects: Objects) -> None:
    policies = of_kind(objects, "NetworkPolicy")
    assert all(item["spec"]["podSelector"] == {"matchLabels": LABELS} for item in policies.values())
    allowed = [
        ([port["port"] for port in rule["ports"]], rule["from"])
        for _, item in sorted(policies.items())
        for rule in item["spec"]["ingress"]
    ]
    assert allowed == [
        (["ingest"], [SENDERS]),
        (["ops"], [namespace("monitoring")]),
        (["ingest"], [namespace("ingress-nginx")]),
    ]
    assert policies[NAME]["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert policies[NAME]["spec"]["egress"] == []


def test_service_monitor_scrapes_ops_under_the_job_of_the_alerts(objects: Objects) -> None:
    monitor = objects["ServiceMonitor", NAME]
    assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
    labels = objects["Service", f"{NAME}-ops"]["metadata"]["labels"]
    selector = monitor["spec"]["selector"]["matchLabels"].items()
    assert selector <= labels.items()
    assert not selector <= objects["Service", NAME]["metadata"]["labels"].items()
    (endpoint,) = monitor["spec"]["endpoints"]
    assert (endpoint["port"], endpoint["path"]) == ("ops", names.METRICS_PATH)
    # The operator takes the job from this label of the Service.
    assert labels[monitor["spec"]["jobLabel"]] == "session-end-exporter"
    assert int(endpoint["interval"].removesuffix("s")) * 5 <= Settings().first_seen_zero_for


def test_ingress_exposes_only_the_paths_of_events_with_tls(objects: Objects) -> None:
    ingress = objects["Ingress", NAME]["spec"]
    (rule,) = ingress["rules"]
    paths = rule["http"]["paths"]
    assert [path["path"] for path in paths] == [names.INGEST_PATH, names.LOGS_PATH]
    for path in paths:
        assert path["pathType"] == "Exact"
        assert path["backend"]["service"] == {"name": NAME, "port": {"name": "ingest"}}
    assert [item["hosts"] for item in ingress["tls"]] == [[rule["host"]]]


# --- variables of the exporter's pod: valid settings with which the exporter answers requests ----------


def test_variables_are_valid_settings(environment: dict[str, str], container: Object) -> None:
    settings = settings_of(environment)
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


# --- the README -----------------------------------------------------------------------------------


def test_readme_overlay_builds_with_its_changes(tmp_path: Path) -> None:
    objects = overlay(README, tmp_path)
    pod = objects["StatefulSet", NAME]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    image = f"registry.example.com/session-end-exporter:{exporter.__version__}"
    assert container["image"] == image
    ingress = objects["Ingress", NAME]["spec"]
    assert ingress["tls"][0]["hosts"] == ["ends.example.org"]
    assert ingress["rules"][0]["host"] == "ends.example.org"
    for item in objects.values():
        assert item["metadata"]["labels"]["release"] == "kube-prometheus-stack"
    assert_valid(objects)
    # Own codes are mounted where the setting says.
    (volume,) = (item for item in pod["volumes"] if "configMap" in item)
    (mount,) = (item for item in container["volumeMounts"] if item["name"] == volume["name"])
    settings = {item["name"]: item["value"] for item in container["env"]}
    assert settings[f"{PREFIX}TAXONOMY"] == mount["mountPath"]
    (tmp_path / "mounted").mkdir()
    for name, text in objects["ConfigMap", volume["configMap"]["name"]]["data"].items():
        (tmp_path / "mounted" / name).write_text(text)
    assert "acme" in load([tmp_path / "mounted"]).systems


def test_names_of_the_readme_exist(objects: Objects, pod: Object) -> None:
    ((name, key),) = re.findall(r"create secret generic (\S+) --from-literal=(\w+)=", README)
    (volume,) = pod["volumes"]
    assert (name, key) == (volume["secret"]["secretName"], "ingest")
    services = {*re.findall(r"Service `([\w-]+)`", README), *re.findall(r"svc/([\w-]+)", README)}
    assert services == of_kind(objects, "Service").keys()
    for folder in re.findall(r"apply -[kf] ([\w/.-]+)", README):
        assert (ROOT / folder).exists(), folder
    assert 'session-end-exporter/sender: "true"' in README
