"""Final losses with a fallback, on problems outside of rules' classes.

  python benchmarks/fallback.py --file=fallback.jsonl

Trains a GRU on sums of sequences, an MLP on a table and a convnet with batch
normalisation on CIFAR-10: with Adam alone, with the learned optimizer alone,
and with Adam as its fallback, all from the same starts and on batches in the
same orders. A final loss is the mean over the last 100 steps. Learned runs are
chaotic: with the batches in another order, the final loss may be ten times as
high. Hence there are several orders for each start, and means are compared.

Prints each run, a table with the guarded runs' mean over the better of the two
alone, and JSON. With a file, each run is a line of it; runs that it holds are
not made again, so that a command that was stopped goes on.
"""

from __future__ import annotations

import itertools
import json
import os
import pathlib
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
flags.DEFINE_integer("seeds", 3, "Starts.")
flags.DEFINE_integer("orders", 3, "Orders of the batches for each start.")
flags.DEFINE_list("problems", ["gru", "tabular", "cifar10"], "Which.")
flags.DEFINE_string("file", None, "Where runs are kept, one JSON a line.")
flags.DEFINE_string("data_dir", None, "Folder of prepared TFDS data sets.")

_BATCH = 64
_LENGTH = 12


def main(argv: list[str]) -> None:
    """Trains and prints."""
    del argv
    # What a run met is in its numbers.
    warnings.filterwarnings("ignore", category=UserWarning)
    rows = []
    known = _read()
    for settings in _all_settings():
        row = next((r for r in known if settings.items() <= r.items()), None)
        if row is None:
            row = {**settings, **_train(**settings)}
            _write(row)
        rows.append(row)
        print("  ".join(f"{k} {_show(v)}" for k, v in row.items()), flush=True)
    summary = _summarize(rows)
    for line in summary:
        print("  ".join(f"{k} {_show(v)}" for k, v in line.items()))
    _measure.print_json({"runs": rows, "summary": summary})


def _all_settings() -> list[dict]:
    """Returns what each run is made with."""
    names = [("adam", False)]
    for name in FLAGS.optimizers:
        names += [(name, False), (name, True)]
    common = {"steps": FLAGS.num_steps, "learning_rate": FLAGS.learning_rate}
    return [
        {
            "problem": problem,
            "seed": seed,
            "order": order,
            "optimizer": optimizer,
            "guarded": guarded,
            **common,
        }
        for problem, order, seed, (optimizer, guarded) in itertools.product(
            FLAGS.problems, range(FLAGS.orders), range(FLAGS.seeds), names
        )
    ]


def _read() -> list[dict]:
    if FLAGS.file is None or not os.path.exists(FLAGS.file):
        return []
    lines = pathlib.Path(FLAGS.file).read_text().splitlines()
    return [json.loads(line) for line in lines]


def _write(row: dict) -> None:
    if FLAGS.file is not None:
        with open(FLAGS.file, "a") as file:
            file.write(json.dumps(row) + "\n")


def _show(value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _summarize(rows: list[dict]) -> list[dict]:
    """Returns means and ranges for each problem and learned optimizer."""
    import numpy as np

    summary = []
    for problem, optimizer in itertools.product(
        FLAGS.problems, FLAGS.optimizers
    ):
        found = {
            name: [
                row
                for row in rows
                if (row["problem"], row["optimizer"], row["guarded"])
                == (problem, *which)
            ]
            for name, which in {
                "adam": ("adam", False),
                "learned": (optimizer, False),
                "guarded": (optimizer, True),
            }.items()
        }
        losses = {k: [row["loss"] for row in v] for k, v in found.items()}
        means = {name: float(np.mean(v)) for name, v in losses.items()}
        line = {"problem": problem, "optimizer": optimizer}
        for name, values in losses.items():
            line |= {
                name: means[name],
                f"{name}_least": min(values),
                f"{name}_greatest": max(values),
            }
        line["runs"] = len(losses["guarded"])
        line["fell_back"] = sum(row["fell_back"] for row in found["guarded"])
        line["ratio"] = means["guarded"] / min(means["adam"], means["learned"])
        summary.append(line)
    return summary


def _train(
    problem: str,
    seed: int,
    order: int,
    optimizer: str,
    guarded: bool,
    steps: int,
    learning_rate: float,
) -> dict:
    """Returns the final loss of a run, and what the fallback did."""
    import keras
    import tensorflow as tf

    from l2l_tf import LearnedOptimizer

    adam = keras.optimizers.Adam(learning_rate)
    learned = None
    if optimizer != "adam":
        learned = LearnedOptimizer(
            optimizer, fallback=adam if guarded else None
        )
    make_model, loss, data = PROBLEMS[problem]()
    keras.utils.set_random_seed(seed)
    model = make_model()
    model.compile(learned or adam, loss=loss, steps_per_execution=20)
    batches = (
        tf.data.Dataset.from_tensor_slices(data)
        .shuffle(len(data[0]), seed=seed + 1000 * order)
        .repeat()
        .batch(_BATCH, drop_remainder=True)
    )
    # An epoch's loss is the mean over its steps.
    history = model.fit(
        batches, steps_per_epoch=100, epochs=steps // 100, verbose=0
    )
    return {
        "loss": float(history.history["loss"][-1]),
        "fell_back": guarded and learned.fell_back,
        "fallback_steps": int(adam.iterations) if guarded else 0,
    }


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
