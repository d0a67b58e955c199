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
    "docs/results",
    "Where to write; the report is OUTPUT_DIR.md.",
)
flags.DEFINE_string("data_dir", None, "Folder of prepared TFDS data sets.")


def main(argv: list[str]) -> None:
    """Reproduces as the flags say."""
    del argv
    from l2l_tf import figures
    from l2l_tf import files
    from l2l_tf import reproduction

    known = list(figures.FIGURES)
    if FLAGS.figure not in (*known, "all"):
        raise command_line.UsageError(
            f"--figure={FLAGS.figure!r} is not known; accepted: "
            f"{', '.join(known)}, all."
        )
    folder = pathlib.Path(FLAGS.output_dir)
    cache = reproduction.RateCache(
        folder / "baseline_rates.json", search_anew=FLAGS.search
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
        reproduction.write(result, folder)
        if FLAGS.record:
            reproduction.record(result)
        print(f"\n{name} ({time.perf_counter() - began:.0f} s)")
        print(reproduction.table(result), flush=True)
    report = files.write_bytes(
        folder.parent / f"{folder.name}.md",
        reproduction.report(folder).encode(),
    )
    print(f"\nReport: {report}")


if __name__ == "__main__":
    command_line.run(main)
