"""What evaluate.py does with --suite: Keras problems that nothing trained on.

python scripts/evaluate.py --suite=general --optimizers=mnist-robust,runs/mine
"""

from __future__ import annotations

import hashlib
import time

import _command_line as command_line
import _flags as command_flags
from absl import flags

FLAGS = flags.FLAGS

flags.DEFINE_string(
    "suite",
    None,
    "Instead of a problem, a suite of Keras models: general. Takes the flags "
    "whose help begins with 'Suite', --data_dir, --json_path and --plot_path.",
)
flags.DEFINE_list(
    "optimizers",
    [],
    "Suite: the learned optimizers, names of bundled ones or paths of folders, "
    "separated by commas; baselines run anyway.",
)
flags.DEFINE_list(
    "suite_problems",
    [],
    "Suite: only these of its problems, separated by commas (an unknown name "
    "prints the list).",
)
flags.DEFINE_list(
    "steps", ["200", "1000"], "Suite: numbers of steps, separated by commas."
)
flags.DEFINE_list(
    "rates",
    [],
    "Suite: rates of Adam that are tried, 0.001 among them, separated by "
    "commas; SGD's are ten times as large. By default seven from 0.0001 to "
    "0.1.",
)
command_flags.define_integer("seeds", 3, "Suite: runs of each, from 0 on.")
flags.DEFINE_string(
    "kept_dir",
    "runs/suite",
    "Suite: folder of runs that are made already, and not made again; it does "
    "not know other versions of this library apart.",
)
flags.DEFINE_string(
    "markdown_path", None, "Suite: where to write the tables as Markdown."
)

flags.DEFINE_bool(
    "without_steps",
    False,
    "Suite: run learned optimizers once more that are not told how many steps "
    "there will be.",
)
flags.DEFINE_bool(
    "record",
    False,
    "Suite: write the results into the metadata of the learned optimizers, "
    "which then warn in runs that are longer, and of models that are larger.",
)

_SHARED = ("data_dir", "json_path", "plot_path")


def check_flags() -> None:
    """Refuses flags of the suite without it, and others with it.

    Raises:
        UsageError: If there are any.
    """
    given = [
        name
        for name in command_flags.own_flags()
        if FLAGS[name].present and name not in _SHARED
    ]
    ours = FLAGS.find_module_defining_flag("suite")
    is_suite = FLAGS.suite is not None
    others = [
        f"--{name}"
        for name in given
        if (FLAGS.find_module_defining_flag(name) == ours) != is_suite
    ]
    if others:
        how = "with" if is_suite else "without"
        raise command_line.UsageError(
            f"{', '.join(others)} cannot be given {how} --suite."
        )


def evaluate() -> None:
    """Runs the suite as the flags say."""
    if FLAGS.record and FLAGS.suite_problems:
        raise command_line.UsageError(
            "--record takes all problems of the suite; received "
            f"--suite_problems={','.join(FLAGS.suite_problems)}."
        )
    command_line.check_at_least(1, "seeds")
    command_line.check_output("json_path", "plot_path", "markdown_path")
    command_line.set_data_dir(FLAGS.data_dir)
    from l2l_tf.core import checks
    from l2l_tf.core import files
    from l2l_tf.core import folders
    from l2l_tf.evaluation import kept_results
    from l2l_tf.evaluation import plotting
    from l2l_tf.evaluation import suite
    from l2l_tf.evaluation import suite_plot
    from l2l_tf.evaluation import suite_tables

    command_line.checked(checks.one_of, "suite=", FLAGS.suite, suite.NAMES)
    command_line.checked(folders.check_place, "kept_dir", FLAGS.kept_dir)
    names = command_line.checked(suite.problem_names, FLAGS.suite_problems)
    lengths = [_steps(text) for text in FLAGS.steps]
    rates = suite.RATES
    if FLAGS.rates:
        rates = command_line.checked(
            suite.check_rates, [_number(text) for text in FLAGS.rates]
        )
    names_of_learned = list(dict.fromkeys(FLAGS.optimizers))
    learned = [_candidate(name) for name in names_of_learned]
    if FLAGS.without_steps:
        learned += [_candidate(name, told=False) for name in names_of_learned]
    began, used = time.perf_counter(), time.process_time()
    results = command_line.checked(
        suite.run,
        names,
        learned,
        lengths,
        FLAGS.seeds,
        kept_results.KeptResults(FLAGS.kept_dir),
        lambda line: print(line, flush=True),
        rates,
    )
    text = suite_tables.markdown(results)
    print(f"\n{text}\n")
    print(
        f"Seconds: {time.perf_counter() - began:.1f}; of processors: "
        f"{time.process_time() - used:.1f}"
    )
    if FLAGS.markdown_path:
        content = f"{text}\n".encode()
        print(f"Tables: {files.write_bytes(FLAGS.markdown_path, content)}")
    if FLAGS.json_path:
        print(f"Results: {files.write_json(FLAGS.json_path, results)}")
    if FLAGS.record:
        for name in names_of_learned:
            suite.record(results, name)
    if FLAGS.plot_path:
        figure = suite_plot.ratios(results)
        print(f"Plot: {plotting.save(figure, FLAGS.plot_path)}")


def _steps(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 10:
        raise command_line.UsageError(
            "--steps takes whole numbers of 10 or more, separated by commas; "
            f"received {text!r}."
        )
    return value


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _candidate(optimizer: str, told: bool = True):
    """Returns a saved optimizer; without a fallback, which would hide it."""
    from l2l_tf.core import files
    from l2l_tf.evaluation import suite_runs
    from l2l_tf.keras_optimizers import learned_optimizer
    from l2l_tf.saving import metadata

    saved = command_line.checked(metadata.read, optimizer)
    text = files.to_json([saved["rule"], saved["files"]])
    key = {"learned": hashlib.sha256(text.encode()).hexdigest()}
    return suite_runs.Candidate(
        optimizer if told else f"{optimizer} without steps=",
        lambda steps: learned_optimizer.LearnedOptimizer(
            optimizer, steps=steps if told else None
        ),
        key if told else {**key, "told": False},
        knows_length=told,
    )
