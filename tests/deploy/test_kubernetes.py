"""deploy/kubernetes: what a cluster would make of it, as far as it can be told without one."""

import re
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

import exporter
from exporter import names
from exporter.policy.loader import load as load_policy
from exporter.render import generate, operator
from exporter.render.dashboards.files import CONFIGMAPS, SIDECAR
from exporter.settings import PREFIX, Settings, load
from tests.deploy.kustomize import Builder, Object, builders, identity
from tests.deploy.pod_security import violations
from tests.e2e.exporter_process import ROOT, ExporterProcess
from tests.render.test_generate import POLICY, TAXONOMY

FOLDER = ROOT / "deploy" / "kubernetes"
README = (FOLDER / "README.md").read_text(encoding="utf-8")
# PodDisruptionBudget's unhealthyPodEvictionPolicy is on by default from 1.27.
VERSIONS = ("1.27", kubernetes_validate.latest_version())
BUILDERS = builders()
Objects = dict[tuple[str, str], Object]
CUSTOM = {"ServiceMonitor", "PrometheusRule"}


@pytest.fixture(scope="module", params=BUILDERS.values(), ids=list(BUILDERS))
def build(request: pytest.FixtureRequest) -> Builder:
    """Ours, and kubectl's where there is one."""
    made: Builder = request.param
    return made


@pytest.fixture(scope="module")
def built(build: Builder, tmp_path_factory: pytest.TempPathFactory) -> Objects:
    folder = tmp_path_factory.mktemp("overlay")
    (folder / "kustomization.yaml").write_text(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
        f"resources: [{relative(folder, FOLDER)}]\n"
        f"components: [{relative(folder, FOLDER / 'components/ingress')}]\n"
    )
    return {identity(one): one for one in build(folder)}


@pytest.fixture
def everything(built: Objects) -> Objects:
    """All objects, those of the Ingress too, by kind and name; a copy, for tests that change them."""
    return deepcopy(built)


def relative(start: Path, path: Path) -> str:
    """kustomize takes no absolute path."""
    return "../" * (len(start.resolve().parts) - 1) + path.resolve().as_posix().lstrip("/")


@pytest.fixture
def stateful_set(everything: Objects) -> Object:
    return everything["StatefulSet", "session-end-exporter"]["spec"]


@pytest.fixture
def pod(stateful_set: Object) -> Object:
    return stateful_set["template"]["spec"]


@pytest.fixture
def container(pod: Object) -> Object:
    (one,) = pod["containers"]
    return one


@pytest.fixture
def environment(container: Object) -> dict[str, str]:
    return {one["name"]: one["value"] for one in container["env"]}


