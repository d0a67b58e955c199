"""Draws the paper's figures from the bundled optimizers.

  python scripts/reproduce.py --figure=mnist

Writes, for each figure, a PNG, a JSON and a Markdown table into --output_dir,
and a report of all of them beside it. Baselines run at rates that are searched
once and kept in baseline_rates.json; --search finds them anew.
"""

from __future__ import annotations

import pathlib
import time

import _command_line as command_line
from absl import flags

FLAGS = flags.FLAGS

flags.DEFINE_string(
    "figure",
    None,
    "quadratic, mnist, mnist-200, mnist-40, mnist-2layer, mnist-relu, "
    "mnist-1000, mnist-grid or all.",
)
flags.DEFINE_bool("quick", False, "Few runs and architectures: a first look.")
flags.DEFINE_bool("search", False, "Search the baselines' rates anew.")
flags.DEFINE_bool(
    "record",
    False,
    "Write the numbers into the metadata of the bundled optimizers, too.",
)
flags.DEFINE_string(
    "output_dir",
    None,
    "Where to write; the report is OUTPUT_DIR.md. By default docs/results, for "
    "--quick runs/results.",
)
flags.DEFINE_string("data_dir", None, "Folder of prepared TFDS data sets.")


def main(argv: list[str]) -> None:
    """Reproduces as the flags say."""
    del argv
    from l2l_tf.core import files
    from l2l_tf.figures import catalogue as figures
    from l2l_tf.figures import report as figure_report
    from l2l_tf.figures import reproduction

    known = list(figures.FIGURES)
    if FLAGS.figure not in (*known, "all"):
        raise command_line.UsageError(
            f"--figure={FLAGS.figure!r} is not known; accepted: "
            f"{', '.join(known)}, all."
        )
    if FLAGS.quick and FLAGS.record:
        raise command_line.UsageError(
            "--record takes the numbers of full runs, not those of --quick."
        )
    published = pathlib.Path("docs/results")
    folder = pathlib.Path(
        FLAGS.output_dir or ("runs/results" if FLAGS.quick else published)
    )
    rates = published if FLAGS.output_dir is None else folder
    cache = reproduction.RateCache(
        rates / "baseline_rates.json", search_anew=FLAGS.search
    )
    for name in known if FLAGS.figure == "all" else [FLAGS.figure]:
        began = time.perf_counter()
        result = command_line.checked(
            reproduction.reproduce,
            figures.FIGURES[name],
            cache,
            FLAGS.quick,
            FLAGS.data_dir,
        )
        result["seconds"] = time.perf_counter() - began
        reproduction.write(result, folder)
        if FLAGS.record:
            reproduction.record(result)
        print(f"\n{name} ({result['seconds']:.0f} s)")
        print(figure_report.table(result), flush=True)
    report = files.write_bytes(
        folder.parent / f"{folder.name}.md",
        figure_report.report(folder).encode(),
    )
    print(f"\nReport: {report}")


if __name__ == "__main__":
    command_line.run(main)
