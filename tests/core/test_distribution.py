"""Tests of l2l_tf/core/distribution.py on one replica.

Several are tested in tests/meta_training/test_replicas.py.
"""

import contextlib

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.core import cluster
from l2l_tf.core import distribution as distribution_lib

_ONE = distribution_lib.Distribution()


def test_one_replica_does_what_is_asked_once():
    @tf.function(autograph=False)
    def together(value):
        own = _ONE.run(lambda v: (v + 1.0, {"a": (v, ())}), value)
        index = _ONE.run(distribution_lib.own_index)
        return _ONE.sum(own), _ONE.gather(own[0]), _ONE.first(own), index

    total, gathered, first, index = together(tf.constant([1.0, 2.0]))
    np.testing.assert_array_equal(total[0], [2.0, 3.0])
    np.testing.assert_array_equal(total[1]["a"][0], [1.0, 2.0])
    np.testing.assert_array_equal(gathered, [[2.0, 3.0]])
    np.testing.assert_array_equal(first[0], [2.0, 3.0])
    assert int(index) == 0


@pytest.mark.parametrize("flag", [True, False])
def test_any_is_the_flag(flag):
    assert _ONE.any(flag) is flag


def test_variables_stay_as_they_are():
    variables = [tf.Variable(2.0), tf.Variable([3, 4])]
    _ONE.follow_chief(variables)
    _ONE.follow_first(variables)
    assert float(variables[0]) == 2.0
    np.testing.assert_array_equal(variables[1], [3, 4])


def test_its_scope_may_lie_in_another():
    with tf.distribute.OneDeviceStrategy("CPU:0").scope():
        here = distribution_lib.Distribution()
        with here.scope():
            tf.Variable(1.0)


def test_one_replica_takes_all():
    first, count = distribution_lib.own_share(6)
    assert (int(first), count) == (0, 6)


def test_shares_that_are_not_equal_are_refused():
    distribution_lib.check_share("num_pairs", 8, 4)
    with pytest.raises(
        ValueError, match="num_pairs must be a multiple.*6 for 4"
    ):
        distribution_lib.check_share("num_pairs", 6, 4)


@pytest.mark.parametrize("kind", [tf.errors.UnavailableError, ValueError])
def test_errors_of_nobodys_loss_pass(kind):
    error = kind(None, None, "no") if kind is not ValueError else kind("no")
    with pytest.raises(kind), _ONE.watched():
        raise error


def test_a_lost_worker_is_named(monkeypatch):
    monkeypatch.setattr(distribution_lib, "_LINGER_SECONDS", 0.0)
    workers = {"worker 0": "localhost:2", "worker 1": "localhost:1"}
    several = distribution_lib.Distribution(
        cluster=cluster.Cluster(workers, "worker 0")
    )
    with contextlib.ExitStack() as stack:
        stack.enter_context(
            pytest.raises(
                distribution_lib.LostWorkerError,
                match=r"Lost worker 1 \(localhost:1\)",
            )
        )
        stack.enter_context(several.watched())
        raise tf.errors.UnavailableError(None, None, "Socket closed")
