"""Times what several workers spend on each other, and predicts many more.

  python benchmarks/scaling.py
  python benchmarks/scaling.py --problem=mnist --workers=1,2,4

For each number of workers, processes on this machine train together, with one
optimizee each in every meta-step. Each times, by turns, its meta-steps, the
same meta-steps made alone (while the others do so, too), and a bare sum of
phi over workers. The difference of the first two is communication and waiting.
Prints tables, and JSON with the machine and versions.
"""

from __future__ import annotations

import json
import math
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import _measure
import numpy as np
from absl import app
from absl import flags
from absl import logging

FLAGS = flags.FLAGS

flags.DEFINE_string("problem", "quadratic", "What is trained on.")
flags.DEFINE_list("workers", ["1", "2", "4"], "Numbers of workers.")
flags.DEFINE_integer("runs", 10, "Timed runs, of 5 meta-steps each.")
flags.DEFINE_list("predicted", ["8", "64", "512"], "Workers to predict for.")
flags.DEFINE_float(
    "bandwidth", 1e9, "Bytes per second between two machines, assumed."
)
flags.DEFINE_string("file", None, "Where a worker writes; set by this program.")

_NUM_STEPS, _UNROLL_LENGTH = 100, 20
_DRAWS = 10_000


def main(argv: list[str]) -> None:
    """Starts workers, and prints what they found."""
    del argv
    if FLAGS.file:
        _work()
        return
    found = {int(count): _run_workers(int(count)) for count in FLAGS.workers}
    _print_measured(found)
    predicted = _predict(found)
    _measure.print_json(
        {
            "problem": FLAGS.problem,
            "measured": found,
            "predicted": predicted,
            "bandwidth": FLAGS.bandwidth,
        }
    )


def _run_workers(count: int) -> dict:
    """Returns what the chief of so many workers measures."""
    sockets = [socket.socket() for _ in range(count)]
    for free in sockets:
        free.bind(("localhost", 0))
    addresses = [f"localhost:{free.getsockname()[1]}" for free in sockets]
    for free in sockets:
        free.close()
    with tempfile.TemporaryDirectory() as folder:
        workers = [
            subprocess.Popen(
                [
                    *(sys.executable, __file__, f"--problem={FLAGS.problem}"),
                    f"--runs={FLAGS.runs}",
                    f"--file={folder}/{index}.json",
                ],
                env={
                    **os.environ,
                    "TF_CONFIG": json.dumps(
                        {
                            "cluster": {"worker": addresses},
                            "task": {"type": "worker", "index": index},
                        }
                    ),
                },
            )
            for index in range(count)
        ]
        if any(worker.wait() for worker in workers):
            sys.exit("Error: a worker has failed.")
        with open(f"{folder}/0.json") as file:
            return json.load(file)


