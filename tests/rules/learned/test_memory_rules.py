"""Tests of l2l_tf/rules/learned/memory_rules.py."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.rules import registry
from l2l_tf.rules.learned import memory_rules
from l2l_tf.saving import saved_optimizer

_OPTIONS = {
    "layers": [4, 3],
    "averaging_cells": [2, 1],
    "initializer": 1.0,
    "preprocessing": "identity",
    "dtype": "float64",
    "read_heads": 2,
    "write_heads": 3,
    "scale": 0.3,
}
_FUNCTIONS, _SIZE, _STEPS = 2, 3, 5


def _make(name="ntm-bfgs", **options):
    """Returns a rule whose write heads write, as after training."""
    rule = registry.make_rule({"rule": name, **_OPTIONS, **options})
    for variable in (rule.network.weights[-1], rule.network.biases[-1]):
        noise = tf.random.stateless_normal(variable.shape, [1, 2])
        variable.assign_add(tf.cast(noise, variable.dtype))
    return rule


def _gradients(functions=_FUNCTIONS):
    return [
        tf.random.stateless_normal(
            [functions, _SIZE], [step, 1], dtype=tf.float64
        )
        for step in range(_STEPS)
    ]


def _run(rule, gradients, num_functions=_FUNCTIONS):
    state = rule.initial_state_of_functions(gradients[:1], num_functions)
    updates = []
    for gradient in gradients:
        [update], state = rule([gradient], state)
        updates.append(update.numpy())
    return np.array(updates)


def _sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


class _Loops:
    """One function's run in NumPy, a coordinate and a head at a time."""

    def __init__(self, rule, identity):
        self.weights = [w.numpy() for w in rule.network.weights]
        self.biases = [b.numpy()[:, 0] for b in rule.network.biases]
        self.memory = identity * np.eye(_SIZE)
        self.read = np.zeros([2, _SIZE])
        self.hidden = [np.zeros([u, _SIZE]) for u in _OPTIONS["layers"]]
        self.cell = [np.zeros([u, _SIZE]) for u in _OPTIONS["layers"]]

    def step(self, gradient):
        outputs = np.zeros([1 + 2 + 3 + 3, _SIZE])
        inputs = [
            np.array([gradient[i], *self.read[:, i]]) for i in range(_SIZE)
        ]
        for layer, cells in enumerate(_OPTIONS["averaging_cells"]):
            hidden = np.zeros_like(self.hidden[layer])
            for i in range(_SIZE):
                joined = np.concatenate([inputs[i], self.hidden[layer][:, i]])
                gates = self.weights[layer] @ joined + self.biases[layer]
                enter, forget, leave, new = np.split(gates, 4)
                cell = self.cell[layer][:, i]
                cell = _sigmoid(forget) * cell + _sigmoid(enter) * np.tanh(new)
                self.cell[layer][:, i] = cell
                hidden[:, i] = _sigmoid(leave) * np.tanh(cell)
            for k in range(1, cells + 1):
                hidden[-k] = np.mean(hidden[-k])
            self.hidden[layer] = hidden
            inputs = list(hidden.T)
        for i in range(_SIZE):
            outputs[:, i] = self.weights[-1] @ inputs[i] + self.biases[-1]
        value, reads = outputs[0], outputs[1:3]
        left, right = outputs[3:6], outputs[6:]
        self.read = np.array([self.memory @ r for r in reads])
        for a, b in zip(left, right, strict=True):
            self.memory = self.memory + np.outer(a, b)
        return _OPTIONS["scale"] * value


@pytest.mark.parametrize("identity", [0.0, 0.8])
@pytest.mark.parametrize("name", ["ntm-bfgs", "ntm-l-bfgs"])
def test_equals_loops_over_functions_coordinates_and_heads(name, identity):
    options = {"history": _STEPS} if name == "ntm-l-bfgs" else {}
    rule = _make(name, identity=identity, **options)
    gradients = _gradients()
    loops = [_Loops(rule, identity) for _ in range(_FUNCTIONS)]
    expected = [
        [loop.step(g) for loop, g in zip(loops, gradient.numpy(), strict=True)]
        for gradient in gradients
    ]
    updates = _run(rule, gradients)
    np.testing.assert_allclose(updates, expected, rtol=1e-10, atol=1e-13)
    # What is written is read, and matters.
    weights = rule.network.weights[-1]
    weights.assign(tf.concat([weights[:3], 0 * weights[3:]], axis=0))
    others = _run(rule, gradients)
    assert np.max(np.abs(others - updates)) > 1e-4 * np.max(np.abs(updates))


@pytest.mark.parametrize("history", [_STEPS - 1, _STEPS, _STEPS + 3])
def test_pairs_of_all_steps_are_the_matrix(history):
    full = _make(identity=0.5)
    limited = _make("ntm-l-bfgs", identity=0.5, history=history)
    np.testing.assert_allclose(
        _run(full, _gradients()), _run(limited, _gradients()), rtol=1e-12
    )


def test_few_pairs_are_not():
    full, limited = _make(), _make("ntm-l-bfgs", history=1)
    difference = _run(full, _gradients()) - _run(limited, _gradients())
    # What was written at the first step is read at the second, and so seen
    # at the third; it is missing in what the fourth step sees.
    assert not np.any(np.abs(difference[:3]) > 1e-12)
    assert np.max(np.abs(difference[3])) > 1e-6


