"""Meta-trains an optimizer, keeps the best and exports it as a SavedModel.

  python scripts/train.py --problem=quadratic --save_path=runs/quadratic

A run is `num_steps` updates of the optimizee. A training that was stopped, or
killed, continues with --resume and ends as if it had not been.
"""

from __future__ import annotations

import dataclasses
import shlex
import sys

import _command_line as command_line
import _flags as command_flags
from absl import flags

FLAGS = flags.FLAGS

flags.DEFINE_string(
    "problem",
    "simple",
    "What to train on, such as quadratic, mnist or image_convnet (any TFDS "
    "set, see --problem_options; an unknown name prints the list), or a "
    "function of your own, package.module:function.",
)
flags.DEFINE_string(
    "problem_options",
    "",
    "Options of the problem, as JSON or key=value,...: for instance "
    "hidden_layers=[20,20],activation=relu or dataset=kmnist.",
)
flags.DEFINE_string(
    "rule_options",
    "",
    "Options of the learned rule, as JSON or key=value,...: for instance "
    "layers=[20,20],scale=0.1,preprocessing=log_and_sign,"
    "preprocessing_options.p=10. What is not given suits the problem.",
)
flags.DEFINE_string(
    "save_path",
    None,
    "Folder of the experiment: checkpoints, logs and the exported optimizer. "
    "Default: runs/PROBLEM.",
)
flags.DEFINE_bool("resume", False, "Continue the experiment in --save_path.")
flags.DEFINE_bool("overwrite", False, "Replace the experiment in --save_path.")
flags.DEFINE_string(
    "log_dir",
    None,
    "TensorBoard's folder. Default: SAVE_PATH/logs.",
    # absl's own logging has a flag of this name, for files we do not write.
    allow_override=True,
)
flags.DEFINE_bool("tensorboard", True, "Write TensorBoard's files.")
command_flags.define_integer(
    "profile",
    0,
    "Runs that TensorFlow's profiler records into TensorBoard's folder.",
)
flags.DEFINE_string(
    "data_dir",
    None,
    "Folder of prepared TFDS data sets. Default: the environment's "
    "TFDS_DATA_DIR, or ~/tensorflow_datasets.",
)
flags.DEFINE_string(
    "initial_optimizer",
    None,
    "Start from this saved optimizer (a bundled name or a path) instead of "
    "fresh weights.",
)
flags.DEFINE_string(
    "recipe",
    None,
    "Train in the stages of a recipe: the name of a bundled one, such as "
    "mnist, or the path of a JSON or Python file. Takes --save_path, --resume, "
    "--overwrite, --test_runs, --data_dir, --imports, --tensorboard, "
    "--profile, --strategy and --num_devices; the stages say the rest.",
)
command_flags.define_imports()
command_flags.define_strategy()
command_flags.define_settings()
command_flags.define_integer(
    "test_runs",
    20,
    "Test runs at the end, whose results beside the baselines' go into the "
    "exported metadata; 0 for none.",
)
flags.DEFINE_alias("test_epochs", "test_runs")

# What a recipe's stages do not say.
_WITH_RECIPE = (
    "recipe",
    "save_path",
    "resume",
    "overwrite",
    "test_runs",
    "test_epochs",
    "data_dir",
    "imports",
    "tensorboard",
    "profile",
    "strategy",
    "num_devices",
)


def main(argv: list[str]) -> None:
    """Trains as the flags say."""
    del argv
    command_line.check_at_least(0, "test_runs", "profile")
    log = describe_log()
    distribution = command_line.make_distribution()
    if FLAGS.recipe is not None:
        _train_recipe(log, distribution)
        return
    from l2l_tf.core import folders
    from l2l_tf.meta_training import config as experiment_config
    from l2l_tf.meta_training import experiment as experiment_lib

    if FLAGS.log_dir is not None:
        command_line.checked(folders.check_place, "log_dir", FLAGS.log_dir)
    save_path = FLAGS.save_path or f"runs/{FLAGS.problem}"
    if distribution.is_chief:
        command_line.checked(
            experiment_config.check_folder,
            save_path,
            FLAGS.resume,
            FLAGS.overwrite,
        )
    saved = None
    if FLAGS.resume:
        saved = command_line.checked(experiment_config.read_config, save_path)
        if saved is None:
            print(f"There is nothing to resume in {save_path}: starting anew.")
    problem, config = describe(saved)
    if saved is not None:
        config = command_line.checked(
            experiment_config.continued, saved, config
        )
    experiment = command_line.checked(
        experiment_lib.Experiment, save_path, problem, config, distribution
    )
    exported = experiment_lib.run(
        experiment,
        log_dir=FLAGS.log_dir,
        test_runs=FLAGS.test_runs,
        overwrite=FLAGS.overwrite,
        log=log,
    )
    print(f"Optimizer: {exported}")
    if log.is_on and distribution.is_chief:
        print(f"TensorBoard: tensorboard --logdir {FLAGS.log_dir or save_path}")


