"""Final losses with a fallback, on problems outside a rule's class.

  python benchmarks/fallback.py

Trains a small convnet on CIFAR-10, a regression on tabular data and an LSTM on
text, from the same starts and on the same batches, with the fallback alone,
the guarded learned optimizer, and the learned optimizer alone. A final loss is
the mean over the last 100 steps. Prints a table, and JSON.
"""

from __future__ import annotations

import os
import pydoc_data.topics

# As Keras users run it.
os.environ.setdefault("XLA_FLAGS", "")

import _measure  # noqa: E402
from absl import app  # noqa: E402
from absl import flags  # noqa: E402

FLAGS = flags.FLAGS

flags.DEFINE_string("optimizer", "mnist", "The learned optimizer.")
flags.DEFINE_float("learning_rate", 1e-3, "That of Adam, the fallback.")
flags.DEFINE_integer("num_steps", 2000, "Steps per run, in hundreds.")
flags.DEFINE_integer("seeds", 2, "Runs of each.")
flags.DEFINE_list("problems", ["cifar10", "tabular", "text"], "Which.")
flags.DEFINE_bool("alone", True, "Whether to run the learned rule alone, too.")
flags.DEFINE_string("data_dir", None, "Folder of prepared TFDS data sets.")

_BATCH = 64
_TEXT_LENGTH = 32


def main(argv: list[str]) -> None:
    """Trains and prints."""
    del argv
    import numpy as np

    rows = []
    for name in FLAGS.problems:
        make_model, loss, data = PROBLEMS[name]()
        for seed in range(FLAGS.seeds):
            finals = {}
            for label, make in _optimizers().items():
                optimizer = make()
                finals[label] = _final_loss(
                    make_model, loss, data, optimizer, seed
                )
                if label == "guarded":
                    finals["fell back"] = optimizer.fell_back
            finals["ratio"] = finals["guarded"] / finals["fallback"]
            rows.append({"problem": name, "seed": seed, **finals})
            print(
                "  ".join(
                    f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}"
                    for k, v in rows[-1].items()
                ),
                flush=True,
            )
    worst = float(np.max([row["ratio"] for row in rows]))
    print(f"greatest ratio {worst:.3f}")
    _measure.print_json({"runs": rows, "greatest_ratio": worst})


def _optimizers():
    import keras

    from l2l_tf import LearnedOptimizer

    def adam():
        return keras.optimizers.Adam(FLAGS.learning_rate)

    makers = {
        "fallback": adam,
        "guarded": lambda: LearnedOptimizer(FLAGS.optimizer, fallback=adam()),
    }
    if FLAGS.alone:
        makers["learned"] = lambda: LearnedOptimizer(FLAGS.optimizer)
    return makers


def _final_loss(make_model, loss, data, optimizer, seed: int) -> float:
    import keras
    import tensorflow as tf

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
    return float(history.history["loss"][-1])


def _cifar10():
    import keras

    from l2l_tf.problems import datasets as data

    images = data.load("cifar10", FLAGS.data_dir).train

    def make_model():
        return keras.Sequential(
            [
                keras.Input([32, 32, 3]),
                keras.layers.Rescaling(1 / 255),
                keras.layers.Conv2D(16, 3, 2, activation="relu"),
                keras.layers.Conv2D(32, 3, 2, activation="relu"),
                keras.layers.Flatten(),
                keras.layers.Dense(10),
            ]
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


def _text():
    import keras
    import numpy as np

    text = "".join(pydoc_data.topics.topics.values()).encode()[:200_000]
    symbols, numbers = np.unique(list(text), return_inverse=True)
    count = (len(numbers) - 1) // _TEXT_LENGTH
    inputs, targets = (
        numbers[start : start + count * _TEXT_LENGTH].reshape(count, -1)
        for start in (0, 1)
    )

    def make_model():
        return keras.Sequential(
            [
                keras.Input([_TEXT_LENGTH], dtype="int32"),
                keras.layers.Embedding(len(symbols), 16),
                keras.layers.LSTM(48, return_sequences=True),
                keras.layers.Dense(len(symbols)),
            ]
        )

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return make_model, loss, (inputs, targets)


PROBLEMS = {"cifar10": _cifar10, "tabular": _tabular, "text": _text}


if __name__ == "__main__":
    app.run(main)
