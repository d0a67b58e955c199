"""Searches the meta learning rate at random, as the paper did.

  python scripts/search.py --problem=quadratic --num_trials=8 --num_epochs=300

Takes all flags of train.py; each trial is an experiment of its own. Run again
with the same flags, an interrupted search continues, and with a greater
--num_trials a finished one goes on.
"""

from __future__ import annotations

import _command_line as command_line
import _flags as command_flags
import train
from absl import flags

FLAGS = flags.FLAGS

flags.adopt_module_key_flags(train)
command_flags.define_integer("num_trials", 10, "Number of rates to try.")
flags.DEFINE_float("lowest_rate", 1e-4, "The least rate.")
flags.DEFINE_float("highest_rate", 3e-2, "The greatest rate.")
# Of all trials one is used; --test_runs=20 tests each.
FLAGS.set_default("test_runs", 0)


def main(argv: list[str]) -> None:
    """Searches as the flags say."""
    del argv
    from l2l_tf.meta_training import search as meta_search

    for name in ("learning_rate", "resume", "overwrite", "recipe", "log_dir"):
        if FLAGS[name].present:
            raise command_line.UsageError(
                f"--{name} is for train.py; a search draws its rates, always "
                "continues, has one stage, and keeps the logs of each trial "
                "in the trial's own folder."
            )
    problem, config = train.describe(None)
    trials = []
    search = meta_search.search(
        FLAGS.save_path or f"runs/search-{FLAGS.problem}",
        problem,
        config,
        FLAGS.num_trials,
        FLAGS.lowest_rate,
        FLAGS.highest_rate,
        FLAGS.test_runs,
        train.describe_log(),
    )
    while (trial := command_line.checked(next, search, None)) is not None:
        trials.append(trial)
        print(meta_search.table(trials), flush=True)
    best = min(trials, key=lambda trial: trial.loss)
    if best.optimizer is None:
        raise command_line.UsageError(
            "No trial gave a finite validation loss; search with a smaller "
            "--highest_rate or a --gradient_clip_norm."
        )
    print(f"Best: rate {best.learning_rate:.3g}, {best.optimizer}")


if __name__ == "__main__":
    command_line.run(main)
