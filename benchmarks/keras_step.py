"""Times training steps in Keras, learned and Adam, and the floor below them.

  python benchmarks/keras_step.py

For MLPs of several sizes: the optimizer's own time (given fixed gradients), in
the plain graph and in a step that XLA compiles; the time of a whole training
step in `fit`; the peak memory of a process that trains. The floor is the
time that the LSTM's operations take at the rates that this machine reaches in
large matrix products and in tanh on data in cache, one after the other. Adam
and the learned optimizer alternate in one process. Prints tables, and JSON.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys

# As Keras users run it.
os.environ.setdefault("XLA_FLAGS", "")

import _measure  # noqa: E402
from absl import app  # noqa: E402
from absl import flags  # noqa: E402

FLAGS = flags.FLAGS

flags.DEFINE_string("optimizer", "digits", "The learned optimizer.")
flags.DEFINE_list(
    "hidden_units",
    ["20", "1257", "12579"],
    "Widths of the hidden layer of an MLP with 784 inputs and 10 outputs: 20 "
    "units make 15,910 parameters, 1,257 units 999,325, 12,579 10,000,315.",
)
flags.DEFINE_integer("repetitions", 7, "Timed steps of each.")
flags.DEFINE_string("memory_of", None, "For the process that measures it.")

OPTIMIZERS = ("learned", "learned, bfloat16", "adam")

# A step that XLA compiles as a whole holds the temporary tensors of all blocks
# at once, with both learned optimizers' states more than 24 GiB at 1e7.
_XLA_PARAMETERS = 5_000_000

_BATCH = 128


def main(argv: list[str]) -> None:
    """Measures and prints."""
    del argv
    if FLAGS.memory_of:
        _print_memory(FLAGS.memory_of, int(FLAGS.hidden_units[0]))
        return
    # First, since a process begins with its parent's peak.
    memory = {
        units: {name: _peak_memory(name, units) for name in OPTIMIZERS}
        for units in map(int, FLAGS.hidden_units)
    }
    rates = machine_rates()
    print({name: f"{rate:.3g} per second" for name, rate in rates.items()})
    rows = []
    for units, peaks in memory.items():
        rows.append(_measure_size(units, rates) | {"peak_memory_gib": peaks})
        print({name: f"{gib:.2f} GiB" for name, gib in peaks.items()})
    print(f"power of the size in the update's time: {_power(rows):.2f}")
    _measure.print_json({"rates": rates, "sizes": rows, "power": _power(rows)})


def machine_rates() -> dict[str, float]:
    """Returns floating point operations and tanh per second."""
    import tensorflow as tf

    size, rounds = 2048, 200
    matrix = tf.random.stateless_normal([size, size], [0, 1])
    vectors = tf.random.stateless_normal([2**16], [0, 2])
    product = tf.function(lambda: tf.reduce_sum(matrix @ matrix))
    tanh = tf.function(
        lambda: tf.reduce_sum(
            tf.while_loop(
                lambda index, _: index < rounds,
                lambda index, x: (index + 1, tf.tanh(x)),
                (0, vectors),
            )[1]
        ),
        jit_compile=True,
    )
    seconds = _measure.alternate(
        {"flop": lambda _: product().numpy(), "tanh": lambda _: tanh().numpy()},
        9,
    )
    return {
        "flop": 2 * size**3 / seconds["flop"]["median_s"],
        "tanh": rounds * 2**16 / seconds["tanh"]["median_s"],
    }


def _floor(parameters: int, rates: dict[str, float]) -> float:
    """Returns the seconds that an LSTM of two layers of 20 units takes."""
    return parameters * (9920 / rates["flop"] + 200 / rates["tanh"])


def _measure_size(units: int, rates: dict[str, float]) -> dict:
    makers = {
        "update, plain": lambda optimizer: _make_update(
            optimizer, units, False
        ),
        "update, XLA": lambda optimizer: _make_update(optimizer, units, True),
        "train_step": lambda optimizer: _make_train_step(optimizer, units),
    }
    parameters = 784 * units + units + 10 * units + 10
    if parameters > _XLA_PARAMETERS:
        del makers["update, XLA"]
    seconds = {}
    for kind, make_step in makers.items():
        steps = {
            f"{name}, {kind}": make_step(_make(name)) for name in OPTIMIZERS
        }
        seconds |= _measure.alternate(steps, FLAGS.repetitions)
        del steps
        gc.collect()  # The largest states fit into memory only one by one.
    floor = _floor(parameters, rates)
    times = seconds["learned, update, plain"]["median_s"] / floor
    _measure.print_table(
        f"{parameters:,} parameters; floor {1e3 * floor:.1f} ms, of which the "
        f"learned update takes {times:.2f} times",
        seconds,
        "adam, train_step",
    )
    return {
        "parameters": parameters,
        "floor_s": floor,
        "times_floor": times,
        "seconds": seconds,
    }


def _make(name: str):
    import keras

    from l2l_tf import LearnedOptimizer

    if name == "adam":
        return keras.optimizers.Adam()
    dtype = "bfloat16" if name.endswith("bfloat16") else None
    return LearnedOptimizer(FLAGS.optimizer, state_dtype=dtype)


def _make_update(optimizer, units: int, jit_compile: bool):
    import keras
    import tensorflow as tf

    shapes = [[784, units], [units], [units, 10], [10]]
    variables = [keras.Variable(tf.zeros(shape)) for shape in shapes]
    gradients = [
        0.01 * tf.random.stateless_normal(shape, [0, index])
        for index, shape in enumerate(shapes)
    ]
    optimizer.build(variables)

    @tf.function(jit_compile=jit_compile)
    def step(gradients):
        optimizer.apply(gradients, variables)
        return variables[-1].value

    return lambda _: step(gradients).numpy()


def _make_train_step(optimizer, units: int):
    import keras
    import numpy as np

    model = keras.Sequential(
        [
            keras.Input([784]),
            keras.layers.Dense(units, activation="sigmoid"),
            keras.layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss=loss)
    inputs = np.random.RandomState(0).rand(_BATCH, 784).astype("float32")
    labels = np.arange(_BATCH) % 10
    return lambda _: model.train_on_batch(inputs, labels)


def _peak_memory(name: str, units: int) -> float:
    output = subprocess.run(
        [
            sys.executable,
            __file__,
            f"--memory_of={name}",
            f"--hidden_units={units}",
            f"--optimizer={FLAGS.optimizer}",
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return json.loads(output.splitlines()[-1])


def _print_memory(name: str, units: int) -> None:
    step = _make_train_step(_make(name), units)
    for index in range(3):
        step(index)
    print(json.dumps(_measure.peak_memory_gib()))


def _power(rows: list[dict]) -> float:
    """Returns the power with which the update's time grows."""
    import numpy as np

    if len(rows) < 2:
        return float("nan")
    times = [r["seconds"]["learned, update, plain"]["median_s"] for r in rows]
    sizes = [row["parameters"] for row in rows]
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


if __name__ == "__main__":
    app.run(main)
