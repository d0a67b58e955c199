"""Tests of l2l_tf/core/strategies.py."""

import pytest
import tensorflow as tf

from l2l_tf.core import strategies


def test_one_replica_by_default():
    distribution = strategies.make()
    assert distribution.count == 1 and distribution.is_chief


def test_a_strategy_of_tensorflows_is_taken():
    strategy = tf.distribute.OneDeviceStrategy("CPU:0")
    distribution = strategies.make(strategy)
    with distribution.scope():
        assert tf.distribute.get_strategy() is strategy
        with pytest.raises(ValueError, match="Leave the scope"):
            strategies.make()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("parameter_server",), "Unknown strategy.*mirrored, multi_worker"),
        ((3,), r"\['mirrored', 'multi_worker'\].*received 3"),
        ((None, 2), "num_devices goes with strategy='mirrored'"),
        (("mirrored", 0), "num_devices must be an integer"),
        (("mirrored", 64), "num_devices=64 is more than"),
        (("multi_worker", 2), "all devices of each worker"),
        (("multi_worker",), "TF_CONFIG.*received none"),
    ],
)
def test_what_is_no_strategy_is_refused(arguments, message, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    tf.config.list_logical_devices()  # TensorFlow has begun.
    with pytest.raises(ValueError, match=message):
        strategies.make(*arguments)


def test_a_cluster_that_comes_too_late_is_refused(monkeypatch):
    config = (
        '{"cluster": {"worker": ["localhost:1", "localhost:2"]},'
        ' "task": {"type": "worker", "index": 0}}'
    )
    monkeypatch.setenv("TF_CONFIG", config)
    tf.zeros([])
    with pytest.raises(ValueError, match="before anything is computed"):
        strategies.make("multi_worker")
