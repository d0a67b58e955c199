"""Tests of replays: of every kind of rule, against the definition."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.core import randomness
from l2l_tf.rules import base
from l2l_tf.rules import hand_designed
from l2l_tf.rules import routed
from l2l_tf.rules import scheduled
from l2l_tf.rules.learned import blocks
from l2l_tf.rules.learned import columns
from l2l_tf.rules.learned import deep_lstm_rules as learned
from l2l_tf.rules.learned import memory_rules

pytestmark = pytest.mark.slow

_STEPS = 5
_SHAPES = [[2, 2, 3, 4], [7, 3], []]
_NAMES = ["kernel", "matrix", "scalar"]
_OPTIONS = {
    "layers": [3, 2],
    "initializer": 0.5,
    "dtype": "float64",
    "preprocessing": "log_and_sign",
}


def _sequence(shapes, seed):
    return [
        tf.random.stateless_normal(
            [_STEPS, *shape], [index, seed], dtype=tf.float64
        )
        for index, shape in enumerate(shapes)
    ]


def _gradients(shapes=_SHAPES):
    return _sequence(shapes, 0)


def _cotangents(shapes=_SHAPES):
    return _sequence(shapes, 1)


def _coordinatewise(**options):
    return learned.CoordinatewiseDeepLSTM(**{**_OPTIONS, **options})


class _Together(base.UpdateRule):
    """A learned rule whose updates depend on all coordinates."""

    def __init__(self):
        super().__init__()
        self.rate = tf.Variable(0.3, dtype=tf.float64)

    def initial_state(self, params):
        return tf.zeros([], tf.float64)

    def __call__(self, gradients, state):
        state += tf.tanh(self.rate * tf.linalg.global_norm(gradients))
        return [-self.rate * state * g for g in gradients], state

    def config(self):
        return {"rule": "together"}


def _writing(rule):
    """Returns a rule with a memory, as after training."""
    weights = rule.network.weights[-1]
    noise = tf.random.stateless_normal(weights.shape, [3, 4], dtype=tf.float64)
    weights.assign_add(noise)
    return rule


def _rules():
    shared = _coordinatewise()
    other = _coordinatewise(seed=1)
    normalised = {"inputs": "rms", "outputs": "rms"}
    return {
        "coordinatewise": (other, _SHAPES),
        "linear": (_coordinatewise(layers=[]), _SHAPES),
        "kernelwise": (
            learned.KernelwiseDeepLSTM([2, 2], **_OPTIONS),
            _SHAPES[:1],
        ),
        "vectorwise": (learned.VectorwiseDeepLSTM(3, **_OPTIONS), [[7, 3]]),
        "together": (_Together(), _SHAPES),
        "inputs over their rms": (_coordinatewise(inputs="rms"), _SHAPES),
        "inputs of rnnprop": (_coordinatewise(inputs="rnnprop"), _SHAPES),
        "outputs over their rms": (_coordinatewise(outputs="rms"), _SHAPES),
        "clipped outputs": (
            _coordinatewise(
                outputs="clip", outputs_options={"max_norm": 0.001}
            ),
            _SHAPES,
        ),
        "both": (
            learned.VectorwiseDeepLSTM(
                3, **_OPTIONS, inputs="rnnprop", outputs="rms"
            ),
            [[7, 3], [3]],
        ),
        "inputs of both": (
            _coordinatewise(inputs="rms_and_rnnprop", outputs="rms"),
            _SHAPES,
        ),
        "scheduled": (
            scheduled.Scheduled(
                _coordinatewise(inputs="rms_and_rnnprop", outputs="rms"),
                learning_rate=0.1,
                horizon=5,
                final=0.1,
            ),
            _SHAPES,
        ),
        "averaging cells": (_coordinatewise(averaging_cells=[2, 1]), _SHAPES),
        "averaging cells alone": (
            learned.KernelwiseDeepLSTM(
                [2, 2],
                **_OPTIONS,
                averaging_cells=[0, 2],
                inputs="rnnprop",
                outputs="rms",
            ),
            _SHAPES[:1],
        ),
        "a matrix": (
            _writing(memory_rules.NTMBFGS(**_OPTIONS, averaging_cells=[1, 1])),
            _SHAPES[1:],
        ),
        "pairs of vectors": (
            _writing(
                memory_rules.NTMLBFGS(
                    **{**_OPTIONS, "preprocessing": "identity"},
                    averaging_cells=0,
                    read_heads=2,
                    write_heads=1,
                    identity=0.5,
                    head_scale=2.0,
                    history=3,
                    read_preprocessing="log_and_sign",
                    read_preprocessing_options={"p": 1},
                    inputs="rnnprop",
                    outputs="clip",
                )
            ),
            _SHAPES[1:],
        ),
        "routed": (
            routed.Routed(
                {
                    "kernel": learned.KernelwiseDeepLSTM([2, 2], **_OPTIONS),
                    "scalar": hand_designed.Adam(0.1),
                    ".*": other,
                },
            ).bind(_NAMES),
            _SHAPES,
        ),
        "routed to the same rule twice": (
            routed.Routed({"kernel": shared, ".*": shared}).bind(_NAMES),
            _SHAPES,
        ),
        "routed within routed": (
            routed.Routed(
                {
                    "kernel": _Together(),
                    ".*": routed.Routed(
                        {
                            "matrix": _coordinatewise(**normalised),
                            "scalar": other,
                        }
                    ),
                }
            ).bind(_NAMES),
            _SHAPES,
        ),
    }


_RULES = _rules()


def _state(rule, shapes):
    """A state in the middle of a run."""
    state = rule.initial_state([tf.zeros(s, tf.float64) for s in shapes])
    for step in range(2):
        gradients = [g[step] for g in _gradients(shapes)]
        _, state = rule(gradients, state)
    return state


def _directly(rule, gradients, state, cotangents):
    """The definition, in one step of Python at a time."""
    with tf.GradientTape() as tape:
        total = 0.0
        for step in range(_STEPS):
            updates, state = rule([g[step] for g in gradients], state)
            for update, cotangent in zip(updates, cotangents, strict=True):
                product = tf.reduce_sum(update * cotangent[step])
                total += tf.cast(product, tf.float64)
    return tape.gradient(
        total,
        rule.trainable_variables,
        unconnected_gradients=tf.UnconnectedGradients.ZERO,
    )


def _records(rule, gradients, state):
    """What the rule records, in one step of Python at a time."""
    records = []
    for step in range(_STEPS):
        given = [g[step] for g in gradients]
        updates, after, record = rule.record(given, state)
        tf.nest.map_structure(
            np.testing.assert_array_equal,
            (updates, after),
            tuple(rule(given, state)),
        )
        state = after
        records.append(record)
    return tf.nest.map_structure(lambda *steps: tf.stack(steps), *records)


def _replayed(
    rule, gradients, state, cotangents, run=lambda replay: replay(), **options
):
    options = base.ReplayOptions(**{"jit_compile": False, **options})
    records = _records(rule, gradients, state)
    return run(
        lambda: rule.replay(gradients, records, state, cotangents, options)
    )


def _in_a_graph(replay):
    return tf.function(replay, autograph=False)()


def _check_equal(expected, actual):
    for a, b in zip(expected, actual, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


# Compiled ones take long; "both" has what is in those that are left out.
_PLAIN = {
    "inputs over their rms",
    "inputs of rnnprop",
    "outputs over their rms",
    "clipped outputs",
}


@pytest.mark.parametrize(
    ("name", "jit_compile"),
    [(name, False) for name in _RULES]
    + [(name, True) for name in _RULES if name not in _PLAIN],
)
def test_equals_the_definition(name, jit_compile):
    rule, shapes = _RULES[name]
    sequence = _gradients(shapes), _state(rule, shapes), _cotangents(shapes)
    _check_equal(
        _directly(rule, *sequence),
        _replayed(rule, *sequence, _in_a_graph, jit_compile=jit_compile),
    )


@pytest.mark.parametrize("num_lanes", [1, 2, 3])
@pytest.mark.parametrize("block", [1, 7, 16, 1000])
def test_blocks_change_nothing(monkeypatch, num_lanes, block):
    rule, shapes = _RULES["coordinatewise"]
    sequence = _gradients(shapes), _state(rule, shapes), _cotangents(shapes)
    expected = _replayed(rule, *sequence)
    monkeypatch.setattr(blocks, "_BLOCK", block)
    actual = _replayed(rule, *sequence, _in_a_graph, num_lanes=num_lanes)
    for a, b in zip(expected, actual, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)


def test_blocks_change_nothing_where_inputs_and_outputs_couple(monkeypatch):
    rule, shapes = _RULES["both"]
    sequence = _gradients(shapes), _state(rule, shapes), _cotangents(shapes)
    monkeypatch.setattr(blocks, "_BLOCK", 3)
    _check_equal(
        _directly(rule, *sequence), _replayed(rule, *sequence, num_lanes=2)
    )


@pytest.mark.parametrize(
    ("name", "visible"),
    # More noise where updates keep their size and only directions count.
    [("coordinatewise", 0.05), ("routed", 0.05), ("both", 0.3)],
)
def test_a_fraction_gives_the_mean_of_the_exact_gradient(name, visible):
    rule, shapes = _RULES[name]
    state = _state(rule, shapes)
    # Of one sign, so that coordinates do not cancel and little is noise.
    gradients = [1.0 + 0.2 * gradient for gradient in _gradients(shapes)]
    cotangents = [1.0 + 0.2 * c for c in _cotangents(shapes)]
    sequence = gradients, state, cotangents

    def flat(tensors):
        return tf.concat([tf.reshape(t, [-1]) for t in tensors], 0)

    exact = flat(_replayed(rule, *sequence)).numpy()
    records = _records(rule, gradients, state)
    estimate = tf.function(
        lambda seed: flat(
            rule.replay(
                gradients,
                records,
                state,
                cotangents,
                base.ReplayOptions(0.5, seed, jit_compile=False),
            )
        ),
        autograph=False,
    )
    draws = np.array(
        [
            estimate(randomness.run_seed(0, "train", index))
            for index in range(600)
        ]
    )

    def deviations(draws):
        # Errors of means in standard errors: of each number, and along the
        # exact gradient, where a wrong factor shows most.
        along = draws @ exact / np.sum(exact**2)
        draws = np.column_stack([draws, along])
        error = np.mean(draws, 0) - np.append(exact, 1.0)
        sem = np.std(draws, 0, ddof=1) / np.sqrt(len(draws))
        return np.abs(error) / np.maximum(sem, 1e-12)

    assert np.max(deviations(draws)) < 4.5
    # The test can fail: by a factor that is off by so much.
    for factor in (1 - visible, 1 + visible):
        assert deviations(factor * draws)[-1] > 4.5


def test_a_fraction_is_drawn_from_the_seed_alone():
    rule, shapes = _RULES["coordinatewise"]
    sequence = _gradients(shapes), _state(rule, shapes), _cotangents(shapes)
    draws = [
        _replayed(
            rule, *sequence, coordinate_fraction=0.2, seed=tf.constant(seed)
        )
        for seed in ([1, 2], [1, 2], [1, 3])
    ]
    for a, b, c in zip(*draws, strict=True):
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("together", "_Together"),
        ("routed within routed", "_Together"),
        ("averaging cells", "CoordinatewiseDeepLSTM"),
        ("a matrix", "NTMBFGS"),
    ],
)
def test_a_rule_that_needs_all_columns_takes_no_fraction(name, kind):
    rule, shapes = _RULES[name]
    sequence = _gradients(shapes), _state(rule, shapes), _cotangents(shapes)
    with pytest.raises(ValueError, match=f"rule {kind}"):
        _replayed(
            rule, *sequence, coordinate_fraction=0.5, seed=tf.constant([1, 2])
        )


class _OtherStep(learned.CoordinatewiseDeepLSTM):
    """Its hand-written gradient would be that of another function."""

    def update_columns(self, gradients, state):
        updates, state = super().update_columns(gradients, state)
        return tf.tanh(3.0 * updates), state


class _OtherCall(learned.CoordinatewiseDeepLSTM):
    """Mixes coordinates before they become columns."""

    def __call__(self, gradients, state):
        norm = tf.linalg.global_norm(gradients)
        return super().__call__([g / norm for g in gradients], state)


class _MoreWeights(learned.CoordinatewiseDeepLSTM):
    def __init__(self, **options):
        super().__init__(**options)
        self.factor = tf.Variable(0.5, dtype=self.dtype)

    def update_columns(self, gradients, state):
        updates, state = super().update_columns(gradients, state)
        return self.factor * updates, state


class _MinusMean(learned.CoordinatewiseDeepLSTM):
    """Mixes coordinates within its columns."""

    def update_columns(self, gradients, state):
        updates, state = super().update_columns(gradients, state)
        return updates - tf.reduce_mean(updates), state


class _MinusMeanOfNormalised(_MinusMean):
    """Where coordinates mix anyway, nothing is recorded."""

    def __init__(self, **options):
        super().__init__(**options, inputs="rnnprop", outputs="rms")


class _WithoutOwn(learned.CoordinatewiseDeepLSTM):
    replay_columns = columns.ColumnwiseRule.replay_columns


class _OtherRouting(routed.Routed):
    def __call__(self, gradients, state):
        updates, state = super().__call__(gradients, state)
        return [tf.tanh(update) for update in updates], state


class _AveragingNetwork(tf.Module):
    """Averages what it returns over all columns."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def initial_state(self, num_columns):
        return self.network.initial_state(num_columns)

    def __call__(self, features, state):
        outputs, state = self.network(features, state)
        state[0] += tf.reduce_mean(state[0], axis=1, keepdims=True)
        return outputs, state


