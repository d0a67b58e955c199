"""Final losses on MNIST with the state in float32 and in bfloat16.

  python benchmarks/state_dtype.py

Trains the paper's MLP in Keras from the same starts and on the same
minibatches, and compares the mean loss of the last tenth of the steps. Prints
a line for each number of steps, and JSON.
"""

from __future__ import annotations

import os

# As Keras users run it.
os.environ.setdefault("XLA_FLAGS", "")

import _measure  # noqa: E402
from absl import app  # noqa: E402
from absl import flags  # noqa: E402

FLAGS = flags.FLAGS

flags.DEFINE_string("optimizer", "mnist", "The learned optimizer.")
flags.DEFINE_list("num_steps", ["100", "500"], "Lengths of runs.")
flags.DEFINE_integer("num_runs", 20, "Runs of each length.")
flags.DEFINE_string("data_dir", None, "Folder of prepared TFDS data sets.")

_BATCH = 128


def main(argv: list[str]) -> None:
    """Trains and prints."""
    del argv
    import numpy as np

    from l2l_tf.problems import datasets as data

    images = data.load("mnist", FLAGS.data_dir).train
    inputs = images.images.reshape(len(images.labels), -1) * images.scale
    inputs = inputs.astype("float32")
    rows = []
    for num_steps in map(int, FLAGS.num_steps):
        losses = {
            dtype: [
                _last_loss(inputs, images.labels, dtype, num_steps, seed)
                for seed in range(FLAGS.num_runs)
            ]
            for dtype in ("float32", "bfloat16")
        }
        means = {dtype: float(np.mean(v)) for dtype, v in losses.items()}
        differences = np.subtract(losses["bfloat16"], losses["float32"])
        error = differences.std() / np.sqrt(FLAGS.num_runs)
        ratio = means["bfloat16"] / means["float32"]
        relative_error = float(error / means["float32"])
        rows.append(
            {"num_steps": num_steps, **means, "ratio": ratio}
            | {"ratio_standard_error": relative_error}
        )
        print(
            f"{num_steps} steps: float32 {means['float32']:.4f}, bfloat16 "
            f"{means['bfloat16']:.4f}, ratio {ratio:.4f} +- "
            f"{relative_error:.4f}",
            flush=True,
        )
    _measure.print_json({"runs": FLAGS.num_runs, "lengths": rows})


def _last_loss(inputs, labels, state_dtype, num_steps, seed) -> float:
    import keras
    import numpy as np
    import tensorflow as tf

    from l2l_tf import LearnedOptimizer

    keras.utils.set_random_seed(seed)
    start = keras.initializers.RandomNormal(stddev=0.01, seed=seed)
    later = keras.initializers.RandomNormal(stddev=0.01, seed=seed + 1)
    hidden = keras.Variable(start((784, 20)))
    biases = keras.Variable(tf.zeros([20]))
    out = keras.Variable(later((20, 10)))
    out_biases = keras.Variable(tf.zeros([10]))
    variables = [hidden, biases, out, out_biases]
    optimizer = LearnedOptimizer(FLAGS.optimizer, state_dtype=state_dtype)
    optimizer.build(variables)

    @tf.function
    def step(inputs, labels):
        with tf.GradientTape() as tape:
            units = tf.sigmoid(inputs @ hidden.value + biases.value)
            logits = units @ out.value + out_biases.value
            loss = tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            )
        values = [variable.value for variable in variables]
        optimizer.apply(tape.gradient(loss, values), variables)
        return loss

    draws = np.random.RandomState(seed).randint(
        len(labels), size=[num_steps, _BATCH]
    )
    losses = [step(inputs[rows], labels[rows]).numpy() for rows in draws]
    return float(np.mean(losses[-num_steps // 10 :]))


if __name__ == "__main__":
    app.run(main)
