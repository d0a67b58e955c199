"""LearnedOptimizer under tf.distribute, beside Keras's Adam.

Devices are configured once per process, so each run has its own.
"""

import contextlib
import pathlib

import numpy as np
import pytest

from tests import clusters
from tests import processes

pytestmark = pytest.mark.slow

PROGRAM = pathlib.Path(__file__).parent / "_distributed_fit.py"


@pytest.fixture(params=["learned", "adam"])
def optimizer(request, exported):
    """Returns what the program makes its optimizer from."""
    return "adam" if request.param == "adam" else str(exported)


def _finish(running, output):
    done = running.finish()
    assert done.returncode == 0, done.stderr[-3000:]
    with np.load(output) as values:
        return list(values.values())


def test_replicas_and_workers_give_what_one_process_gives(optimizer, tmp_path):
    ports = clusters.free_ports(2)
    outputs = {
        name: tmp_path / f"{name}.npz"
        for name in ("none", "mirrored", "worker0", "worker1")
    }
    arguments = {
        "none": ("none", optimizer, outputs["none"]),
        "mirrored": ("mirrored", optimizer, outputs["mirrored"]),
        "worker0": ("workers", optimizer, outputs["worker0"], 0, *ports),
        "worker1": ("workers", optimizer, outputs["worker1"], 1, *ports),
    }
    with contextlib.ExitStack() as stack:
        # Workers wait for each other.
        running = {
            name: stack.enter_context(processes.start(PROGRAM, *words))
            for name, words in arguments.items()
        }
        results = {
            name: _finish(running[name], outputs[name]) for name in outputs
        }
    for name in ("mirrored", "worker0", "worker1"):
        for ours, expected in zip(results[name], results["none"], strict=True):
            np.testing.assert_allclose(
                ours, expected, rtol=1e-4, atol=1e-6, err_msg=name
            )
