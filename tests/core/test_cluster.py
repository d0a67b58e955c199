"""Tests of l2l_tf/core/cluster.py."""

import json
import socket

import pytest
import tensorflow as tf

from l2l_tf.core import cluster as cluster_lib


def _text(task=("worker", 1), **jobs):
    kind, index = task
    return json.dumps({"cluster": jobs, "task": {"type": kind, "index": index}})


def test_workers_are_named_the_chief_first():
    text = _text(worker=["b:1", "c:2"], chief=["a:3"])
    cluster = cluster_lib.read(text)
    assert cluster.own == "worker 1"
    assert list(cluster.workers.items()) == [
        ("chief 0", "a:3"),
        ("worker 0", "b:1"),
        ("worker 1", "c:2"),
    ]


@pytest.mark.parametrize(
    "text, said",
    [
        (None, "received none"),
        ("", "received none"),
        ("{", "received {"),
        ("[1]", r"received \[1\]"),
        (_text(worker=["a:1"]), "there is no worker 1"),
        (_text(("ps", 0), worker=["a:1"], ps=["b:1"]), "ps: a job that nobody"),
        (_text(worker=["a", "b:1"]), "'a' of worker is not host:port"),
    ],
)
def test_what_names_no_workers_is_refused(text, said):
    with pytest.raises(ValueError, match=f"needs .*TF_CONFIG.*{said}"):
        cluster_lib.read(text)


@pytest.fixture
def cluster():
    """Returns workers of which all but the last listen; this is the first."""
    with socket.socket() as other, socket.socket() as gone:
        for taken in (other, gone):
            taken.bind(("localhost", 0))
        other.listen()
        ports = [s.getsockname()[1] for s in (other, gone)]
        yield cluster_lib.Cluster(
            {
                "worker 0": "localhost:1",
                "worker 1": f"localhost:{ports[0]}",
                "worker 2": f"localhost:{ports[1]}",
            },
            "worker 0",
        )


def _error(kind, text="Socket closed"):
    return kind(None, None, text)


def test_the_worker_that_does_not_listen_is_lost(cluster):
    (lost,) = cluster.lost_workers(_error(tf.errors.UnavailableError))
    assert lost == f"worker 2 ({cluster.workers['worker 2']})"


def test_one_that_listens_again_is_known_by_the_message(cluster):
    workers = {**cluster.workers, "worker 2": cluster.workers["worker 1"]}
    again = cluster_lib.Cluster(workers, "worker 0")
    text = "Collective ops is aborted by: /job:worker/replica:0/task:2 closed"
    (lost,) = again.lost_workers(_error(tf.errors.AbortedError, text))
    assert lost.startswith("worker 2")
    assert again.lost_workers(_error(tf.errors.AbortedError)) == []


def test_other_errors_are_nobodys_loss(cluster):
    error = _error(tf.errors.InvalidArgumentError)
    assert cluster.lost_workers(error) == []
    alone = cluster_lib.Cluster()
    assert alone.lost_workers(_error(tf.errors.UnavailableError)) == []
