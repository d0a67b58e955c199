"""Times what TensorBoard's files cost meta-training.

  python benchmarks/event_log.py
  python benchmarks/event_log.py --problem=mnist --num_steps=100

Meta-trains for some runs and prints, beside the seconds of a run and of a
validation, those of what is written after each: medians, and the first time,
when baselines are run and the close look at a run is compiled. Then the size of
the file; JSON follows with the machine and versions.
"""

from __future__ import annotations

import collections
import pathlib
import statistics
import tempfile
import time

import _measure
from absl import app
from absl import flags

FLAGS = flags.FLAGS

flags.DEFINE_string("problem", "quadratic", "The problem.")
flags.DEFINE_integer("num_steps", 100, "Updates per run, in unrolls of 20.")
flags.DEFINE_integer("validations", 5, "How many validations to make.")
flags.DEFINE_integer("period", 10, "Runs between two validations.")


def main(argv: list[str]) -> None:
    """Measures and prints."""
    del argv
    from l2l_tf.meta_training import config as config_lib
    from l2l_tf.meta_training import event_log
    from l2l_tf.meta_training import preparation
    from l2l_tf.meta_training import settings
    from l2l_tf.problems import registry

    problem = registry.make_problem(FLAGS.problem)
    config = config_lib.Config(
        problem.config(),
        preparation.complete_rule(None, problem),
        settings.make(
            {
                "num_epochs": FLAGS.validations * FLAGS.period,
                "num_steps": FLAGS.num_steps,
                "evaluation_period": FLAGS.period,
            }
        ).resolved(),
    )
    trainer = preparation.make_trainer(problem, config)
    seconds = collections.defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        reporter = event_log.TensorBoardReporter(
            folder, trainer, config, event_log.Log(), "benchmark"
        )
        for report in trainer.train():
            seconds["a run"].append(report.seconds)
            is_validated = report.validation is not None
            if is_validated:
                seconds["a validation"].append(report.validation_seconds)
            began = time.perf_counter()
            reporter.after_run(report)
            kind = "a validation" if is_validated else "a run"
            seconds[f"the report of {kind}"].append(time.perf_counter() - began)
        reporter.close()
        size = sum(
            file.stat().st_size
            for file in pathlib.Path(folder).glob("events.out.tfevents.*")
        )
    results = {
        name: {"median_s": statistics.median(rest), "first_s": first}
        for name, (first, *rest) in seconds.items()
    }
    print(f"{FLAGS.problem}\n{'':<28} {'median s':>9} {'first':>9}")
    for name, row in results.items():
        print(f"{name:<28} {row['median_s']:>9.4f} {row['first_s']:>9.3f}")
    print(f"{size / 1e6:.2f} MB in all")
    _measure.print_json({"problem": FLAGS.problem, "seconds": results})


if __name__ == "__main__":
    app.run(main)
