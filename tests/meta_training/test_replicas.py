"""Tests of training and evaluation on several replicas, against one."""

import pathlib

import numpy as np
import pytest

from tests import clusters
from tests import processes

pytestmark = pytest.mark.slow

_PROGRAM = pathlib.Path(__file__).parent / "_on_replicas.py"
_FOUR = "compiled,es,compare"
_TWO = f"{_FOUR},replay,autodiff,pes,broken"
_WORKERS = f"{_FOUR},broken"


def _run(file, *arguments):
    done = processes.run(_PROGRAM, file, *arguments)
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(np.load(f"{file}.npz"))


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory):
    """Returns what one, two and four devices of one process give."""
    folder = tmp_path_factory.mktemp("mirrored")
    return {
        # TensorFlow takes no two strategies of different sizes in a process.
        **_run(folder / "four", "mirrored", "4", _FOUR),
        **_run(folder / "two", "mirrored", "2,1", _TWO),
    }


@pytest.fixture(scope="module")
def workers(tmp_path_factory):
    """Returns what each of two processes gives."""
    folder = tmp_path_factory.mktemp("workers")
    with clusters.start(
        2,
        _PROGRAM,
        lambda index: folder / f"{index}",
        "multi_worker",
        "2",
        _WORKERS,
    ) as running:
        for done in [worker.finish() for worker in running]:
            assert done.returncode == 0, done.stderr[-2000:]
    return [dict(np.load(folder / f"{index}.npz")) for index in range(2)]


def _check(found, expected, case, count):
    """Compares all numbers of a case with those of one replica."""
    names = [n.split("/")[-1] for n in expected if n.startswith(f"{case}/1/")]
    assert names
    for name in names:
        np.testing.assert_allclose(
            found[f"{case}/{count}/{name}"],
            expected[f"{case}/1/{name}"],
            rtol=1e-5,
            atol=1e-5,
            err_msg=name,
        )


@pytest.mark.parametrize("case", _FOUR.split(","))
def test_four_devices_do_what_one_does(mirrored, case):
    _check(mirrored, mirrored, case, 4)


@pytest.mark.parametrize("case", _TWO.split(","))
def test_two_devices_do_what_one_does(mirrored, case):
    _check(mirrored, mirrored, case, 2)


@pytest.mark.parametrize("case", _WORKERS.split(","))
def test_two_processes_do_what_one_does(mirrored, workers, case):
    for found in workers:
        _check(found, mirrored, case, 2)


def test_all_processes_have_the_same_bits(workers):
    first, second = workers
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


def test_a_training_that_is_compared_has_moved(mirrored):
    """Else equality would say nothing."""
    for case in ("compiled", "es", "pes"):
        phi = [mirrored[f"{c}/1/phi"] for c in (case, "autodiff")]
        assert np.all(np.isfinite(phi))
        losses = mirrored[f"{case}/1/losses"]
        assert len(losses) == 20 and np.std(losses) > 0
    assert not np.allclose(mirrored["es/1/phi"], mirrored["autodiff/1/phi"])


def test_one_replica_that_is_not_finite_skips_the_update_of_all(mirrored):
    skipped = mirrored["broken/2/skipped"]
    assert 0 < skipped[-1] < 40  # of 20 runs of two meta-steps
    np.testing.assert_array_equal(skipped, mirrored["broken/1/skipped"])
    assert np.all(np.isfinite(mirrored["broken/2/phi"]))
