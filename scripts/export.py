"""Exports the best rule of an experiment as a SavedModel.

  python scripts/export.py --save_path=runs/quadratic --path=my_optimizer

train.py exports when it ends; this serves a run that was stopped before, or
one whose optimizer is to be written elsewhere.
"""

from __future__ import annotations

import _command_line as command_line
import _flags as command_flags
from absl import flags

FLAGS = flags.FLAGS

flags.DEFINE_string(
    "save_path", None, "Folder of the experiment, as given to train.py."
)
flags.DEFINE_string("path", None, "Folder to write the SavedModel to.")
flags.DEFINE_bool("overwrite", False, "Replace the folder at --path.")
flags.DEFINE_string(
    "problem",
    None,
    "The problem of your own, package.module:function, that the experiment is "
    "on; others are known from the folder.",
)
command_flags.define_integer(
    "test_runs",
    20,
    "Test runs whose results beside the baselines' go into the metadata; 0 "
    "for none.",
)
flags.DEFINE_alias("test_epochs", "test_runs")
flags.DEFINE_string("data_dir", None, "Folder of prepared TFDS data sets.")
command_flags.define_imports()


def main(argv: list[str]) -> None:
    """Exports as the flags say."""
    del argv
    from l2l_tf.meta_training import config as experiment_config
    from l2l_tf.meta_training import experiment as experiment_lib

    for name in ("save_path", "path"):
        if FLAGS[name].value is None:
            raise command_line.UsageError(f"--{name} is needed, see --help.")
    command_line.check_at_least(0, "test_runs")
    config = command_line.checked(
        experiment_config.read_config, FLAGS.save_path
    )
    if config is None:
        raise command_line.UsageError(
            f"--save_path={FLAGS.save_path!r} holds no experiment; accepted: "
            "a folder that train.py wrote."
        )
    name = FLAGS.problem or config.problem["name"]
    if name != config.problem["name"]:
        raise command_line.UsageError(
            f"--problem={name!r} is another problem than the experiment's, "
            f"{config.problem['name']!r}."
        )
    problem = command_line.build_problem(
        name, config.problem["options"], FLAGS.data_dir
    )
    experiment = command_line.checked(
        experiment_lib.Experiment, FLAGS.save_path, problem, config
    )
    if not experiment.restore():
        raise command_line.UsageError(
            f"--save_path={FLAGS.save_path!r} holds no checkpoint yet; the "
            "first follows the first validation."
        )
    exported = experiment.export(
        FLAGS.path,
        test_runs=FLAGS.test_runs,
        overwrite=FLAGS.overwrite,
    )
    print(f"Optimizer: {exported}")


if __name__ == "__main__":
    command_line.run(main)
