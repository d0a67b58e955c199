"""Measures how time and peak memory of a meta-step grow with parameters.

  python benchmarks/meta_memory.py

For MLPs on MNIST of growing width, one process each: seconds of an unroll of
20 steps with its meta-gradient, and the process's peak memory, data and
TensorFlow included. Prints the power p in time ~ parameters^p.
"""

from __future__ import annotations

import json
import subprocess
import sys

import _measure
from absl import app
from absl import flags

FLAGS = flags.FLAGS

flags.DEFINE_list("replay", ["13", "40", "126", "378", "1257"], "Hidden units.")
flags.DEFINE_list("autodiff", ["13", "40", "126", "252"], "Hidden units.")
flags.DEFINE_integer("repetitions", 5, "Timed unrolls of each.")
flags.DEFINE_string("one", None, "Measure ESTIMATOR:UNITS in this process.")


def main(argv: list[str]) -> None:
    """Measures and prints."""
    del argv
    if FLAGS.one:
        estimator, units = FLAGS.one.split(":")
        print(json.dumps(_measure_one(estimator, int(units))))
        return
    results = {}
    for estimator in ("replay", "autodiff"):
        rows = [_in_a_process(estimator, u) for u in FLAGS[estimator].value]
        results[estimator] = {"rows": rows, "power": _power(rows)}
        print(f"\n{estimator}, power {results[estimator]['power']:.2f}")
        print(f"{'parameters':>10} {'median s':>9} {'first s':>8} {'GiB':>6}")
        for row in rows:
            print(
                f"{row['parameters']:>10} {row['median_s']:>9.3f} "
                f"{row['first_call_s']:>8.1f} {row['peak_memory_gib']:>6.2f}",
                flush=True,
            )
    _measure.print_json(results)


def _in_a_process(estimator: str, units: str) -> dict:
    command = [
        sys.executable,
        __file__,
        f"--one={estimator}:{units}",
        f"--repetitions={FLAGS.repetitions}",
    ]
    output = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ).stdout
    return json.loads(output.splitlines()[-1])


def _measure_one(estimator: str, units: int) -> dict:
    import tensorflow as tf

    from l2l_tf.core import randomness
    from l2l_tf.meta_gradients import meta_loss
    from l2l_tf.meta_gradients import registry
    from l2l_tf.meta_gradients import unroll
    from l2l_tf.meta_training import settings
    from l2l_tf.problems import registry as problems
    from l2l_tf.rules import registry as rules

    problem = problems.make_problem("mnist", hidden_layers=[units])
    rule = rules.make_rule(problem.default_rule())
    step_weights = meta_loss.step_weights("constant", 20)
    chosen = settings.Settings(meta_gradient=estimator)
    estimate = registry.ESTIMATORS.build(
        estimator,
        rule,
        problem,
        step_weights,
        **chosen.resolved().estimator_options,
    )
    step = tf.function(lambda run: estimate(run, ()))
    start = tf.function(lambda seed: unroll.start(rule, problem, seed))
    run = start(randomness.run_seed(0, "train", 0))
    parameters = sum(param.shape.num_elements() for param in run.params)

    def advance(index):
        del index
        nonlocal run
        result = step(run)
        run = result.run
        return [gradient.numpy() for gradient in result.gradients]

    [result] = _measure.alternate(
        {estimator: advance}, FLAGS.repetitions
    ).values()
    return {
        "parameters": parameters,
        **result,
        "peak_memory_gib": _measure.peak_memory_gib(),
    }


def _power(rows: list[dict]) -> float:
    import numpy as np

    return float(
        np.polyfit(
            np.log([row["parameters"] for row in rows]),
            np.log([row["median_s"] for row in rows]),
            1,
        )[0]
    )


if __name__ == "__main__":
    app.run(main)
