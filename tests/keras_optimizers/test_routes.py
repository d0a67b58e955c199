"""Tests of l2l_tf/keras_optimizers/routes.py."""

import keras
import numpy as np
import pytest

from l2l_tf import LearnedOptimizer
from l2l_tf.rules import registry
from l2l_tf.saving import saved_optimizer
from tests.keras_optimizers import fitting

INPUTS = np.random.RandomState(0).randn(32, 3).astype("float32")
TARGETS = INPUTS[:, :1] * INPUTS[:, 1:2]


def _model(optimizer):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.layers.Dense(4, activation="tanh", name="first"),
            keras.layers.Dense(1, name="second"),
        ]
    )
    model.build((None, 3))
    model.compile(optimizer, loss="mse")
    return model


def _fit(model, epochs=3):
    history = fitting.fit(model, INPUTS, TARGETS, epochs).history
    return history["loss"]


def _sgd(rate=0.1):
    return keras.optimizers.SGD(rate)


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """Returns the folder of a saved optimizer with two learned rules and SGD.

    Its parameters were called as an optimizee's are, not as Keras's.
    """
    rule = registry.make_rule(
        {
            "rule": "routed",
            "routes": {
                "w$": {"layers": [3], "seed": 1},
                "b_0": {"layers": [2], "seed": 2},
                "b": {"rule": "adam", "learning_rate": 0.125},
            },
        },
        ["w_0/w", "b_0", "b_1"],
    )
    path = tmp_path_factory.mktemp("several") / "routed"
    return saved_optimizer.export(rule, path, {})


def test_first_pattern_counts(exported):
    optimizer = LearnedOptimizer(
        {"first": _sgd(0.0), "kernel": str(exported), ".*": _sgd()}
    )
    assert isinstance(optimizer, LearnedOptimizer)
    model = _model(optimizer)
    before = [v.numpy() for v in model.trainable_variables]
    _fit(model)
    moved = [
        not np.array_equal(v.numpy(), b)
        for v, b in zip(model.trainable_variables, before, strict=True)
    ]
    assert moved == [False, False, True, True]
    [learned] = optimizer.rule_parts
    assert learned.state[0].shape[-1] == 4
    assert optimizer.rule is learned.rule


def test_routes_to_one_kind_are_that_kind(exported):
    routed = LearnedOptimizer({"first": "sgd", ".*": _sgd(0.01)})
    assert _fit(_model(routed)) == _fit(_model(_sgd(0.01)))
    routed = LearnedOptimizer({"first": exported, ".*": exported})
    np.testing.assert_allclose(
        _fit(_model(routed)),
        _fit(_model(LearnedOptimizer(exported))),
        rtol=1e-5,
    )


def test_routes_nest(exported):
    nested = LearnedOptimizer(
        {"first": {"bias": _sgd(0.0), ".*": exported}, ".*": _sgd()}
    )
    flat = LearnedOptimizer(
        {"first/bias": _sgd(0.0), "first": exported, ".*": _sgd()}
    )
    model = _model(nested)
    assert _fit(model) == _fit(_model(flat))
    assert [o.built for o in nested.optimizers] == [True] * 3


@pytest.mark.parametrize(
    "patterns, quoted",
    [
        (["first/kernel"], "first/bias.*second/kernel"),
        (["first", "kernel", "third", ".*"], "third.*get none"),
    ],
)
def test_variables_and_patterns_without_another_are_listed(patterns, quoted):
    model = _model(LearnedOptimizer({pattern: "sgd" for pattern in patterns}))
    with pytest.raises(ValueError, match=quoted):
        _fit(model)


def test_arguments_are_those_of_all_routes(exported):
    optimizer = LearnedOptimizer(
        {"kernel": str(exported), ".*": _sgd()},
        learning_rate=0.5,
        state_dtype="bfloat16",
        weight_decay=0.25,
        name="mine",
    )
    itself, sgd = optimizer.optimizers
    assert itself is optimizer
    assert float(optimizer.learning_rate) == 0.5
    assert np.isclose(float(sgd.learning_rate), 0.1)
    assert sgd.weight_decay == 0.25
    assert optimizer.name == "mine"
    _fit(_model(optimizer))
    assert {v.dtype for v in optimizer.state} == {"bfloat16"}


