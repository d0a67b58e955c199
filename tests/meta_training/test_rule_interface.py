"""Tests of l2l_tf/meta_training/rule_interface.py."""

import pytest
import tensorflow as tf

from l2l_tf.meta_training import rule_interface
from l2l_tf.rules import hand_designed

_PARAMS = [tf.TensorSpec([])]


def test_a_rule_that_cannot_be_traced_is_refused():
    class Conditional(hand_designed.SGD):
        def __call__(self, gradients, state):
            if gradients[0] > 0:
                return gradients, state
            return super().__call__(gradients, state)

    with pytest.raises(ValueError, match="The rule Conditional cannot be eval"):
        rule_interface.check(Conditional(), _PARAMS)


class _Rule(hand_designed.SGD):
    """Makes the step that is asked for, from a state of two numbers."""

    def __init__(self, change):
        super().__init__()
        self._change = change

    def initial_state(self, params):
        return {"sums": tf.zeros([2])}

    def __call__(self, gradients, state):
        return self._change(gradients, state)


_CHANGES = "The state of the rule _Rule must be dense tensors that keep"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g, state: None, "must return updates and the next.*None"),
        (lambda g, state: g, "must return updates and the next.*float32"),
        (lambda g, state: (None, state), "one update for each of 1.*None"),
        (lambda g, state: (g * 2, state), r"one update for each of 1.*\["),
        (lambda g, state: (g[0], state), "one update for each of 1.*float32"),
        (lambda g, state: ([None], state), "shapes and types.*None"),
        (
            lambda g, state: ([tf.ones([2])], state),
            r"float32 of shape \(\) as number 0; received .* shape \(2,\)",
        ),
        (
            lambda g, state: ([tf.ones([], tf.float64)], state),
            "as number 0; received float64",
        ),
        (lambda g, state: (g, None), f"{_CHANGES}.*None after a step"),
        (lambda g, state: (g, [state["sums"]]), _CHANGES),
        (lambda g, state: (g, {"sums": tf.zeros([3])}), _CHANGES),
        (lambda g, state: (g, {"sums": tf.zeros([2], tf.int32)}), _CHANGES),
        (
            lambda g, state: (g, {"sums": tf.sparse.from_dense([1.0, 0.0])}),
            f"{_CHANGES}.*SparseTensor of shape",
        ),
        (lambda g, state: {}["a"], r"evaluated: 'a' \(KeyError"),
    ],
)
def test_a_rule_whose_steps_make_no_sense_is_refused(change, message):
    rule_interface.check(
        _Rule(lambda gradients, state: (gradients, state)), _PARAMS
    )
    with pytest.raises(ValueError, match=message) as error:
        rule_interface.check(_Rule(change), _PARAMS)
    assert "\n" not in str(error.value)


def test_a_state_that_is_ragged_from_the_start_is_refused():
    rule = _Rule(lambda gradients, state: (gradients, state))
    rule.initial_state = lambda params: tf.ragged.constant([[1.0], []])
    with pytest.raises(ValueError, match="must be dense tensors.*RaggedTensor"):
        rule_interface.check(rule, _PARAMS)
