"""Tests of scripts/cluster, as far as they go without a cluster."""

import json
import os
import re
import subprocess
import sys

import pytest
import yaml

from l2l_tf.core import cluster as cluster_lib
from tests import processes
from tests.in_process import run_script

_FOLDER = processes.ROOT / "scripts" / "cluster"
_SHOW = "import os; print(os.environ['TF_CONFIG'])"


def _run_worker(*arguments, **environment):
    return subprocess.run(
        [sys.executable, str(_FOLDER / "run_worker.py"), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def manifest():
    """Returns the service and the job."""
    text = (_FOLDER / "train.yaml").read_text()
    found = {thing["kind"]: thing for thing in yaml.safe_load_all(text)}
    assert found.keys() == {"Service", "Job"}
    return found


def test_workers_of_the_job_get_a_tf_config_that_is_accepted(manifest):
    job = manifest["Job"]["spec"]
    (container,) = job["template"]["spec"]["containers"]
    arguments = container["args"]
    split = arguments.index("--")
    configs = []
    for index in (0, job["completions"] - 1):
        done = _run_worker(
            *arguments[: split + 1],
            sys.executable,
            "-c",
            _SHOW,
            JOB_COMPLETION_INDEX=str(index),
        )
        assert done.returncode == 0, done.stderr
        configs.append(done.stdout)
        cluster = cluster_lib.read(done.stdout)
        assert len(cluster.workers) == job["completions"]
        assert cluster.own == f"worker {index}"
    first, last = map(json.loads, configs)
    assert first["cluster"] == last["cluster"]


def test_addresses_are_those_that_kubernetes_gives(manifest):
    service, job = manifest["Service"], manifest["Job"]
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (port,) = service["spec"]["ports"]
    name = f"{job['metadata']['name']}-{{}}.{service['metadata']['name']}"
    assert f"--address={name}:{port['port']}" in container["args"]
    assert f"--num_workers={job['spec']['completions']}" in container["args"]
    assert job["spec"]["parallelism"] == job["spec"]["completions"]
    assert job["spec"]["completionMode"] == "Indexed"
    assert pod["subdomain"] == service["metadata"]["name"]
    assert service["spec"]["selector"] == {"job-name": job["metadata"]["name"]}
    volumes = {volume["name"] for volume in pod["volumes"]}
    assert {m["name"] for m in container["volumeMounts"]} == volumes


def test_the_job_trains(manifest, tmp_path, monkeypatch):
    """Its command, but for its workers and its length."""
    (container,) = manifest["Job"]["spec"]["template"]["spec"]["containers"]
    command = container["args"][container["args"].index("--") + 1 :]
    assert command[:2] == ["python", "scripts/train.py"]
    flags = [f for f in command[2:] if f != "--strategy=multi_worker"]
    assert len(flags) == len(command) - 3 and "--resume" in flags
    done = run_script(
        "train",
        *flags,
        f"--save_path={tmp_path}/run",
        "--num_epochs=1",
        "--num_steps=2",
        "--unroll_length=1",
        "--evaluation_epochs=1",
        "--problem_options=num_functions=2,num_dims=2",
        "--meta_gradient=autodiff",
        "--nojit_compile",
        "--notensorboard",
        "--test_runs=0",
    )
    assert done.returncode == 0, done.stderr


def test_the_image_has_what_the_job_runs():
    lines = (_FOLDER / "Containerfile").read_text().splitlines()
    copied = [line.split()[1:-1] for line in lines if line.startswith("COPY")]
    names = [name for group in copied for name in group]
    assert {"l2l_tf", "saved_optimizers", "scripts"} <= {*names}
    assert all((processes.ROOT / name).exists() for name in names)
    (entry,) = [line for line in lines if line.startswith("ENTRYPOINT")]
    program, script = json.loads(entry.removeprefix("ENTRYPOINT "))
    assert program == "python" and (processes.ROOT / script).is_file()
    (base,) = [line for line in lines if line.startswith("FROM")]
    version = re.search(r"python:3\.(\d+)", base)[1]
    assert 10 <= int(version) <= 13


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--index=1"], "command after --"),
        (["--", "true"], "JOB_COMPLETION_INDEX or SLURM_PROCID"),
        (["--index=2", "--", "true"], "--num_workers=2; received 2"),
    ],
)
def test_what_makes_no_worker_is_refused(arguments, message):
    done = _run_worker(*arguments)
    assert done.returncode == 1 and message in done.stderr