def _work() -> None:
    """Measures as one of the workers."""
    logging.set_verbosity(logging.WARNING)
    from l2l_tf.core import strategies

    together = strategies.make("multi_worker")
    import tensorflow as tf

    from l2l_tf.meta_training import observation
    from l2l_tf.meta_training import settings
    from l2l_tf.meta_training import trainer
    from l2l_tf.problems import registry as problems
    from l2l_tf.rules import registry as rules

    problem = problems.make_problem(FLAGS.problem)

    def make(distribution):
        with distribution.scope():
            rule = rules.make_rule(
                problem.default_rule(), problem.parameter_names
            )
        return trainer.MetaTrainer(
            rule,
            problem,
            settings.Settings(
                num_epochs=100_000,
                num_steps=_NUM_STEPS,
                unroll_length=_UNROLL_LENGTH,
                num_optimizees=distribution.count,
                evaluation_period=100_000,
                num_lanes=1,
            ),
            distribution,
        )

    several, alone = make(together), make(strategies.make())
    phi = several.rule.trainable_variables
    total = tf.function(
        lambda: together.sum(together.run(lambda: [v + 0.0 for v in phi])),
        autograph=False,
    )
    seconds = {"together": [], "alone": [], "sum": []}
    runs = {"together": several.train(), "alone": alone.train()}
    unrolls = _NUM_STEPS // _UNROLL_LENGTH
    for repetition in range(FLAGS.runs + 1):
        for name, reports in runs.items():
            together.any(False)  # All begin at once.
            taken = next(reports).seconds / unrolls
            if repetition:
                seconds[name].append(taken)
        for _ in range(unrolls):
            began = time.perf_counter()
            total()[0].numpy()
            if repetition:
                seconds["sum"].append(time.perf_counter() - began)
    observer = observation.Observer(alone)
    seen = [observer.observe() for _ in range(FLAGS.runs)]
    optimizee = min(found.optimizee_seconds for found in seen)
    forward = min(found.forward_seconds for found in seen)
    result = {
        "bytes": int(sum(v.shape.num_elements() * v.dtype.size for v in phi)),
        "optimizee_s": optimizee / unrolls,
        "rule_s": (forward - optimizee) / unrolls,
        "sum_s": statistics.median(seconds["sum"]),
        "alone_s": statistics.median(seconds["alone"]),
        "together_s": statistics.median(seconds["together"]),
        "all_alone_s": seconds["alone"],
    }
    with open(FLAGS.file, "w") as file:
        json.dump(result, file)
    together.any(False)


def _print_measured(found: dict[int, dict]) -> None:
    print(f"\n{FLAGS.problem}: milliseconds per meta-step, medians")
    print(
        f"{'workers':>7} {'together':>9} {'alone':>9} {'between':>9} "
        f"{'bare sum':>9} {'optimizee':>9} {'rule':>9}"
    )
    for count, row in found.items():
        between = row["together_s"] - row["alone_s"]
        values = (
            *(row["together_s"], row["alone_s"], between, row["sum_s"]),
            *(row["optimizee_s"], row["rule_s"]),
        )
        print(f"{count:>7} " + " ".join(f"{1e3 * v:>9.2f}" for v in values))


def _predict(found: dict[int, dict]) -> dict:
    """Predicts one optimizee on each of many workers.

    A meta-step takes as long as the slowest of W estimates, drawn from those
    that one process made alone, and the sum: a ring needs 2 (W - 1) messages
    one after the other, a tree 2 log2 W.
    """
    first = found[min(found)]
    hops = [
        row["sum_s"] / (2 * (count - 1))
        for count, row in found.items()
        if count > 1
    ]
    hop = statistics.median(hops) if hops else math.nan
    draws = np.random.default_rng(0)
    mean = float(np.mean(first["all_alone_s"]))
    print(
        f"\nPredicted: {first['bytes']:,} bytes, {1e3 * hop:.3g} ms a message, "
        f"{FLAGS.bandwidth:.3g} bytes/s"
    )
    print(
        f"{'workers':>7} {'slowest ms':>10} {'ring ms':>9} {'tree ms':>9} "
        f"{'efficiency, ring':>16} {'tree':>6}"
    )
    predicted = {}
    for count in map(int, FLAGS.predicted):
        drawn = draws.choice(first["all_alone_s"], (_DRAWS, count))
        slowest = float(np.mean(np.max(drawn, axis=1)))
        part = first["bytes"] / count / FLAGS.bandwidth
        whole = first["bytes"] / FLAGS.bandwidth
        ring = 2 * (count - 1) * (hop + part)
        tree = 2 * math.ceil(math.log2(count)) * (hop + whole)
        row = {
            "slowest_s": slowest,
            "ring_s": ring,
            "tree_s": tree,
            "ring_efficiency": mean / (slowest + ring),
            "tree_efficiency": mean / (slowest + tree),
        }
        predicted[count] = row
        print(
            f"{count:>7} {1e3 * slowest:>10.2f} {1e3 * ring:>9.2f} "
            f"{1e3 * tree:>9.2f} {row['ring_efficiency']:>15.0%} "
            f"{row['tree_efficiency']:>6.0%}"
        )
    return predicted


if __name__ == "__main__":
    app.run(main)