@pytest.mark.parametrize("name", ["coordinatewise", "ntm-bfgs", "ntm-l-bfgs"])
@pytest.mark.parametrize("frame", ["absolute", "relative", "secant"])
def test_functions_share_nothing(name, frame):
    if name == "coordinatewise":
        options = {k: v for k, v in _OPTIONS.items() if "heads" not in k}
        rule = registry.make_rule({"rule": name, "frame": frame, **options})
    else:
        rule = _make(name, frame=frame)
    gradients = _gradients()
    together = _run(rule, gradients)
    for function in range(_FUNCTIONS):
        alone = _run(rule, [g[function] for g in gradients], None)
        np.testing.assert_allclose(
            together[:, function], alone, rtol=1e-10, atol=1e-13
        )


def test_coordinates_of_several_parameters_are_one_function_s():
    rule = _make()
    gradients = _gradients()
    whole = _run(rule, gradients)
    parts = [tf.split(g, [1, 2], axis=1) for g in gradients]
    state = rule.initial_state_of_functions(parts[0], _FUNCTIONS)
    for expected, part in zip(whole, parts, strict=True):
        updates, state = rule(part, state)
        np.testing.assert_allclose(
            np.concatenate(updates, axis=1), expected, rtol=1e-12
        )


def test_parameters_that_do_not_count_functions_are_refused():
    rule = _make()
    with pytest.raises(ValueError, match=r"With 4 functions.*\(2, 3\)"):
        rule.initial_state_of_functions(_gradients()[:1], 4)


def test_the_order_of_coordinates_makes_no_difference():
    rule = _make()
    gradients, order = _gradients(), [2, 0, 1]
    np.testing.assert_allclose(
        _run(rule, gradients)[..., order],
        _run(rule, [tf.gather(g, order, axis=1) for g in gradients]),
        rtol=1e-10,
    )


@pytest.mark.parametrize(
    "config",
    [
        {"rule": "coordinatewise", "averaging_cells": 2, "skip": True},
        {"rule": "coordinatewise", "frame": "relative"},
        {"rule": "ntm-bfgs", "frame": "relative", "skip": True},
        {"rule": "ntm-l-bfgs", "history": 2, "identity": 0.5},
    ],
)
def test_exported_and_loaded_as_any_rule(config, tmp_path):
    options = {"layers": [4, 3], "averaging_cells": 1, "initializer": 0.5}
    rule = registry.make_rule({**options, **config})
    # The export compares what it wrote with the rule, step by step.
    path = saved_optimizer.export(rule, tmp_path / "rule", {})
    assert saved_optimizer.load(path).config() == rule.config()
    assert rule.functions()


def test_memories_are_empty_until_training_fills_them():
    rule = registry.make_rule({"rule": "ntm-bfgs", **_OPTIONS})
    gradients = _gradients()
    state = rule.initial_state_of_functions(gradients[:1], _FUNCTIONS)
    for gradient in gradients:
        _, state = rule([gradient], state)
    assert not np.any(state["memory"][0])
    with tf.GradientTape() as tape:
        _, state = rule(gradients[:1], state)
        filled = tf.reduce_sum(state["memory"][0])
    [gradient] = tape.gradient(filled, [rule.network.weights[-1]])
    assert np.all(gradient[3:6] != 0)


def test_a_full_memory_of_a_large_model_is_refused():
    rule = memory_rules.NTMBFGS(layers=[2], averaging_cells=1)
    with pytest.raises(ValueError, match="8,192 .* 10,000 x 10,000 .*l-bfgs"):
        rule.initial_state([tf.zeros([100, 100])])
    # Many small functions have many small memories.
    rule.initial_state_of_functions([tf.zeros([1000, 10])], 1000)
    limited = memory_rules.NTMLBFGS(layers=[2], averaging_cells=1)
    limited.initial_state([tf.zeros([100, 100])])


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("read_heads", 0),
        ("write_heads", 0.5),
        ("identity", "one"),
        ("head_scale", None),
        ("head_scale", 0),
        ("read_heads", 1_001),
        ("write_heads", 10**9),
        ("averaging_cells", 21),
        ("preprocessing", "none"),
        ("skip", 1),
    ],
)
def test_bad_options_are_refused_and_quoted(option, value):
    with pytest.raises(ValueError, match=f"{option}.*{value}"):
        registry.make_rule({"rule": "ntm-bfgs", option: value})


def test_descriptions_tell_what_is_shared():
    text = registry.make_rule(
        {"rule": "ntm-l-bfgs", "layers": [4, 3], "averaging_cells": [2, 1]}
    ).describe()
    assert text == (
        "An LSTM with layers [4, 3] with averaging cells [2, 1] on every "
        "coordinate; numbers of state for each: 11. A memory of all "
        "coordinates with 1 read and 3 write heads holds what was written in "
        "the last 10 steps, 60 numbers for each coordinate."
    )
    text = registry.make_rule({"rule": "ntm-bfgs"}).describe()
    assert text.endswith("write heads holds n x n numbers for n coordinates.")
