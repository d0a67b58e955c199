"""Meta-trains an optimizer, keeps the best and exports it as a SavedModel.

  python scripts/train.py --problem=quadratic --save_path=runs/quadratic

An epoch is one run of `num_steps` updates of the optimizee. A run that was
stopped, or killed, continues with --resume and ends as if it had not been.
"""

from __future__ import annotations

import shlex
import sys

import _command_line as command_line
from absl import flags

FLAGS = flags.FLAGS

flags.DEFINE_string(
    "problem",
    "simple",
    "What to train on: simple, simple-multi, quadratic, digits, mnist, "
    "fashion_mnist, image_classification (any TFDS set, see "
    "--problem_options) or ensemble.",
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
flags.DEFINE_integer("num_epochs", 10_000, "Number of epochs.")
flags.DEFINE_integer("log_period", 100, "Epochs between two log lines.")
flags.DEFINE_integer(
    "evaluation_period", 1_000, "Epochs between two validations."
)
flags.DEFINE_integer("evaluation_epochs", 20, "Runs per validation.")
flags.DEFINE_integer("num_steps", 100, "Updates of the optimizee per epoch.")
flags.DEFINE_integer(
    "unroll_length", 20, "Updates per unroll; divides --num_steps."
)
flags.DEFINE_float("learning_rate", 0.001, "Adam's learning rate on phi.")
flags.DEFINE_string(
    "learning_rate_schedule",
    "constant",
    "constant, or cosine: decay to zero at the last epoch.",
)
flags.DEFINE_float(
    "gradient_clip_norm", None, "Greatest norm of the meta-gradient."
)
flags.DEFINE_bool(
    "second_derivatives",
    False,
    "Differentiate through the optimizee's gradients.",
)
flags.DEFINE_string(
    "meta_gradient",
    None,
    "replay (exact, faster, less memory) or autodiff. Default: replay, and "
    "autodiff with --second_derivatives.",
)
flags.DEFINE_float(
    "coordinate_fraction",
    1.0,
    "Share of the coordinates that replay draws for each unroll; with less "
    "than 1 meta-gradients are unbiased estimates.",
)
flags.DEFINE_bool(
    "jit_compile",
    True,
    "Let XLA compile replay and validation; --nojit_compile for an optimizee "
    "that XLA cannot compile.",
)
flags.DEFINE_string(
    "step_weights",
    "constant",
    "Weights w_t of the losses of one unroll: constant, rising, last, or a "
    "JSON list of unroll_length + 1 numbers.",
)
flags.DEFINE_integer("batch_size", 1, "Optimizees per meta-step.")
flags.DEFINE_integer(
    "patience",
    None,
    "Stop after this many validations without a new best.",
)
flags.DEFINE_integer("seed", 0, "Seed of all randomness.")
flags.DEFINE_integer(
    "test_epochs",
    20,
    "Test runs at the end, whose results beside the baselines' go into the "
    "exported metadata; 0 for none.",
)

_SETTINGS = (
    "num_epochs",
    "num_steps",
    "unroll_length",
    "learning_rate",
    "learning_rate_schedule",
    "gradient_clip_norm",
    "batch_size",
    "second_derivatives",
    "meta_gradient",
    "coordinate_fraction",
    "jit_compile",
    "step_weights",
    "evaluation_period",
    "evaluation_epochs",
    "log_period",
    "patience",
    "seed",
)


def main(argv: list[str]) -> None:
    """Trains as the flags say."""
    del argv
    from l2l_tf.meta_training import config as experiment_config
    from l2l_tf.meta_training import experiment as experiment_lib

    save_path = FLAGS.save_path or f"runs/{FLAGS.problem}"
    command_line.checked(
        experiment_config.check_folder, save_path, FLAGS.resume, FLAGS.overwrite
    )
    command_line.check_at_least(0, "test_epochs")
    saved = None
    if FLAGS.resume:
        saved = command_line.checked(experiment_config.read_config, save_path)
        if saved is None:
            print(f"There is nothing to resume in {save_path}: starting anew.")
    problem, config = describe(saved)
    if saved is not None:
        command_line.checked(experiment_config.check_same, saved, config)
    experiment = command_line.checked(
        experiment_lib.Experiment, save_path, problem, config
    )
    if FLAGS.overwrite:
        experiment_config.remove_folder(save_path)
    exported = experiment_lib.run(
        experiment,
        log_dir=FLAGS.log_dir,
        test_runs=FLAGS.test_epochs,
    )
    print(f"Optimizer: {exported}")
    print(f"TensorBoard: tensorboard --logdir {FLAGS.log_dir or save_path}")


def describe(saved):
    """Returns the problem and the configuration that the flags describe.

    On resuming, a flag that is not given keeps the value it had.
    """
    from l2l_tf.core import options
    from l2l_tf.meta_gradients import meta_loss
    from l2l_tf.meta_training import config as experiment_config
    from l2l_tf.meta_training import experiment as experiment_lib
    from l2l_tf.meta_training import settings as settings_lib

    name, problem_options = FLAGS.problem, FLAGS.problem_options
    settings = {key: FLAGS[key].value for key in _SETTINGS}
    if settings["step_weights"] not in meta_loss.NAMED_WEIGHTS:
        weights = options.parse(
            f"w={settings['step_weights']}", "step_weights"
        )["w"]
        settings["step_weights"] = (
            tuple(weights) if isinstance(weights, list) else weights
        )
    initial_optimizer = FLAGS.initial_optimizer
    if saved is not None:
        old = saved.to_json()
        settings = {
            key: settings[key] if FLAGS[key].present else old["settings"][key]
            for key in _SETTINGS
        }
        if not FLAGS["problem"].present:
            name = old["problem"]["name"]
        if not FLAGS["initial_optimizer"].present:
            initial_optimizer = saved.initial_optimizer
        if not FLAGS["problem_options"].present:
            problem_options = old["problem"]["options"]
    problem = command_line.build_problem(name, problem_options, FLAGS.data_dir)
    rule = None
    if FLAGS["rule_options"].present:
        rule = _rule(problem)
    elif saved is not None:
        rule = saved.rule
    elif initial_optimizer is None:
        rule = _rule(problem)
    config = experiment_config.Config(
        problem.config(),
        command_line.checked(
            experiment_lib.complete_rule, rule, problem, initial_optimizer
        ),
        command_line.checked(settings_lib.Settings, **settings),
        initial_optimizer,
        saved.command if saved else shlex.join(["python", *sys.argv]),
    )
    return problem, config


def _rule(problem) -> dict:
    """Returns the rule that the flags ask for, in what suits the problem."""
    from l2l_tf.core import options
    from l2l_tf.rules import registry

    rule = command_line.checked(
        options.parse, FLAGS.rule_options, "rule_options"
    )
    default = problem.default_rule()
    name = rule.get("rule", default["rule"])
    if name == default["rule"]:
        rule = {**default, **rule}
    if name in registry.RULES and "seed" in registry.accepted_options(name):
        # The seed also draws phi's initial values, unless told otherwise.
        rule = {"seed": FLAGS.seed, **rule}
    return rule


if __name__ == "__main__":
    command_line.run(main)
