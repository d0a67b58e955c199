"""Times one optimizer step in Keras, learned and Adam.

  python benchmarks/keras_step.py

Both optimizers update the same variables in alternation, in one process,
given fixed gradients, so that nothing but the optimizer is measured. Prints a
table, and JSON with medians, spreads, the machine and versions.
"""

from __future__ import annotations

import json
import os
import pathlib
import platform
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from absl import app  # noqa: E402
from absl import flags  # noqa: E402

FLAGS = flags.FLAGS

flags.DEFINE_string("optimizer", "digits", "The learned optimizer.")
flags.DEFINE_list(
    "hidden_units",
    ["20", "1257"],
    "Widths of the hidden layer of an MLP with 784 inputs and 10 outputs: 20 "
    "units make 15,910 parameters, 1,257 units 999,325.",
)
flags.DEFINE_integer("repetitions", 9, "Timed steps of each optimizer.")


def main(argv: list[str]) -> None:
    """Measures and prints."""
    del argv
    from l2l_tf import experiment

    rows = []
    print(
        f"{'parameters':>10} {'graph':<6} {'optimizer':<8} {'median ms':>10} "
        f"{'min':>8} {'max':>8} {'ratio':>7}"
    )
    for units in map(int, FLAGS.hidden_units):
        for jit_compile in (False, True):
            for row in _measure(units, jit_compile):
                rows.append(row)
                print(
                    f"{row['parameters']:>10} {row['graph']:<6} "
                    f"{row['optimizer']:<8} {row['median_ms']:>10.3f} "
                    f"{row['min_ms']:>8.3f} {row['max_ms']:>8.3f} "
                    f"{row['ratio_to_adam']:>7.1f}"
                )
    print(
        json.dumps(
            {
                "steps": rows,
                "cores": os.cpu_count(),
                "machine": platform.processor() or platform.machine(),
                "versions": experiment.versions(),
            },
            indent=2,
        )
    )


def _measure(units: int, jit_compile: bool) -> list[dict]:
    """Returns a row for each optimizer on an MLP of some width."""
    import keras
    import numpy as np

    from l2l_tf import LearnedOptimizer

    shapes = [[784, units], [units], [units, 10], [10]]
    steps = {
        name: _make_step(optimizer, shapes, jit_compile)
        for name, optimizer in (
            ("learned", LearnedOptimizer(FLAGS.optimizer)),
            ("adam", keras.optimizers.Adam()),
        )
    }
    milliseconds = {name: [] for name in steps}
    for repetition in range(FLAGS.repetitions + 1):
        for name, step in steps.items():
            began = time.perf_counter()
            step().numpy()
            if repetition:  # The first call compiles.
                elapsed = time.perf_counter() - began
                milliseconds[name].append(1e3 * elapsed)
    adam = np.median(milliseconds["adam"])
    return [
        {
            "parameters": sum(int(np.prod(shape)) for shape in shapes),
            "graph": "XLA" if jit_compile else "plain",
            "optimizer": name,
            "median_ms": float(np.median(values)),
            "min_ms": min(values),
            "max_ms": max(values),
            "ratio_to_adam": float(np.median(values) / adam),
        }
        for name, values in milliseconds.items()
    ]


def _make_step(optimizer, shapes, jit_compile: bool):
    import keras
    import tensorflow as tf

    variables = [keras.Variable(tf.zeros(shape)) for shape in shapes]
    gradients = [
        0.01 * tf.random.stateless_normal(shape, [0, index])
        for index, shape in enumerate(shapes)
    ]
    optimizer.build(variables)

    @tf.function(jit_compile=jit_compile)
    def step():
        optimizer.apply(gradients, variables)
        return variables[-1].value

    return step


if __name__ == "__main__":
    app.run(main)
