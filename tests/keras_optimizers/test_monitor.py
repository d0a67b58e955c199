"""Tests of l2l_tf/keras_optimizers/monitor.py."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing import event_accumulator

from l2l_tf import LearnedOptimizer
from l2l_tf import LearnedOptimizerMonitor
from l2l_tf.keras_optimizers import monitor

INPUTS = np.random.RandomState(0).randn(64, 3).astype("float32")


def _fit(optimizer, folder, callback, **options):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(optimizer, loss="mse", **options)
    model.fit(
        INPUTS,
        INPUTS[:, :1],
        batch_size=8,
        epochs=2,
        callbacks=[callback],
        verbose=0,
    )
    events = event_accumulator.EventAccumulator(str(folder))
    events.Reload()
    return {
        tag: {
            event.step: float(tf.make_ndarray(event.tensor_proto))
            for event in events.Tensors(tag)
            if "hand_over" not in tag
        }
        for tag in events.Tags()["tensors"]
    }


@pytest.mark.parametrize(
    "options, steps",
    [({}, [5, 10, 15]), ({"steps_per_execution": 4}, [8, 12, 16])],
)
def test_writes_every_few_steps(options, steps, exported, tmp_path):
    optimizer = LearnedOptimizer(exported, name="mine")
    callback = LearnedOptimizerMonitor(tmp_path, update_freq=5)
    scalars = _fit(optimizer, tmp_path, callback, **options)
    assert {tag.removeprefix("mine/") for tag in scalars} == {
        "update_norm",
        "gradient_norm",
        "cosine",
        "skipped_steps",
        "state_rms",
        "state_large",
    }
    assert all(list(values) == steps for values in scalars.values())
    assert all(-1 <= x <= 1 for x in scalars["mine/cosine"].values())
    if steps[-1] == 16:
        last = optimizer.diagnostics["update_norm"]
        assert scalars["mine/update_norm"][16] == float(last)


def test_finds_learned_optimizers_in_wrappers(exported, tmp_path):
    optimizer = LearnedOptimizer(
        {"kernel": str(exported), ".*": keras.optimizers.SGD(0.1)},
        fallback=keras.optimizers.Adam(),
    )
    scaled = keras.optimizers.LossScaleOptimizer(LearnedOptimizer(exported))
    several = keras.optimizers.MultiOptimizer(
        keras.optimizers.OptimizerMap(LearnedOptimizer(exported))
    )
    for wrapper in (optimizer, scaled, several):
        assert len(monitor.learned_optimizers(wrapper)) == 1
    callback = LearnedOptimizerMonitor(tmp_path)
    tags = set(_fit(optimizer, tmp_path, callback))
    assert len(tags) == 7 and f"{optimizer.name}/fell_back" in tags


def test_several_learned_optimizers_have_curves_of_their_own(
    exported, tmp_path
):
    optimizer = LearnedOptimizer({"kernel": str(exported), ".*": str(exported)})
    callback = LearnedOptimizerMonitor(tmp_path)
    assert len(_fit(optimizer, tmp_path, callback)) == 12


def test_hand_over_is_an_event(tmp_path):
    optimizer = LearnedOptimizer(
        {".*": keras.optimizers.SGD(1e4)}, fallback="sgd", trial={"steps": 4}
    )
    seen = []
    callback = LearnedOptimizerMonitor(
        tmp_path, 1, on_hand_over=lambda *event: seen.append(event)
    )
    with pytest.warns(UserWarning, match="taken over"):
        scalars = _fit(optimizer, tmp_path, callback)
    assert seen == [(4, optimizer)]
    fell_back = scalars[f"{optimizer.name}/fell_back"]
    assert [fell_back[step] for step in (3, 4, 16)] == [0, 1, 1]
    assert callback.model.history.history["fell_back"] == [1.0, 1.0]


def test_model_without_a_learned_optimizer_is_refused(tmp_path):
    with pytest.raises(ValueError, match="Adam"):
        _fit(
            keras.optimizers.Adam(), tmp_path, LearnedOptimizerMonitor(tmp_path)
        )


def test_state_statistics():
    state = [
        keras.Variable(np.array([[0.5, -1.0]], "float32")),
        keras.Variable(np.array([[2.0, 0.0], [0.0, 0.0]]), dtype="bfloat16"),
    ]
    found = monitor.state_statistics(state)
    np.testing.assert_allclose(found["state_rms"], np.sqrt(5.25 / 6), rtol=1e-6)
    np.testing.assert_allclose(found["state_large"], 2 / 6, rtol=1e-6)
