"""Tests of l2l_tf/rules/learned/columns.py."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.rules import base
from l2l_tf.rules.learned import arrangements
from l2l_tf.rules.learned import columns
from l2l_tf.rules.learned import deep_lstm_rules as learned
from l2l_tf.rules.learned import inputs
from l2l_tf.rules.learned import outputs


def _numbers(shape: tuple[int, ...]) -> np.ndarray:
    """Different numbers, so that any exchange shows."""
    return np.arange(np.prod(shape, dtype=int), dtype="float32").reshape(shape)


class _RunningSum(columns.ColumnwiseRule):
    """Updates by the sum of all gradients so far."""

    def initial_columns(self, num_columns):
        return tf.zeros([self.arrangement.rows, num_columns], self.dtype)

    def update_columns(self, gradients, state):
        return gradients + state, gradients + state

    def config(self):
        return {}


def test_a_columnwise_rule_gives_every_parameter_its_own_columns():
    rule = _RunningSum(arrangements.Vectors(4), "float64")
    shapes = [(3, 4), (4,), (2, 1, 4)]
    state = rule.initial_state([tf.zeros(shape) for shape in shapes])
    totals = [np.zeros(shape, "float32") for shape in shapes]
    for step in range(3):
        gradients = [_numbers(shape) * 10**step for shape in shapes]
        updates, state = rule([tf.constant(g) for g in gradients], state)
        totals = [t + g for t, g in zip(totals, gradients, strict=True)]
        for update, total in zip(updates, totals, strict=True):
            np.testing.assert_array_equal(update, total)
            assert update.dtype == tf.float32  # The gradient's.
    assert state.dtype == tf.float64  # The rule's.


class _Echo(columns.ColumnwiseRule):
    """Returns the sum of what it is given for each number."""

    def initial_columns(self, num_columns):
        return [tf.zeros([1, num_columns], self.dtype)]

    def update_columns(self, gradients, state):
        parts = tf.split(gradients, self.inputs.num_features, axis=0)
        return tf.add_n(parts), state

    def config(self):
        return {}


class _Independent(_Echo):
    independent_columns = True


def test_inputs_and_outputs_stand_before_and_behind_the_columns():
    rule = _Independent(
        arrangements.Kernels([2, 1]),
        "float64",
        inputs.RNNprop(beta_1=0.5, beta_2=0.75),
        outputs.RMS(size=3.0),
    )
    shapes = [(2, 1, 3, 2), (2, 1, 1, 1)]
    gradients = [
        tf.random.stateless_normal(shape, [1, 2], dtype=tf.float64)
        for shape in shapes
    ]
    state = rule.initial_state(gradients)
    for _ in range(2):
        updates, state, (features, values) = rule.record(gradients, state)
    assert features.shape == (4, 7) and values.shape == (2, 7)
    for update, gradient in zip(updates, gradients, strict=True):
        # Both features of a constant gradient are its sign.
        np.testing.assert_allclose(update, 3.0 * np.sign(gradient), rtol=1e-6)
        assert update.shape == gradient.shape


def test_columns_are_separable_where_nothing_couples_them():
    def rule(kind=_Independent, **options):
        return kind(arrangements.Coordinates(), "float32", **options)

    assert rule().is_separable
    assert not rule(_Echo).is_separable
    assert not rule(inputs=inputs.RMS()).is_separable
    assert not rule(outputs=outputs.RMS()).is_separable


def test_only_what_couples_columns_is_recorded():
    def rule(**options):
        made = _Independent(arrangements.Coordinates(), "float32", **options)
        [gradient] = [tf.ones([3])]
        return made.record([gradient], made.initial_state([gradient]))[2]

    assert rule() == ()
    assert len(rule(inputs=inputs.RMS())) == 1
    assert len(rule(outputs=outputs.RMS())) == 1
    assert len(rule(inputs=inputs.RMS(), outputs=outputs.RMS())) == 2


class _Untouched(learned.CoordinatewiseDeepLSTM):
    """Overrides nothing that columns depend on."""

    def describe(self):
        return "mine"


class _OtherColumns(learned.CoordinatewiseDeepLSTM):
    def update_columns(self, gradients, state):
        return super().update_columns(gradients, state)


class _OtherCall(learned.CoordinatewiseDeepLSTM):
    def __call__(self, gradients, state):
        return super().__call__(gradients, state)


class _DeclaredAnew(_OtherColumns):
    independent_columns = True

    def update_columns(self, gradients, state):
        return super().update_columns(gradients, state)

    def replay_columns(self, gradients, state, cotangents):
        raise NotImplementedError


class _Heir(_DeclaredAnew):
    pass


def test_a_class_that_overrides_columns_declares_their_independence_anew():
    assert learned.DeepLSTMRule.independent_columns
    assert learned.VectorwiseDeepLSTM.independent_columns
    assert _Untouched.independent_columns
    assert not columns.ColumnwiseRule.independent_columns
    assert not _OtherColumns.independent_columns
    assert not _OtherCall.independent_columns
    assert _DeclaredAnew.independent_columns
    assert _Heir.independent_columns


def test_a_replay_by_hand_holds_for_the_class_that_wrote_it():
    general = columns.ColumnwiseRule.replay_columns
    assert _Untouched.replay_columns is learned.DeepLSTMRule.replay_columns
    assert _OtherColumns.replay_columns is general
    assert _Heir.replay_columns is _DeclaredAnew.replay_columns
    assert _DeclaredAnew.replay_columns is not general


def test_what_overrides_the_call_is_replayed_and_saved_as_any_rule():
    for name in ("record", "replay", "check_claims", "functions"):
        assert getattr(_OtherCall, name) is getattr(base.UpdateRule, name)
        assert getattr(_OtherColumns, name) is getattr(
            columns.ColumnwiseRule, name
        )


@pytest.mark.parametrize(
    ("rows", "shape"), [(1, [5]), (1, [0]), (3, [3, 4])], ids=str
)
def test_saved_functions_take_any_number_of_columns(rows, shape):
    rule = learned.CoordinatewiseDeepLSTM(layers=[3], initializer=0.5)
    if rows > 1:
        rule = learned.VectorwiseDeepLSTM(rows, layers=[3], initializer=0.5)
    functions = rule.functions()
    state = functions["initial_state"](shape[-1])
    first = rule.initial_columns(shape[-1])
    gradients = tf.random.stateless_normal(shape, [1, 2])
    for _ in range(2):
        updates, state = functions["update"](gradients, state)
        matrix = tf.reshape(gradients, [rows, -1])
        expected, first = rule.update_columns(matrix, first)
        np.testing.assert_allclose(
            updates, tf.reshape(expected, shape), rtol=1e-5, atol=1e-7
        )


@pytest.mark.parametrize(
    "options",
    [{"inputs": "rnnprop"}, {"outputs": "rms"}, {"outputs": "clip"}],
    ids=str,
)
def test_saved_functions_include_inputs_and_outputs(options):
    rule = learned.CoordinatewiseDeepLSTM(
        layers=[3], initializer=0.5, **options
    )
    functions = rule.functions()
    for size in (1, 6):
        gradient = tf.random.stateless_normal([size], [1, 2])
        theirs = functions["initial_state"](size)
        ours = rule.initial_state([gradient])
        for _ in range(3):
            updates, theirs = functions["update"](gradient, theirs)
            [expected], ours = rule([gradient], ours)
            np.testing.assert_allclose(updates, expected, rtol=1e-4, atol=1e-6)
