"""Final losses with a fallback, on problems outside of rules' classes.

  python benchmarks/fallback.py

Trains a GRU on sums of sequences, an MLP on a table and a convnet with batch
normalisation on CIFAR-10, from the same starts and on the same batches: with
Adam alone, with the learned optimizer alone, and with Adam as its fallback. A
final loss is the mean over the last 100 steps. Prints a table with the guarded
run's ratio to the better of the two alone, and JSON.
"""

from __future__ import annotations

import os
import warnings

# As Keras users run it.
os.environ.setdefault("XLA_FLAGS", "")

import _measure  # noqa: E402
from absl import app  # noqa: E402
from absl import flags  # noqa: E402

FLAGS = flags.FLAGS

flags.DEFINE_list("optimizers", ["mnist"], "The learned optimizers.")
flags.DEFINE_float("learning_rate", 1e-3, "That of Adam, the fallback.")
flags.DEFINE_integer("num_steps", 1000, "Steps per run, in hundreds.")
flags.DEFINE_integer("seeds", 3, "Runs of each.")
flags.DEFINE_list("problems", ["gru", "tabular", "cifar10"], "Which.")
flags.DEFINE_string("data_dir", None, "Folder of prepared TFDS data sets.")

_BATCH = 64
_LENGTH = 12


def main(argv: list[str]) -> None:
    """Trains and prints."""
    del argv
    # What a run met is in its numbers.
    warnings.filterwarnings("ignore", category=UserWarning)
    rows = []
    for name in FLAGS.problems:
        for seed in range(FLAGS.seeds):
            alone, _ = _train(name, seed, _adam())
            for optimizer in FLAGS.optimizers:
                row = _compare(name, seed, optimizer, alone)
                rows.append(row)
                print(
                    "  ".join(
                        f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}"
                        for k, v in row.items()
                    ),
                    flush=True,
                )
    summary = _summarize(rows)
    for line in summary:
        print(line)
    _measure.print_json({"runs": rows, "summary": summary})


def _compare(name: str, seed: int, optimizer: str, adam: float) -> dict:
    """Returns final losses, and how the guarded run was decided."""
    from l2l_tf import LearnedOptimizer

    learned, _ = _train(name, seed, LearnedOptimizer(optimizer))
    guarded, made = _train(
        name, seed, LearnedOptimizer(optimizer, fallback=_adam())
    )
    return {
        "problem": name,
        "optimizer": optimizer,
        "seed": seed,
        "adam": adam,
        "learned": learned,
        "guarded": guarded,
        "ratio": guarded / min(adam, learned),
        "fell_back": made.fell_back,
        "fallback_steps": int(made.fallback.iterations),
    }


def _summarize(rows: list[dict]) -> list[dict]:
    """Returns for each problem and optimizer the ratio of the mean losses."""
    import numpy as np

    found = []
    for name, optimizer in sorted(
        {(r["problem"], r["optimizer"]) for r in rows}
    ):
        own = [
            [row[key] for key in ("guarded", "adam", "learned")]
            for row in rows
            if (row["problem"], row["optimizer"]) == (name, optimizer)
        ]
        guarded, *alone = np.mean(own, axis=0)
        ratio = float(guarded / min(alone))
        found.append({"problem": name, "optimizer": optimizer, "ratio": ratio})
    return found


def _adam():
    import keras

    return keras.optimizers.Adam(FLAGS.learning_rate)


def _train(name: str, seed: int, optimizer):
    """Returns the final loss of a run, and the optimizer."""
    import keras
    import tensorflow as tf

    make_model, loss, data = PROBLEMS[name]()
    keras.utils.set_random_seed(seed)
    model = make_model()
    model.compile(optimizer, loss=loss, steps_per_execution=20)
    batches = (
        tf.data.Dataset.from_tensor_slices(data)
        .shuffle(len(data[0]), seed=seed)
        .repeat()
        .batch(_BATCH, drop_remainder=True)
    )
    # An epoch's loss is the mean over its steps.
    history = model.fit(
        batches,
        steps_per_epoch=100,
        epochs=FLAGS.num_steps // 100,
        verbose=0,
    )
    return float(history.history["loss"][-1]), optimizer


def _cifar10():
    import keras

    from l2l_tf.problems import datasets as data

    images = data.load("cifar10", FLAGS.data_dir).train

    def make_model():
        layers = [keras.Input([32, 32, 3]), keras.layers.Rescaling(1 / 255)]
        for _ in range(3):
            layers += [
                keras.layers.Conv2D(16, 3, strides=2),
                keras.layers.BatchNormalization(),
                keras.layers.ReLU(),
            ]
        return keras.Sequential(
            [*layers, keras.layers.Flatten(), keras.layers.Dense(10)]
        )

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return make_model, loss, (images.images, images.labels)


def _tabular():
    import keras
    from sklearn import datasets

    inputs, targets = datasets.make_friedman1(5000, noise=1.0, random_state=0)
    targets = (targets - targets.mean()) / targets.std()

    def make_model():
        return keras.Sequential(
            [
                keras.Input([10]),
                keras.layers.Dense(64, activation="relu"),
                keras.layers.Dense(64, activation="relu"),
                keras.layers.Dense(1),
            ]
        )

    return make_model, "mse", (inputs, targets)


def _gru():
    import keras
    import numpy as np

    # The sum of the numbers that a second input marks.
    random = np.random.RandomState(0)
    inputs = random.randn(4000, _LENGTH, 2).astype("float32")
    inputs[..., 1] = random.rand(4000, _LENGTH) < 0.3
    targets = np.sum(inputs[..., 0] * inputs[..., 1], axis=1, keepdims=True) / 2

    def make_model():
        return keras.Sequential(
            [
                keras.Input([_LENGTH, 2]),
                keras.layers.GRU(24),
                keras.layers.Dense(1),
            ]
        )

    return make_model, "mse", (inputs, targets)


PROBLEMS = {"gru": _gru, "tabular": _tabular, "cifar10": _cifar10}


if __name__ == "__main__":
    app.run(main)
