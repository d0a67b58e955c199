"""Tests of l2l_tf/keras_optimizers/monitor.py."""

import keras
import numpy as np
import pytest

from l2l_tf import LearnedOptimizer
from l2l_tf import LearnedOptimizerMonitor
from l2l_tf.keras_optimizers import monitor
from tests import events

INPUTS = np.random.RandomState(0).randn(64, 3).astype("float32")


def _fit(optimizer, folder, *callbacks, **options):
    """Returns the scalars that callbacks write."""
    keras.utils.set_random_seed(0)
    layers = [keras.Input([3]), keras.layers.Dense(1, name="layer")]
    model = keras.Sequential(layers, name="model")
    model.compile(optimizer, loss="mse", **options)
    model.fit(
        INPUTS,
        INPUTS[:, :1],
        batch_size=8,
        epochs=2,
        callbacks=list(callbacks),
        verbose=0,
    )
    return events.scalars(folder / "train")


@pytest.mark.parametrize(
    "options, steps",
    [({}, [5, 10, 15]), ({"steps_per_execution": 4}, [8, 12, 16])],
)
def test_writes_every_few_steps(options, steps, exported, tmp_path):
    optimizer = LearnedOptimizer(exported)
    callback = LearnedOptimizerMonitor(tmp_path, update_freq=5)
    scalars = _fit(optimizer, tmp_path, callback, **options)
    assert set(scalars) == {
        "batch_update_norm",
        "batch_gradient_norm",
        "batch_cosine",
        "batch_skipped_steps",
        "batch_state_rms",
        "batch_state_large",
    }
    assert all(list(values) == steps for values in scalars.values())
    assert all(-1 <= x <= 1 for x in scalars["batch_cosine"].values())
    if steps[-1] == 16:
        last = optimizer.diagnostics["update_norm"]
        assert scalars["batch_update_norm"][16] == float(last)


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
    assert len(tags) == 7 and "batch_fell_back" in tags


def test_optimizers_that_are_made_later_are_found(exported, tmp_path):
    by_function = keras.optimizers.MultiOptimizer(
        lambda variable: LearnedOptimizer(exported)
    )
    callback = LearnedOptimizerMonitor(tmp_path)
    tags = _fit(by_function, tmp_path, callback)
    assert any(tag.startswith("batch_cosine") for tag in tags)
    plain = keras.optimizers.MultiOptimizer(
        lambda variable: keras.optimizers.SGD(0.1)
    )
    with pytest.raises(ValueError, match="needs a model compiled with"):
        _fit(plain, tmp_path, callback)


def test_a_second_training_keeps_to_the_grid_of_steps(exported, tmp_path):
    model = keras.Sequential([keras.Input([3]), keras.layers.Dense(1)])
    model.compile(LearnedOptimizer(exported), loss="mse")
    data = INPUTS, INPUTS[:, :1]
    model.fit(*data, batch_size=8, verbose=0)
    callback = LearnedOptimizerMonitor(tmp_path, update_freq=6)
    model.fit(*data, batch_size=8, epochs=2, callbacks=[callback], verbose=0)
    scalars = events.scalars(tmp_path / "train")
    assert list(scalars["batch_cosine"]) == [12, 18, 24]


@pytest.mark.parametrize(
    "log_dir", [None, 5, pytest.param("file", id="a file")]
)
def test_places_where_nothing_can_be_written_are_refused(log_dir, tmp_path):
    if log_dir == "file":
        log_dir = tmp_path / "file"
        log_dir.touch()
    with pytest.raises(ValueError, match="log_dir"):
        LearnedOptimizerMonitor(log_dir)


def test_several_learned_optimizers_have_curves_of_their_own(
    exported, tmp_path
):
    optimizer = LearnedOptimizer({"kernel": str(exported), ".*": str(exported)})
    callback = LearnedOptimizerMonitor(tmp_path)
    tags = set(_fit(optimizer, tmp_path, callback))
    assert len(tags) == 12
    assert {"batch_cosine_rule_0", "batch_cosine_rule_1"} < tags


def test_opens_in_one_view_with_keras_own_callback(exported, tmp_path):
    own = keras.callbacks.TensorBoard(
        tmp_path, histogram_freq=1, update_freq=4, write_graph=False
    )
    monitor_ = LearnedOptimizerMonitor(tmp_path, update_freq=5)
    scalars = _fit(LearnedOptimizer(exported), tmp_path, own, monitor_)
    # Summaries are written at steps of the monitor's own, too.
    assert list(scalars["batch_update_norm"]) == [5, 10, 15]
    assert list(scalars["batch_loss"]) == [4, 8, 12, 16]
    assert list(scalars["epoch_loss"]) == [0, 1]
    points = events.points(tmp_path / "train")
    tags = {tag for tag in points if tag.startswith("model")}
    assert tags == {
        f"model/layer/{name}/{kind}"
        for name in ("kernel", "bias")
        for kind in ("histogram", "update_histogram")
    }
    for tag in tags:
        assert [step for step, _ in points[tag]] == [0, 1], tag


class _Recorder(keras.callbacks.Callback):
    """Keeps the kernel after each step."""

    def on_train_begin(self, logs=None):
        self.kernels = [self._kernel()]

    def on_train_batch_end(self, batch, logs=None):
        self.kernels.append(self._kernel())

    def _kernel(self):
        return keras.ops.convert_to_numpy(
            self.model.trainable_variables[0]
        ).copy()


@pytest.mark.parametrize("frequency, epochs", [(1, [0, 1]), (2, [0]), (0, [])])
def test_histograms_are_of_the_first_update_of_an_epoch(
    frequency, epochs, exported, tmp_path
):
    recorder = _Recorder()
    callback = LearnedOptimizerMonitor(tmp_path, histogram_freq=frequency)
    _fit(LearnedOptimizer(exported), tmp_path, callback, recorder)
    points = events.points(tmp_path / "train")
    found = dict(points.get("model/layer/kernel/update_histogram", []))
    assert list(found) == epochs
    for epoch, buckets in found.items():
        before, after = recorder.kernels[epoch * 8 : epoch * 8 + 2]
        update = (after - before).astype("float64")
        assert buckets[:, 2].sum() == 3 and np.ptp(update) > 0
        np.testing.assert_allclose(buckets[0, 0], update.min())
        np.testing.assert_allclose(buckets[-1, 1], update.max())


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
    fell_back = scalars["batch_fell_back"]
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
