"""Trains with 1, 4, 16 and 64 optimizees per meta-step, equally many steps.

  python benchmarks/optimizees_per_step.py --problem=quadratic
  python benchmarks/optimizees_per_step.py --problem=digits --meta_steps=200

What more workers are good for: each has its own optimizees in a meta-step, so
that a step costs no more time, and its meta-gradient varies less. The loss is
validation's, the mean over the last tenth of the steps of fresh runs, at the
best of the learning rates. Prints a table; with --output, what was found goes
into OUTPUT.json, beside other problems', and all of it is drawn in OUTPUT.png.
"""

from __future__ import annotations

import math
import pathlib
import time

import _measure
from absl import app
from absl import flags

FLAGS = flags.FLAGS

flags.DEFINE_string("problem", "quadratic", "What is trained on.")
flags.DEFINE_list("counts", ["1", "4", "16", "64"], "Optimizees per step.")
flags.DEFINE_list("learning_rates", ["0.003", "0.01"], "Of Adam on phi.")
flags.DEFINE_integer("meta_steps", 200, "Meta-steps; 5 are a run.")
flags.DEFINE_integer("seeds", 1, "Trainings of each kind.")
flags.DEFINE_integer("validation_runs", 20, "Runs of a validation.")
flags.DEFINE_string("output", None, "Path less .json and .png.")

_NUM_STEPS, _UNROLL_LENGTH = 100, 20


def main(argv: list[str]) -> None:
    """Trains, prints, and draws."""
    del argv
    from l2l_tf.core import files

    print(
        f"{FLAGS.problem}: validation loss after {FLAGS.meta_steps} meta-steps"
    )
    print(f"{'optimizees':>10} {'rate':>7} {'losses'}")
    found = {}
    for count in map(int, FLAGS.counts):
        trials = {
            rate: [
                _train(count, float(rate), seed) for seed in range(FLAGS.seeds)
            ]
            for rate in FLAGS.learning_rates
        }
        best = min(trials, key=lambda rate: sum(trials[rate]))
        found[count] = {"learning_rate": float(best), "losses": trials[best]}
        losses = " ".join(f"{loss:.4g}" for loss in trials[best])
        print(f"{count:>10} {best:>7} {losses}", flush=True)
    if FLAGS.output:
        file = pathlib.Path(f"{FLAGS.output}.json")
        everything = files.read_json(file) if file.exists() else {}
        everything[FLAGS.problem] = {
            "meta_steps": FLAGS.meta_steps,
            "optimizees": {str(count): row for count, row in found.items()},
            "machine": _measure.machine(),
        }
        files.write_json(file, everything)
        _draw(everything)


def _train(count: int, rate: float, seed: int) -> float:
    from l2l_tf.meta_training import settings
    from l2l_tf.meta_training import trainer
    from l2l_tf.problems import registry as problems
    from l2l_tf.rules import registry as rules

    began = time.perf_counter()
    runs = FLAGS.meta_steps * _UNROLL_LENGTH // _NUM_STEPS
    problem = problems.make_problem(FLAGS.problem)
    config = rules.with_seed(problem.default_rule(), seed)
    training = trainer.MetaTrainer(
        rules.make_rule(config, problem.parameter_names),
        problem,
        settings.Settings(
            num_epochs=runs,
            num_steps=_NUM_STEPS,
            unroll_length=_UNROLL_LENGTH,
            num_optimizees=count,
            learning_rate=rate,
            gradient_clip_norm=1.0,
            evaluation_period=runs,
            evaluation_epochs=FLAGS.validation_runs,
            seed=seed,
        ),
    )
    *_, last = training.train()
    print(
        f"  {count} at {rate:g}: {last.validation_loss:.4g}, "
        f"{time.perf_counter() - began:.0f} s",
        flush=True,
    )
    loss = last.validation_loss
    return loss if math.isfinite(loss) else math.inf


def _draw(everything: dict) -> None:
    from l2l_tf.evaluation import plotting

    figure, axes = plotting.grid(len(everything))
    for panel, (problem, found) in zip(axes, everything.items(), strict=True):
        counts = [int(count) for count in found["optimizees"]]
        rows = found["optimizees"].values()
        means = [sum(r["losses"]) / len(r["losses"]) for r in rows]
        panel.plot(counts, means, color="black")
        for count, row in zip(counts, rows, strict=True):
            losses = row["losses"]
            panel.plot([count] * len(losses), losses, "o", color="black")
        panel.set_title(f"{problem}, {found['meta_steps']} meta-steps")
        panel.set_xscale("log", base=4)
        panel.set_xticks(counts, labels=[str(count) for count in counts])
        panel.set_xlabel("optimizees per meta-step")
        panel.set_ylabel("validation loss")
    print(f"Plot: {plotting.save(figure, f'{FLAGS.output}.png')}")


if __name__ == "__main__":
    app.run(main)