def test_global_norm_is_that_of_all_routes():
    norm = {"global_clipnorm": 0.01}
    routed = LearnedOptimizer({"first": _sgd(), ".*": _sgd()}, **norm)
    alone = keras.optimizers.SGD(0.1, **norm)
    np.testing.assert_allclose(
        _fit(_model(routed)), _fit(_model(alone)), rtol=1e-6
    )


def test_file_resumes_on_the_same_trajectory(exported, tmp_path):
    model = _model(LearnedOptimizer({"first": str(exported), ".*": "adam"}))
    _fit(model)
    model.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras")
    assert restored.optimizer.get_config() == model.optimizer.get_config()
    assert _fit(restored) == _fit(model)


def test_saved_rules_take_routes_of_the_user(several):
    routes = {"second/bias": "b", "kernel": "w$", "first": "b_0"}
    optimizer = LearnedOptimizer(several, routes=routes)
    model = _model(optimizer)
    losses = _fit(model)
    rule = saved_optimizer.load(several).rules
    rates = [rule[name].config() for name in ("b", "w$", "b_0")]
    assert [p.rule.config() for p in optimizer.rule_parts] == rates
    copy = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert copy.get_config() == optimizer.get_config()
    assert _fit(_model(copy)) == losses
    with pytest.raises(ValueError, match="nonesuch"):
        LearnedOptimizer(several, routes={".*": "nonesuch"})


def test_saved_rules_keep_their_routes(tmp_path):
    routes = {"kernel": {"layers": [3]}, "bias": {"rule": "sgd"}}
    rule = registry.make_rule({"rule": "routed", "routes": routes})
    path = saved_optimizer.export(rule, tmp_path / "mine", {})
    optimizer = LearnedOptimizer(path)
    model = _model(optimizer)
    _fit(model)
    reference = LearnedOptimizer(
        path, routes={"second/kernel": "kernel", "k": "kernel", ".": "bias"}
    )
    np.testing.assert_allclose(
        _fit(_model(reference)), _fit(_model(LearnedOptimizer(path))), rtol=1e-5
    )
    assert "'kernel': An LSTM" in optimizer.describe()


@pytest.mark.parametrize(
    "routes, quoted",
    [
        (lambda: {}, "{}"),
        (lambda: {"(": "adam"}, "'\\('"),
        (lambda: {"(a+)+$": "adam"}, "too long"),
        (lambda: {".*": 3}, "received 3"),
        (lambda: {".*": None}, "received None"),
        (lambda: {".*": "nonesuch"}, "nonesuch"),
        (
            lambda: {".*": keras.optimizers.LossScaleOptimizer(_sgd())},
            "LossScale",
        ),
        (
            lambda: {".*": LearnedOptimizer("digits", fallback="sgd")},
            "a fallback inside",
        ),
    ],
)
def test_bad_routes_are_quoted(routes, quoted):
    with pytest.raises(ValueError, match=quoted):
        LearnedOptimizer(routes())


def test_misspelt_argument_beside_routes_is_quoted(exported):
    with pytest.raises(ValueError, match="state_type"):
        LearnedOptimizer({".*": exported}, state_type="bfloat16")


def test_routes_of_an_optimizer_with_one_rule_are_refused(exported):
    with pytest.raises(ValueError, match="one rule for all"):
        LearnedOptimizer(exported, routes={".*": "a"})
    with pytest.raises(ValueError, match="beside"):
        LearnedOptimizer({".*": exported}, routes={".*": "a"})


@pytest.mark.parametrize("fallback", [None, "sgd"])
def test_callbacks_reach_each_learning_rate(fallback, exported, tmp_path):
    optimizer = LearnedOptimizer(
        {"first": str(exported), ".*": _sgd()}, fallback=fallback
    )
    model = _model(optimizer)
    callbacks = [
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.5 * rate),
        keras.callbacks.TensorBoard(tmp_path),
    ]
    model.fit(INPUTS, TARGETS, verbose=0, callbacks=callbacks)
    rates = [float(o.learning_rate) for o in optimizer.optimizers]
    np.testing.assert_allclose(rates, [0.5, 0.05], rtol=1e-6)
    if fallback:
        assert np.isclose(float(optimizer.fallback.learning_rate), 0.01)