def chosen(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a selector of labels takes an object with these; an empty one takes all."""
    assert selector.keys() <= {"matchLabels"}
    return selector.get("matchLabels", {}).items() <= labels.items()


# --- the objects --------------------------------------------------------------------------------


def test_kubectl_apply_k_makes_the_exporter_its_scrape_rules_and_dashboards(build: Builder) -> None:
    kinds = sorted(one["kind"] for one in build(FOLDER))
    assert kinds == sorted(
        [
            *("Namespace", "ServiceAccount", "StatefulSet", "NetworkPolicy", "PodDisruptionBudget"),
            *("Service", "Service", "ServiceMonitor", "PrometheusRule"),
            *["ConfigMap"] * len(list((ROOT / "dashboards").glob("*.json"))),
        ]
    )
    assert {one["metadata"].get("namespace") for one in build(FOLDER)} == {
        None,
        "session-end-exporter",
    }


def test_the_base_needs_nothing_but_kubernetes(build: Builder) -> None:
    assert not {one["kind"] for one in build(FOLDER / "base")} & {*CUSTOM, "ConfigMap"}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid_for_kubernetes(everything: Objects, version: str) -> None:
    validated = [one for one in everything.values() if one["kind"] not in CUSTOM]
    assert len(validated) >= 12
    for one in validated:
        kubernetes_validate.validate(one, version, strict=True)


def test_a_misspelt_key_is_not_valid(everything: Objects) -> None:
    broken = deepcopy(everything["StatefulSet", "session-end-exporter"])
    broken["spec"]["template"]["spec"]["securityContext"]["runAsNonroot"] = True
    with pytest.raises(kubernetes_validate.ValidationError, match="runAsNonroot"):
        kubernetes_validate.validate(broken, VERSIONS[-1], strict=True)


def test_the_rendered_objects_are_the_rendered_files(
    everything: Objects,
) -> None:
    rendered = generate.texts(
        generate.pack_of(TAXONOMY, POLICY, generate.RUNBOOK_BASE_URL, generate.DASHBOARD_BASE_URL)
    )
    for path in (operator.PATH, CONFIGMAPS):
        assert (ROOT / path).read_bytes() == rendered[path].encode(), path
    rules = everything["PrometheusRule", "session-end-exporter"]
    assert rules["apiVersion"] == "monitoring.coreos.com/v1"
    assert rules["spec"] == yaml.safe_load(rendered[operator.PATH])["spec"]
    boards = {
        name: text
        for (kind, _), one in everything.items()
        if kind == "ConfigMap" and SIDECAR.items() <= one["metadata"]["labels"].items()
        for name, text in one["data"].items()
    }
    files = (ROOT / "dashboards").glob("*.json")
    assert boards == {file.name: file.read_text(encoding="utf-8") for file in files}
    assert boards


# --- the pod ------------------------------------------------------------------------------------


def test_the_pod_keeps_the_restricted_pod_security_standard(
    pod: Object, everything: Objects
) -> None:
    assert violations(pod) == []
    labels = everything["Namespace", "session-end-exporter"]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize(
    ("place", "value", "broken"),
    [
        ("pod", {"hostNetwork": True}, "hostNetwork is shared"),
        ("pod", {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, "volume v is a hostPath"),
        ("pod context", {"runAsNonRoot": None}, "may run as root"),
        ("pod context", {"runAsUser": 0}, "runs as root"),
        ("pod context", {"seccompProfile": {"type": "Unconfined"}}, "no seccomp profile"),
        ("pod context", {"sysctls": [{"name": "a", "value": "b"}]}, "sysctls are set"),
        ("container", {"ports": [{"containerPort": 1, "hostPort": 1}]}, "host port 1"),
        ("context", {"privileged": True}, "privileged"),
        ("context", {"allowPrivilegeEscalation": None}, "privileges can escalate"),
        ("context", {"capabilities": {}}, "capabilities are kept"),
        ("context", {"capabilities": {"drop": ["ALL"], "add": ["BPF"]}}, "capabilities are added"),
        ("context", {"procMount": "Unmasked"}, "/proc is not masked"),
    ],
)
def test_a_pod_with_more_rights_is_not_restricted(
    pod: Object, place: str, value: Object, broken: str
) -> None:
    (container,) = pod["containers"]
    places = {
        "pod": pod,
        "pod context": pod["securityContext"],
        "container": container,
        "context": container["securityContext"],
    }
    places[place].update(value)
    assert violations(pod) == [broken]


def test_the_exporter_writes_to_its_volume_and_nowhere_else(
    stateful_set: Object, pod: Object, container: Object, environment: dict[str, str]
) -> None:
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    (claim,) = stateful_set["volumeClaimTemplates"]
    writable = {
        one["mountPath"]: one["name"]
        for one in container["volumeMounts"]
        if not one.get("readOnly")
    }
    assert writable == {environment[f"{PREFIX}DATA_DIR"]: claim["metadata"]["name"]}
    assert [one["name"] for one in pod["volumes"]] == ["tokens"]
    # The group owns the volume and may read the tokens, or a user who is not root could do neither.
    assert pod["securityContext"]["fsGroup"] == pod["securityContext"]["runAsGroup"]
    assert pod["volumes"][0]["secret"]["defaultMode"] == 0o400


def test_there_is_one_exporter_and_a_drain_may_take_it(
    stateful_set: Object, everything: Objects
) -> None:
    assert stateful_set["replicas"] == 1
    assert stateful_set["podManagementPolicy"] == "Parallel"
    assert stateful_set["updateStrategy"] == {"type": "RollingUpdate"}
    assert stateful_set["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Retain"
    budget = everything["PodDisruptionBudget", "session-end-exporter"]["spec"]
    assert budget["maxUnavailable"] == 1
    assert "minAvailable" not in budget


def test_the_pod_has_no_token_of_the_cluster_and_no_service_variables(
    pod: Object, everything: Objects
) -> None:
    account = everything["ServiceAccount", pod["serviceAccountName"]]
    assert account["automountServiceAccountToken"] is False
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False


def test_a_variable_that_kubernetes_makes_of_a_service_would_stop_the_exporter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Why enableServiceLinks is false: a Service `session-exporter` has a variable like this."""
    monkeypatch.setenv("SESSION_EXPORTER_SERVICE_HOST", "10.0.0.1")
    with pytest.raises(exporter.errors.ConfigError, match="no such setting"):
        load()


def test_kubernetes_waits_longer_than_the_exporter_drains(pod: Object) -> None:
    assert pod["terminationGracePeriodSeconds"] >= 2 * Settings().shutdown_timeout


def test_the_variables_are_settings_that_the_exporter_takes(
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
def test_without_token_or_leave_no_listener_goes_beyond_loopback(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, without: str
) -> None:
    for name, value in environment.items():
        if name != PREFIX + without:
            monkeypatch.setenv(name, value)
    with pytest.raises(exporter.errors.ConfigError, match="leaves loopback without a token"):
        load()


def test_an_exporter_with_these_settings_answers_the_probes_and_asks_senders_for_a_token(
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


def test_the_image_is_the_version_of_the_package(container: Object) -> None:
    assert container["image"] == f"session-end-exporter:{exporter.__version__}"
    assert container["command"] == ["session-end-exporter", "serve"]


def test_the_pod_runs_as_the_user_that_the_image_is_made_for(
    pod: Object, environment: dict[str, str]
) -> None:
    image = (ROOT / "deploy" / "Containerfile").read_text(encoding="utf-8")
    context = pod["securityContext"]
    assert f"USER {context['runAsUser']}:{context['runAsGroup']}\n" in image
    assert f"DATA_DIR={environment[f'{PREFIX}DATA_DIR']}\n" in image


def test_memory_is_asked_for_and_limited_above_what_may_wait(container: Object) -> None:
    requests, limits = (container["resources"][name] for name in ("requests", "limits"))
    asked, limit = (int(one["memory"].removesuffix("Mi")) * 1024**2 for one in (requests, limits))
    # A full window and a full queue, with some 80 MiB of a running exporter: 132 MiB were measured with a
    # million ids and an empty queue.
    needed = 132 * 1024**2 + Settings().max_queue_bytes
    assert asked >= 132 * 1024**2
    assert limit >= 2 * needed
    assert "cpu" in requests
    assert "cpu" not in limits


# --- who reaches what ---------------------------------------------------------------------------


def test_each_service_leads_to_its_listener_of_the_pod(
    everything: Objects, stateful_set: Object, container: Object
) -> None:
    labels = stateful_set["template"]["metadata"]["labels"]
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}
    services = {name: one for (kind, name), one in everything.items() if kind == "Service"}
    assert stateful_set["serviceName"] in services
    served = set()
    for service in services.values():
        (port,) = service["spec"]["ports"]
        assert service["spec"]["selector"].items() <= labels.items()
        assert ports[port["targetPort"]] == port["port"]
        # Or a pod that is not ready could not say why, and would not count what it can.
        assert service["spec"]["publishNotReadyAddresses"] is True
        served.add(port["targetPort"])
    assert served == {"ingest", "ops"}
    budget = everything["PodDisruptionBudget", "session-end-exporter"]["spec"]
    for selector in (stateful_set["selector"], budget["selector"]):
        assert selector["matchLabels"]
        assert chosen(selector, labels)


def admitted(
    policies: list[Object], pod: Object, port: str, space: Mapping[str, str], labels: Object
) -> bool:
    """Whether some policy lets a pod with `labels` of a namespace with labels `space` reach `port`."""
    return any(
        port in [one["port"] for one in rule["ports"]]
        and any(
            chosen(peer.get("namespaceSelector", {}), space)
            and chosen(peer.get("podSelector", {}), labels)
            for peer in rule["from"]
        )
        for policy in policies
        if chosen(policy["podSelector"], pod["metadata"]["labels"])
        for rule in policy["ingress"]
    )


SENDER = {"session-end-exporter/sender": "true"}


@pytest.mark.parametrize(
    ("namespace", "labels", "reaches"),
    [
        ("shop", SENDER, {"ingest"}),
        ("shop", {}, set()),
        ("shop", {"session-end-exporter/sender": "false"}, set()),
        ("monitoring", {}, {"ops"}),
        ("monitoring", SENDER, {"ingest", "ops"}),
        ("ingress-nginx", {}, {"ingest"}),
    ],
)
def test_the_network_lets_senders_post_and_monitoring_look(
    everything: Objects,
    stateful_set: Object,
    namespace: str,
    labels: dict[str, str],
    reaches: set[str],
) -> None:
    policies = [one["spec"] for (kind, _), one in everything.items() if kind == "NetworkPolicy"]
    space = {"kubernetes.io/metadata.name": namespace}
    assert {
        port
        for port in ("ingest", "ops")
        if admitted(policies, stateful_set["template"], port, space, labels)
    } == reaches


def test_nothing_goes_out_of_the_exporter(everything: Objects) -> None:
    policy = everything["NetworkPolicy", "session-end-exporter"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["egress"] == []


def test_prometheus_scrapes_the_ops_service_under_the_job_that_the_alerts_look_for(
    everything: Objects,
) -> None:
    monitor = everything["ServiceMonitor", "session-end-exporter"]
    assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
    (service,) = (
        one
        for (kind, _), one in everything.items()
        if kind == "Service" and chosen(monitor["spec"]["selector"], one["metadata"]["labels"])
    )
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["port"] in [one["name"] for one in service["spec"]["ports"]]
    assert endpoint["port"] == "ops"
    assert endpoint["path"] == names.METRICS_PATH
    # The operator's documentation: the job is this label of the Service, else the Service's name.
    job = service["metadata"]["labels"][monitor["spec"]["jobLabel"]]
    assert job == load_policy().pipeline.job
    assert int(endpoint["interval"].removesuffix("s")) * 5 <= Settings().first_seen_zero_for


def test_the_ingress_takes_events_by_tls_and_nothing_else(
    everything: Objects,
) -> None:
    ingress = everything["Ingress", "session-end-exporter"]["spec"]
    (rule,) = ingress["rules"]
    (path,) = rule["http"]["paths"]
    assert (path["path"], path["pathType"]) == (names.INGEST_PATH, "Exact")
    backend = path["backend"]["service"]
    (port,) = everything["Service", backend["name"]]["spec"]["ports"]
    assert backend["port"]["name"] == port["name"] == "ingest"
    assert [one["hosts"] for one in ingress["tls"]] == [[rule["host"]]]


# --- the page -----------------------------------------------------------------------------------


def test_the_readmes_overlay_builds_and_changes_what_it_says(
    build: Builder, tmp_path: Path
) -> None:
    (block,) = re.findall(r"^```yaml\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    overlay = tmp_path / "overlay"
    overlay.mkdir()
    (tmp_path / "kubernetes").mkdir()
    for path in FOLDER.rglob("*.yaml"):
        copy = tmp_path / "kubernetes" / path.relative_to(FOLDER)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    (overlay / "kustomization.yaml").write_text(block)
    objects = {identity(one): one for one in build(overlay)}
    spec = objects["StatefulSet", "session-end-exporter"]["spec"]["template"]["spec"]
    assert spec["containers"][0]["image"] == (
        f"registry.example.com/session-end-exporter:{exporter.__version__}"
    )
    ingress = objects["Ingress", "session-end-exporter"]["spec"]
    assert ingress["tls"][0]["hosts"] == ["ends.example.org"]
    assert ingress["rules"][0]["host"] == "ends.example.org"
    for one in objects.values():
        assert one["metadata"]["labels"]["release"] == "kube-prometheus-stack"
    for one in objects.values():
        if one["kind"] not in CUSTOM:
            kubernetes_validate.validate(one, VERSIONS[-1], strict=True)


def test_the_secret_that_the_readme_makes_is_the_one_that_the_pod_mounts(pod: Object) -> None:
    made = re.search(r"create secret generic (\S+) --from-literal=(\w+)=", README)
    assert made
    (volume,) = pod["volumes"]
    assert made[1] == volume["secret"]["secretName"]
    assert made[2] == "ingest"


def test_names_and_links_of_the_readme_are_those_of_the_objects(
    everything: Objects,
) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert (FOLDER / target).exists(), target
    named = {*re.findall(r"Service `([\w-]+)`", README), *re.findall(r"svc/([\w-]+)", README)}
    assert named == {name for kind, name in everything if kind == "Service"}
    for folder in re.findall(r"apply -[kf] ([\w/.-]+)", README):
        assert (ROOT / folder).exists(), folder
    assert 'session-end-exporter/sender: "true"' in README
