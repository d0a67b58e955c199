"""Tests of scripts that several workers run together."""

import re
import signal

import numpy as np
import pytest

from l2l_tf.saving import saved_optimizer
from tests import clusters
from tests import processes
from tests.in_process import run_script

pytestmark = pytest.mark.slow

_TRAIN = processes.ROOT / "scripts" / "train.py"
_FLAGS = (
    "--problem=quadratic",
    "--problem_options=num_functions=3,num_dims=2",
    "--rule_options=layers=[]",
    "--meta_gradient=autodiff",
    "--num_steps=4",
    "--unroll_length=2",
    "--num_optimizees=4",
    "--evaluation_period=2",
    "--evaluation_epochs=2",
    "--log_period=1",
    "--test_runs=0",
    "--nojit_compile",
    "--notensorboard",
)


def _read_until(worker, text):
    for line in worker.stdout:
        if text in line:
            return
    raise AssertionError(f"{text!r} was never printed.")


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """Trains with four workers until one is killed, with two until one stops.

    Returns:
        The folder, and what both groups of workers ended with.
    """
    folder = tmp_path_factory.mktemp("workers") / "run"
    flags = (
        *_FLAGS,
        "--num_epochs=100000",
        f"--save_path={folder}",
        "--strategy=multi_worker",
        "--resume",
    )
    with clusters.start(4, _TRAIN, *flags) as four:
        _read_until(four[0], "run 3/")
        four[2].process.kill()
        killed = [worker.finish() for worker in four]
    with clusters.start(2, _TRAIN, *flags) as two:
        _read_until(two[0], "Resumed")
        _read_until(two[0], "run ")
        two[1].process.terminate()
        stopped = [worker.finish() for worker in two]
    return folder, killed, stopped


def test_others_name_a_worker_that_is_killed_and_end(interrupted):
    _, killed, _ = interrupted
    assert [done.returncode for done in killed] == [1, 1, -signal.SIGKILL, 1]
    for index in (0, 1, 3):
        # One that comes late may find that others have ended already.
        assert re.fullmatch(
            r"Error: Lost .*worker 2 \(localhost:\d+\).*, so that .*\n",
            killed[index].stderr,
        )


def test_a_worker_that_is_asked_to_stop_stops_all_after_a_checkpoint(
    interrupted,
):
    folder, _, stopped = interrupted
    assert [done.returncode for done in stopped] == [143, 143]
    message = r"Error: Asked to stop after run (\d+), which is saved; --resume"
    runs = {re.match(message, done.stderr)[1] for done in stopped}
    assert len(runs) == 1
    assert (folder / "checkpoints" / f"ckpt-{runs.pop()}.index").is_file()


def test_the_chief_alone_writes(interrupted):
    folder, killed, _ = interrupted
    assert "run 1/" not in killed[1].stdout
    assert {path.name for path in folder.iterdir()} == {
        ".lock",
        "checkpoints",
        "config.json",
    }


def test_one_process_ends_it_as_if_it_had_been_alone(interrupted, tmp_path):
    folder, _, stopped = interrupted
    last = int(re.search(r"after run (\d+)", stopped[0].stderr)[1]) + 2
    phi = []
    for path in (folder, tmp_path / "alone"):
        done = run_script(
            "train",
            *_FLAGS,
            f"--num_epochs={last}",
            f"--save_path={path}",
            "--resume",
        )
        assert done.returncode == 0, done.stderr
        rule = saved_optimizer.load(path / "optimizer")
        phi.append([v.numpy() for v in rule.trainable_variables])
    for ours, expected in zip(*phi, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-5)
