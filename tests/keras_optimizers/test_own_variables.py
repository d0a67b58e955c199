"""Tests of l2l_tf/keras_optimizers/own_variables.py."""

import keras
import numpy as np
import pytest

from l2l_tf.keras_optimizers import guarded_optimizer
from l2l_tf.keras_optimizers import own_variables
from l2l_tf.keras_optimizers import routed_optimizer


def _adam():
    return keras.optimizers.Adam()


@pytest.mark.parametrize(
    "make",
    [
        lambda: guarded_optimizer.GuardedOptimizer(_adam(), _adam()),
        lambda: routed_optimizer.RoutedOptimizer({".*": _adam()}),
    ],
)
def test_a_wrapper_saves_its_own_variables_and_not_its_parts(make):
    wrapper, variable = make(), keras.Variable(np.ones([4], "float32"))
    assert isinstance(wrapper, own_variables.OwnVariables)
    wrapper.build([variable])
    store = {}
    wrapper.save_own_variables(store)
    assert 0 < len(store) == len(wrapper._variables) < len(wrapper.variables)
    store = {key: value + np.ones_like(value) for key, value in store.items()}
    wrapper.load_own_variables(store)
    for index, own in enumerate(wrapper._variables):
        np.testing.assert_array_equal(own, store[str(index)])