def test_averages_of_all_are_swapped():
    """An average of the whole, and one that a route's optimizer keeps."""
    options = {"use_ema": True, "ema_momentum": 0.5}
    results = []
    for optimizer in (
        keras.optimizers.SGD(0.1, **options),
        LearnedOptimizer({"first": _sgd(), ".*": _sgd()}, **options),
        LearnedOptimizer(
            {p: keras.optimizers.SGD(0.1, **options) for p in ("first", ".*")}
        ),
    ):
        model = _model(optimizer)
        swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
        model.fit(INPUTS, TARGETS, epochs=3, verbose=0, callbacks=[swap])
        results.append([v.numpy() for v in model.trainable_variables])
    for expected, *others in zip(*results, strict=True):
        for other in others:
            np.testing.assert_allclose(other, expected, rtol=1e-5)


def test_diagnostics_are_those_of_all_rules(exported):
    routed = LearnedOptimizer({"first": exported, ".*": exported})
    alone = LearnedOptimizer(exported)
    for optimizer in (routed, alone):
        _fit(_model(optimizer))
    for name, value in alone.diagnostics.items():
        np.testing.assert_allclose(routed.diagnostics[name], value, rtol=1e-4)
    with pytest.raises(ValueError, match="2 rules"):
        _ = routed.rule


def test_describe_tells_of_each_route():
    text = LearnedOptimizer({"kernel": "digits", ".*": _sgd()}).describe()
    assert "'kernel': digits" in text and "'.*': sgd" in text.lower()


def test_an_optimizer_serves_one_pattern():
    sgd = _sgd()
    with pytest.raises(ValueError, match="of its own"):
        LearnedOptimizer({"a": sgd, "b": sgd})


@pytest.fixture(name="by_rank", scope="module")
def _by_rank(tmp_path_factory):
    """Returns the folder of two LSTMs, one of them for kernels of rank 4."""
    rule = registry.make_rule(
        {
            "rule": "routed",
            "routes": {
                "rank=4": {"layers": [3], "seed": 1},
                ".*": {"layers": [2], "seed": 2},
            },
        },
        ["convnet/w", "convnet/b"],
    )
    path = tmp_path_factory.mktemp("by_rank") / "routed"
    return saved_optimizer.export(rule, path, {})


def test_kernels_of_convolutions_are_known_by_their_rank(by_rank):
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input([8, 8, 2]),
            layers.Conv2D(3, 3, name="a"),
            layers.BatchNormalization(),
            layers.DepthwiseConv2D(3, name="b"),
            layers.Conv2D(4, 1, name="c"),
            layers.Flatten(),
            layers.Dense(1, name="d"),
        ]
    )
    optimizer = LearnedOptimizer(by_rank)
    model.compile(optimizer, "mse")
    before = [variable.numpy() for variable in model.trainable_variables]
    inputs = np.random.RandomState(0).randn(6, 8, 8, 2).astype("float32")
    model.fit(inputs, inputs[:, 0, 0, :1], epochs=1, verbose=0)
    kernels = [v for v in model.trainable_variables if len(v.shape) == 4]
    assert len(kernels) == 3
    sizes = [
        sum(v.value.shape.num_elements() for v in group)
        for group in (
            kernels,
            [v for v in model.trainable_variables if len(v.shape) != 4],
        )
    ]
    numbers = [
        sum(int(np.prod(state.shape)) for state in part.state)
        for part in optimizer.rule_parts
    ]
    # An LSTM of n units keeps 2 n numbers for a coordinate.
    assert numbers == [2 * 3 * sizes[0], 2 * 2 * sizes[1]]
    after = [variable.numpy() for variable in model.trainable_variables]
    assert all(
        map(np.any, (a != b for a, b in zip(before, after, strict=True)))
    )


def test_a_model_without_convolutions_needs_no_other_routes(by_rank):
    optimizer = LearnedOptimizer(by_rank)
    model = _model(optimizer)
    losses = _fit(model)
    assert np.all(np.isfinite(losses))
    assert np.all(np.isfinite(list(optimizer.diagnostics.values())))
    assert "'rank=4'" in optimizer.describe()
