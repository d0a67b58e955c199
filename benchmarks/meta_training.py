"""Times meta-training and evaluation, per run of 100 steps.

  python benchmarks/meta_training.py --problem=digits

Runs of all variants alternate in one process. Prints a table, and JSON with
medians, spreads, the machine and versions.
"""

from __future__ import annotations

import json
import os
import pathlib
import platform
import resource
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from absl import app  # noqa: E402
from absl import flags  # noqa: E402

FLAGS = flags.FLAGS

flags.DEFINE_string("problem", "digits", "The problem; as for train.py.")
flags.DEFINE_integer("repetitions", 7, "Timed runs of each variant.")

_NUM_STEPS = 100
_UNROLL_LENGTH = 20


def main(argv: list[str]) -> None:
    """Measures and prints."""
    del argv
    import numpy as np

    from l2l_tf import experiment
    from l2l_tf.problems import registry as problems
    from l2l_tf.rules import registry as rules

    problem = problems.make_problem(FLAGS.problem)
    rule = rules.make_rule(problem.default_rule(), problem.parameter_names)
    variants = _variants(problem, rule)
    first = {name: _seconds(run, 0) for name, run in variants.items()}
    seconds = {name: [] for name in variants}
    for repetition in range(1, FLAGS.repetitions + 1):
        for name, run in variants.items():
            seconds[name].append(_seconds(run, repetition))
    reference = np.median(seconds["meta-training, autodiff"])
    results = {
        name: {
            "median_s": float(np.median(values)),
            "min_s": min(values),
            "max_s": max(values),
            "ratio": float(np.median(values) / reference),
            "first_call_s": first[name],
        }
        for name, values in seconds.items()
    }
    print(f"{'variant':<28} {'median':>8} {'min':>8} {'max':>8} {'ratio':>6}")
    for name, result in results.items():
        print(
            f"{name:<28} {result['median_s']:>8.4f} {result['min_s']:>8.4f} "
            f"{result['max_s']:>8.4f} {result['ratio']:>6.2f}"
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        json.dumps(
            {
                "problem": FLAGS.problem,
                "num_steps": _NUM_STEPS,
                "seconds_per_run": results,
                "peak_memory_gib": round(peak, 3),
                "cores": os.cpu_count(),
                "machine": platform.processor() or platform.machine(),
                "versions": experiment.versions(),
            },
            indent=2,
        )
    )


def _variants(problem, rule):
    """Returns functions of a run's index, each one run of 100 steps."""
    import tensorflow as tf

    from l2l_tf import meta_gradients
    from l2l_tf import meta_loss
    from l2l_tf import randomness
    from l2l_tf import unroll

    weights = meta_loss.step_weights("constant", _UNROLL_LENGTH)
    start = tf.function(lambda seed: unroll.start(rule, problem, seed))
    differentiate = tf.function(
        lambda run: meta_gradients.autodiff(rule, problem, run, weights)
    )

    def forward(seed):
        run = unroll.start(rule, problem, seed)
        return unroll.unroll(rule, problem, run, _NUM_STEPS)[0]

    plain = tf.function(forward)
    compiled = tf.function(forward, jit_compile=True)

    def train(seed):
        run = start(seed)
        for _ in range(_NUM_STEPS // _UNROLL_LENGTH):
            result = differentiate(run)
            run = result.run
        return result.loss

    def on_index(function):
        return lambda i: function(randomness.run_seed(0, "train", i)).numpy()

    return {
        "meta-training, autodiff": on_index(train),
        "forward, plain graph": on_index(plain),
        "forward, XLA": on_index(compiled),
    }


def _seconds(run, index: int) -> float:
    began = time.perf_counter()
    run(index)
    return time.perf_counter() - began


if __name__ == "__main__":
    app.run(main)
