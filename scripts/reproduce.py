"""Draws the paper's figures from the bundled optimizers.

  python scripts/reproduce.py --figure=mnist

Writes, for each figure, a PNG, a JSON and Markdown tables into --output_dir,
and a report of all of them beside it. Baselines run at rates that are searched
once and kept in baseline_rates.json; --search finds them anew. What single
optimizers gave is kept until the figure is drawn, so that --resume goes on
after the last one that was finished.
"""

from __future__ import annotations

import pathlib
import tempfile
import time

import _command_line as command_line
import _flags as command_flags
from absl import flags

FLAGS = flags.FLAGS

flags.DEFINE_string(
    "figure", None, "The figure, or all; without it, the names are listed."
)
flags.DEFINE_bool("quick", False, "Few runs and architectures: a first look.")
command_flags.define_integer("seed", 0, "Seed of the runs.")
flags.DEFINE_bool("search", False, "Search the baselines' rates anew.")
flags.DEFINE_bool(
    "resume",
    False,
    "Go on where a figure was stopped, with the optimizers that are not done.",
)
flags.DEFINE_bool(
    "redraw",
    False,
    "Run nothing: draw the JSON that lies in --output_dir again.",
)
flags.DEFINE_bool(
    "record",
    False,
    "Write the numbers into the metadata of the bundled optimizers, too.",
)
flags.DEFINE_string(
    "output_dir",
    None,
    "Where to write; the report is OUTPUT_DIR.md. By default docs/results, for "
    "--quick and for other seeds than 0 runs/results.",
)
flags.DEFINE_string("data_dir", None, "Folder of prepared TFDS data sets.")

_PUBLISHED = pathlib.Path("docs/results")
_OWN = pathlib.Path("runs/results")


def main(argv: list[str]) -> None:
    """Reproduces as the flags say."""
    del argv
    from l2l_tf.core import files
    from l2l_tf.figures import catalogue
    from l2l_tf.figures import kept_runs
    from l2l_tf.figures import rates as rates_lib
    from l2l_tf.figures import report
    from l2l_tf.figures import reproduction

    names = _names(list(catalogue.FIGURES))
    if FLAGS.record and (FLAGS.quick or FLAGS.seed or FLAGS.redraw):
        raise command_line.UsageError(
            "--record takes the numbers of full runs at seed 0, not those of "
            "--quick, --seed or --redraw."
        )
    folder = _writable_folder()
    command_line.set_data_dir(FLAGS.data_dir)
    rates = command_line.checked(
        rates_lib.RateCache,
        (_PUBLISHED if FLAGS.output_dir is None else folder)
        / "baseline_rates.json",
        search_anew=FLAGS.search,
    )
    for name in names:
        if FLAGS.redraw:
            result = command_line.checked(reproduction.redraw, name, folder)
        else:
            kept = command_line.checked(
                kept_runs.KeptRuns, folder / f".{name}-runs.json", FLAGS.resume
            )
            began = time.perf_counter()
            result = command_line.checked(
                reproduction.reproduce,
                name,
                rates,
                FLAGS.seed,
                FLAGS.quick,
                kept,
            )
            result["seconds"] = time.perf_counter() - began
            reproduction.write(result, folder)
            kept.remove()
        if FLAGS.record:
            reproduction.record(result)
        print(f"\n{name} ({result.get('seconds', 0.0):.0f} s)")
        print(catalogue.FIGURES[name].tables(result), flush=True)
    if rates.steps:
        print(f"\nSteps of the search of rates: {rates.steps:,}")
    text = command_line.checked(report.report, folder)
    path = files.write_bytes(
        folder.with_name(f"{folder.name}.md"), text.encode()
    )
    print(f"\nReport: {path}")


def _names(known: list[str]) -> list[str]:
    if FLAGS.figure not in (*known, "all"):
        raise command_line.UsageError(
            f"--figure={FLAGS.figure} is not a figure; accepted: "
            f"{', '.join(known)}, all."
        )
    return known if FLAGS.figure == "all" else [FLAGS.figure]


def _writable_folder() -> pathlib.Path:
    """Returns where to write, having tried it: runs may take hours."""
    default = _OWN if FLAGS.quick or FLAGS.seed else _PUBLISHED
    folder = pathlib.Path(FLAGS.output_dir or default).expanduser()
    if not folder.name:
        folder = folder.resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # The report lies beside the folder.
        for place in (folder, folder.parent):
            tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        raise command_line.UsageError(
            f"--output_dir={str(folder)!r} cannot be written: {error.strerror}."
        ) from error
    return folder


if __name__ == "__main__":
    command_line.run(main)
