"""Evaluates an optimizer on fresh draws of a problem.

python scripts/evaluate.py --problem=quadratic --path=quadratic
python scripts/evaluate.py --problem=mnist --path=mnist --compare=all
python scripts/evaluate.py --problem=my_module:make_problem --optimizer=adam
python scripts/evaluate.py --suite=general --optimizers=mnist-robust
"""

from __future__ import annotations

import math
import time

import _command_line as command_line
import _flags as command_flags
import _suite
from absl import flags

FLAGS = flags.FLAGS

flags.DEFINE_string(
    "problem",
    "simple",
    "The problem; as for train.py, or package.module:function for one of your "
    "own, imported from the working directory or from what is installed: the "
    "function takes split and the options, and returns a problem.",
)
flags.DEFINE_string(
    "problem_options", "", "Options of the problem; as for train.py."
)
flags.DEFINE_string(
    "optimizer",
    "L2L",
    "L2L for a learned one (see --path), or a hand-designed one such as adam "
    "(an unknown name prints the list).",
)
flags.DEFINE_string(
    "path",
    None,
    "The learned optimizer: the name of a bundled one, or the path of a "
    "folder that train.py or export.py wrote.",
)
flags.DEFINE_float(
    "learning_rate",
    None,
    "Learning rate of a hand-designed optimizer. Default: the best one found "
    "by a search on validation draws.",
)
flags.DEFINE_string(
    "compare",
    "",
    "Hand-designed optimizers to compare with, separated by commas, each with "
    "its searched learning rate; or all.",
)
command_flags.define_integer("num_epochs", 100, "Number of runs.")
command_flags.define_integer("num_steps", 100, "Updates per run.")
command_flags.define_integer(
    "search_runs", 10, "Validation runs per learning rate of a search."
)
flags.DEFINE_alias("search_epochs", "search_runs")
flags.DEFINE_string(
    "rate_search",
    "grid",
    "How learning rates are searched: grid, all steps at every rate, or "
    "halving, few steps at all rates and all steps at the best few.",
)
flags.DEFINE_string(
    "split", "test", "Data to draw runs from: train, validation or test."
)
command_flags.define_integer("seed", 0, "Seed of the runs.")
flags.DEFINE_string("data_dir", None, "Folder of prepared TFDS data sets.")
command_flags.define_imports()
command_flags.define_strategy()
flags.DEFINE_bool(
    "jit_compile",
    True,
    "Let XLA compile the learned optimizer's runs; --nojit_compile for an "
    "optimizee that XLA cannot compile.",
)
flags.DEFINE_string("json_path", None, "Where to write the results as JSON.")
flags.DEFINE_string("plot_path", None, "Where to draw the learning curves.")


def main(argv: list[str]) -> None:
    """Evaluates as the flags say."""
    del argv
    _suite.check_flags()
    if FLAGS.suite is not None:
        _suite.evaluate()
        return
    from l2l_tf.core import files
    from l2l_tf.evaluation import comparison
    from l2l_tf.evaluation import plotting
    from l2l_tf.evaluation import rate_search
    from l2l_tf.meta_training import problem_interface
    from l2l_tf.meta_training import rule_interface
    from l2l_tf.problems import base
    from l2l_tf.rules import hand_designed
    from l2l_tf.saving import metadata as metadata_lib
    from l2l_tf.saving import saved_optimizer

    command_line.checked(base.check_split, FLAGS.split)
    command_line.check_at_least(1, "num_epochs", "num_steps", "search_runs")
    command_line.check_output("json_path", "plot_path")
    distribution = command_line.make_distribution()
    problem = command_line.build_problem(
        FLAGS.problem, FLAGS.problem_options, FLAGS.data_dir
    )
    for member in problem.members:
        command_line.checked(problem_interface.check, member)
    known = hand_designed.names()
    baselines = _names(FLAGS.compare, known)
    name = FLAGS.optimizer.lower()
    learned, rates = {}, {}
    if name == "l2l":
        if FLAGS.path is None:
            raise command_line.UsageError(
                "--optimizer=L2L needs --path: a bundled optimizer, one of "
                f"{metadata_lib.bundled_names()}, or the folder of another."
            )
        if FLAGS.learning_rate is not None:
            raise command_line.UsageError(
                "--learning_rate is for hand-designed optimizers; a learned "
                "one chooses its own step sizes."
            )
        with distribution.scope():
            rule = command_line.checked(saved_optimizer.load, FLAGS.path)
        command_line.checked(rule_interface.check_on, rule, problem)
        learned[comparison.LEARNED] = rule
    elif FLAGS.path is not None:
        raise command_line.UsageError(
            f"--path is for --optimizer=L2L; received {FLAGS.optimizer!r}."
        )
    elif name in known:
        baselines = [name, *(b for b in baselines if b != name)]
        if FLAGS.learning_rate is not None:
            if not 0 < FLAGS.learning_rate < math.inf:
                raise command_line.UsageError(
                    "--learning_rate must be above 0; received "
                    f"{FLAGS.learning_rate}."
                )
            rates = {name: FLAGS.learning_rate}
    else:
        raise command_line.UsageError(
            f"Unknown --optimizer={FLAGS.optimizer!r}; accepted: L2L, "
            f"{', '.join(known)}."
        )
    command_line.checked(rate_search.SEARCHES.get, FLAGS.rate_search)
    began = time.perf_counter()
    results = comparison.compare(
        problem,
        FLAGS.split,
        FLAGS.num_steps,
        FLAGS.num_epochs,
        FLAGS.seed,
        learned,
        baselines,
        rates,
        FLAGS.search_runs,
        FLAGS.jit_compile,
        FLAGS.rate_search,
        distribution,
    )
    if not distribution.is_chief:
        return
    print(comparison.table(results))
    if results["search_steps"]:
        steps = sum(results["search_steps"].values())
        print(f"Steps of the search of rates: {steps:,}")
    first = next(iter(results["optimizers"].values()))
    final = first["final"]
    # Zero is a perfect result, NaN a failed run; losses may be negative.
    log_error = -math.inf if final == 0 else math.nan
    if not final <= 0:
        log_error = math.log10(final)
    print(f"Log Mean Final Error: {log_error:.2f}")
    print(f"Seconds: {time.perf_counter() - began:.1f}")
    if FLAGS.json_path:
        print(f"Results: {files.write_json(FLAGS.json_path, results)}")
    if FLAGS.plot_path:
        figure = plotting.comparison(results)
        print(f"Plot: {plotting.save(figure, FLAGS.plot_path)}")


def _names(text: str, known: list[str]) -> list[str]:
    if text == "all":
        return known
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise command_line.UsageError(
            f"Unknown optimizers {unknown} in --compare; accepted: all, "
            f"{', '.join(known)}."
        )
    return list(dict.fromkeys(names))


if __name__ == "__main__":
    command_line.run(main)