class _WithAveraging(learned.CoordinatewiseDeepLSTM):
    independent_columns = False

    def __init__(self, **options):
        super().__init__(**options)
        self.network = _AveragingNetwork(self.network)


@pytest.mark.parametrize(
    "make_rule",
    [
        lambda: _OtherStep(**_OPTIONS),
        lambda: _OtherCall(**_OPTIONS),
        lambda: _MoreWeights(**_OPTIONS),
        lambda: _MinusMean(**_OPTIONS),
        lambda: _MinusMeanOfNormalised(**_OPTIONS),
        lambda: _WithAveraging(**_OPTIONS),
        lambda: _WithoutOwn(**_OPTIONS),
        lambda: _OtherRouting({"": _OtherStep(**_OPTIONS)}).bind(_NAMES),
    ],
)
def test_what_a_rule_overrides_is_replayed_as_it_is(make_rule):
    rule = make_rule()
    sequence = _gradients(), _state(rule, _SHAPES), _cotangents()
    expected = _directly(rule, *sequence)
    assert all(np.any(gradient != 0) for gradient in expected[:-1])
    _check_equal(expected, _replayed(rule, *sequence))
    rule.check_claims([g[0] for g in sequence[0]])


def test_it_makes_a_difference_whether_coordinates_mix():
    """Of the rule without the mean, other gradients would have come out."""
    rule, plain = _MinusMean(**_OPTIONS), _coordinatewise()
    sequence = _gradients(), _state(rule, _SHAPES), _cotangents()
    names = [v.name.split("/")[-1] for v in rule.trainable_variables]
    last_bias = names.index("linear_b:0")
    right = _replayed(rule, *sequence)[last_bias]
    wrong = _replayed(plain, *sequence)[last_bias]
    assert abs(right) < 1e-12 < 0.1 < abs(wrong)


def test_rules_that_need_no_records_make_none():
    for name in ("coordinatewise", "kernelwise", "vectorwise", "routed"):
        rule, shapes = _RULES[name]
        gradients = [g[0] for g in _gradients(shapes)]
        assert rule.record(gradients, _state(rule, shapes))[2] == ()


def test_parameters_of_several_types_are_replayed_in_the_rule_s():
    rule, _ = _RULES["coordinatewise"]
    gradients, state, cotangents = (
        _gradients(),
        _state(rule, _SHAPES),
        _cotangents(),
    )
    for sequence in gradients, cotangents:
        sequence[1] = tf.cast(sequence[1], tf.float32)
    rounded = [
        [tf.cast(tensor, tf.float64) for tensor in sequence]
        for sequence in (gradients, cotangents)
    ]
    _check_equal(
        _replayed(rule, gradients, state, cotangents),
        _replayed(rule, rounded[0], state, rounded[1]),
    )
