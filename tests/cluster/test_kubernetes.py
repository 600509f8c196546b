"""The MPIJob manifest, without a cluster: fields, names that agree, and the example's arguments.

Reference: the v2beta1 API of Kubeflow's MPI operator; `kubernetes-validate`, where it is installed,
for the kinds of Kubernetes itself. Run: python -m pytest tests/cluster/test_kubernetes.py
"""

import re
import shlex
from pathlib import Path

import pytest

from isograd.launch.cli import _parser

yaml = pytest.importorskip("yaml")

FOLDER = Path(__file__).parents[2] / "cluster" / "kubernetes"

# field -> type, the values it may have, or a table of fields
JOB = {
    "apiVersion": {"kubeflow.org/v2beta1"},
    "kind": {"MPIJob"},
    "metadata": {"name": str, "namespace": str, "labels": dict, "annotations": dict},
    "spec": {
        "slotsPerWorker": int,
        "runLauncherAsWorker": bool,
        "launcherCreationPolicy": {"AtStartup", "WaitForWorkersReady"},
        "mpiImplementation": {"OpenMPI", "Intel", "MPICH"},
        "sshAuthMountPath": str,
        "runPolicy": {
            "cleanPodPolicy": {"None", "Running", "All"},
            "ttlSecondsAfterFinished": int,
            "activeDeadlineSeconds": int,
            "backoffLimit": int,
            "suspend": bool,
            "managedBy": str,
            "schedulingPolicy": dict,
        },
        "mpiReplicaSpecs": dict.fromkeys(
            ("Launcher", "Worker"),
            {"replicas": int, "restartPolicy": {"Never", "OnFailure"}, "template": dict},
        ),
    },
}


def problems(value, rule, where="job"):
    """What does not fit the rule, in words."""
    if isinstance(rule, set):
        return [] if value in rule else [f"{where}: {value!r} is none of {sorted(rule)}"]
    if isinstance(rule, type):
        return [] if type(value) is rule else [f"{where}: {value!r} is no {rule.__name__}"]
    if not isinstance(value, dict):
        return [f"{where}: {value!r} is no table"]
    found = [f"{where}: unknown field {key}" for key in value.keys() - rule.keys()]
    for key in value.keys() & rule.keys():
        found += problems(value[key], rule[key], f"{where}.{key}")
    return found


@pytest.fixture
def documents():
    return list(yaml.safe_load_all((FOLDER / "gpt-mpijob.yaml").read_text()))


@pytest.fixture
def job(documents):
    return next(d for d in documents if d["kind"] == "MPIJob")


def pod(job, replica):
    return job["spec"]["mpiReplicaSpecs"][replica]["template"]["spec"]


def test_every_field_is_one_of_the_api(job):
    assert problems(job, JOB) == []


def test_the_check_finds_misspelt_fields_and_wrong_values(job):
    job["spec"]["slotsPerWorkers"] = job["spec"].pop("slotsPerWorker")
    job["spec"]["mpiReplicaSpecs"]["Worker"]["replicas"] = "2"
    job["spec"]["mpiImplementation"] = "openmpi"
    assert len(problems(job, JOB)) == 3


def test_the_pods_are_valid_for_kubernetes(documents, job):
    validate = pytest.importorskip("kubernetes_validate")
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name.lower()},
            "spec": pod(job, name),
        }
        for name in ("Launcher", "Worker")
    ]
    rest = [d for d in documents if d is not job]
    for resource in pods + rest:
        validate.validate(resource, validate.latest_version(), strict=True)


def test_names_agree(documents, job):
    claims = {d["metadata"]["name"] for d in documents if d["kind"] == "PersistentVolumeClaim"}
    images = set()
    for replica in ("Launcher", "Worker"):
        volumes = {v["name"]: v for v in pod(job, replica)["volumes"]}
        (container,) = pod(job, replica)["containers"]
        images.add(container["image"])
        assert {m["name"] for m in container["volumeMounts"]} == volumes.keys()
        sources = [v.get("persistentVolumeClaim") for v in volumes.values()]
        assert {source["claimName"] for source in sources if source} == claims
    assert len(images) == 1
    readme = (FOLDER / "README.md").read_text()
    assert images.pop() in readme
    assert f"job/{job['metadata']['name']}-launcher" in readme


def test_the_launcher_starts_the_example_with_arguments_it_takes(job, gpt_arguments):
    (container,) = pod(job, "Launcher")["containers"]
    assert container["command"] == ["sh", "-c"]
    (script,) = container["args"]
    given = shlex.split(re.search(r"^set -- (--.*)$", script, re.M)[1])
    words = shlex.split(re.search(r"^exec isograd (.*)$", script, re.M)[1])
    assert words.pop() == "$@"
    run = _parser().parse_args(words)
    assert (run.verb, str(run.hostfile), run.np) == ("run", "/etc/mpi/hostfile", None)
    assert run.program[0] == "examples/gpt.py"
    args = gpt_arguments([*run.program[1:], *given, "--resume"])
    assert args.resume
    assert (Path("/out") / "checkpoint.pt").as_posix() in script
    assert args.out == Path("/out")
    ranks = job["spec"]["slotsPerWorker"] * job["spec"]["mpiReplicaSpecs"]["Worker"]["replicas"]
    assert args.batch % ranks == 0


def test_the_image_holds_what_the_manifest_uses(root):
    text = (FOLDER / "Dockerfile").read_text()
    copied = [words.split()[:-1] for words in re.findall(r"^COPY (.*)$", text, re.M)]
    for path in sum(copied, []):
        assert (root / path).exists(), path
    assert "openssh-server" in text
    assert re.search(r"^WORKDIR /work\nCOPY examples examples$", text, re.M)  # as the launcher says