def describe(saved):
    """Returns the problem and the configuration that the flags describe.

    On resuming, a flag that is not given keeps the value it had.
    """
    from l2l_tf.core import options
    from l2l_tf.meta_training import config as experiment_config
    from l2l_tf.meta_training import preparation
    from l2l_tf.meta_training import settings as settings_lib
    from l2l_tf.problems import description

    name, problem_options = FLAGS.problem, FLAGS.problem_options
    initial_optimizer = FLAGS.initial_optimizer
    if saved is not None:
        if not FLAGS["problem"].present:
            name = saved.problem["name"]
        if not FLAGS["initial_optimizer"].present:
            initial_optimizer = saved.initial_optimizer
        if not FLAGS["problem_options"].present:
            problem_options = saved.problem["options"]
    settings = command_line.checked(
        settings_lib.make, _settings(saved.settings if saved else None)
    )
    problem = command_line.build_problem(name, problem_options, FLAGS.data_dir)
    rule = None
    if FLAGS["rule_options"].present:
        rule = preparation.suited_rule(
            command_line.checked(
                options.parse, FLAGS.rule_options, "rule_options"
            ),
            problem,
        )
    elif saved is not None:
        rule = saved.rule
    elif initial_optimizer is None:
        rule = command_line.checked(description.default_rule, problem)
    config = experiment_config.Config(
        problem.config(),
        command_line.checked_options(
            preparation.complete_rule,
            rule,
            problem,
            initial_optimizer,
            settings.seed,
        ),
        settings,
        initial_optimizer,
        saved.command if saved else _command(),
    )
    return problem, config


def describe_log():
    """Returns what the flags say is written for TensorBoard."""
    from l2l_tf.meta_training import event_log

    return command_line.checked_options(
        event_log.Log,
        FLAGS.tensorboard,
        known_rates=command_line.known_rates,
        profile=FLAGS.profile,
    )


def _settings(saved) -> dict:
    """Returns the settings that the flags ask for."""
    from l2l_tf.core import options
    from l2l_tf.meta_gradients import meta_loss
    from l2l_tf.meta_training import settings as settings_lib

    values = {}
    for field in dataclasses.fields(settings_lib.Settings):
        flag = FLAGS[field.name]
        keep = saved is not None and not flag.present
        values[field.name] = getattr(saved, field.name) if keep else flag.value
    chosen = values["step_weights"]
    if isinstance(chosen, str) and chosen not in meta_loss.NAMES:
        values["step_weights"] = command_line.checked(
            options.parse, f"w={chosen}", "step_weights"
        )["w"]
    return values


def _train_recipe(log, distribution) -> None:
    from l2l_tf.meta_training import recipe as recipe_lib
    from l2l_tf.meta_training import stages

    others = [
        f"--{name}"
        for name in command_flags.own_flags()
        if FLAGS[name].present and name not in _WITH_RECIPE
    ]
    if others:
        raise command_line.UsageError(
            f"{', '.join(others)} cannot be given with --recipe, whose stages "
            "say how to train."
        )
    command_line.set_data_dir(FLAGS.data_dir)
    if FLAGS.recipe.endswith(".py"):
        command_line.import_from_here()
    recipe = command_line.checked(
        recipe_lib.load, FLAGS.recipe, allow_python=True
    )
    training = command_line.checked(
        stages.Training,
        recipe,
        FLAGS.save_path or f"runs/{recipe.name}",
        resume=FLAGS.resume,
        overwrite=FLAGS.overwrite,
        command=_command(),
        distribution=distribution,
    )
    exported = training.run(FLAGS.test_runs, log)
    print(f"Optimizer: {exported}")


def _command() -> str:
    return shlex.join(["python", *sys.argv])


if __name__ == "__main__":
    command_line.run(main)
