"""What scripts/deploy holds: manifests that Kubernetes takes, and files that agree with each other and the server."""

import json
import re
import shlex
from pathlib import Path

import jsonschema_rs
import pytest
import yaml

from mt.serve import parser
from mt.serving.service import Service
from mt.serving.settings import Limits, Settings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "scripts" / "deploy"
SCHEMAS = json.loads((Path(__file__).parent / "kubernetes_schema.json").read_text("utf-8"))
MANIFESTS = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text("utf-8")))
KINDS = {
    "Deployment": "io.k8s.api.apps.v1.Deployment",
    "Service": "io.k8s.api.core.v1.Service",
    "HorizontalPodAutoscaler": "io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler",
    "PodDisruptionBudget": "io.k8s.api.policy.v1.PodDisruptionBudget",
    "NetworkPolicy": "io.k8s.api.networking.v1.NetworkPolicy",
}


def faults(manifest):
    schema = {"$ref": f"#/$defs/{KINDS[manifest['kind']]}", "$defs": SCHEMAS["$defs"]}
    return [error.message for error in jsonschema_rs.validator_for(schema).iter_errors(manifest)]


def manifest(kind):
    return next(one for one in MANIFESTS if one["kind"] == kind)


def container():
    return manifest("Deployment")["spec"]["template"]["spec"]["containers"][0]


@pytest.mark.parametrize("one", MANIFESTS, ids=lambda one: one["kind"])
def test_a_manifest_fits_the_schema_of_kubernetes(one):
    assert faults(one) == []


@pytest.mark.parametrize(
    "path, value",
    [(["spec", "replica"], 2), (["spec", "template", "spec", "containers", 0, "port"], 1), (["apiVersion"], "v1")],
)
def test_the_schema_refuses_what_kubernetes_would(path, value):
    wrong = json.loads(json.dumps(manifest("Deployment")))
    node = wrong
    for name in path[:-1]:
        node = node[name]
    node[path[-1]] = value
    assert faults(wrong)


def test_the_queue_that_pods_scale_on_is_a_metric_of_the_server():
    name = manifest("HorizontalPodAutoscaler")["spec"]["metrics"][0]["pods"]["metric"]["name"]
    rule = yaml.safe_load((DEPLOY / "prometheus-adapter.yaml").read_text("utf-8"))["rules"]["custom"][0]
    assert rule["seriesQuery"].startswith(name + "{")
    metrics = Service(Settings(checkpoints=())).metrics.text().decode()
    assert re.search(rf"^{name} 0.0$", metrics, re.M)


def test_every_manifest_is_about_the_same_pods():
    labels = {"app": "mt-serve"}
    assert manifest("Service")["spec"]["selector"] == labels
    for kind in ("Deployment", "PodDisruptionBudget"):
        assert manifest(kind)["spec"]["selector"]["matchLabels"] == labels
    assert manifest("NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == labels
    assert manifest("Deployment")["spec"]["template"]["metadata"]["labels"] == labels


def test_probes_ask_for_paths_that_the_server_has():
    text = (ROOT / "mt/serving/app.py").read_text("utf-8")
    paths = {container()[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "readiness", "liveness")}
    paths.add(manifest("Deployment")["spec"]["template"]["metadata"]["annotations"]["prometheus.io/path"])
    assert all(f'"{path}"' in text for path in paths)


def test_accepted_requests_have_time_to_be_answered_before_a_pod_or_a_container_is_killed():
    pod = manifest("Deployment")["spec"]["template"]["spec"]
    pause = int(container()["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] >= Limits().deadline + pause
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))["services"]["server"]
    assert int(compose["stop_grace_period"].removesuffix("s")) > Limits().deadline
    nginx = (DEPLOY / "nginx.conf").read_text("utf-8")
    assert int(re.search(r"proxy_read_timeout (\d+)s", nginx)[1]) > Limits().deadline


def test_the_server_takes_the_flags_that_are_written_for_it():
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))["services"]
    containerfile = (DEPLOY / "Containerfile").read_text("utf-8")
    entry = json.loads(re.search(r"^ENTRYPOINT (.*)$", containerfile, re.M)[1])
    for arguments in (container()["args"], compose["server"]["command"]):
        args = parser().parse_args([*entry[1:], *arguments])
        assert args.port == container()["ports"][0]["containerPort"] and args.host == "0.0.0.0"
    assert compose["server"]["deploy"]["replicas"] == 2 and "balancer" in compose


def test_files_that_are_built_or_mounted_exist():
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))["services"]
    build = compose["server"]["build"]
    assert (DEPLOY / build["context"]).resolve() == ROOT and (ROOT / build["dockerfile"]).is_file()
    assert (DEPLOY / compose["balancer"]["volumes"][0].split(":")[0]).is_file()
    copied = re.findall(r"sh /source/(\S+)", (DEPLOY / "Containerfile").read_text("utf-8"))
    assert copied and all((ROOT / path).is_file() for path in copied)


def test_every_command_in_a_comment_names_a_file_that_there_is():
    for path in DEPLOY.iterdir():
        for line in re.findall(r"^# {2,}(\S.*)$", path.read_text("utf-8"), re.M):
            for word in shlex.split(line, comments=True):
                if word.startswith("scripts/"):
                    assert (ROOT / word).is_file(), f"{path.name}: {word}"
