"""The report of all figures that a folder holds, in Markdown."""

from __future__ import annotations

import os
import pathlib

from l2l_tf.figures import catalogue
from l2l_tf.figures import reproduction

_HEAD = """# Results

Written by `scripts/reproduce.py` from the SavedModels in `saved_optimizers/`;
not typed. Losses are means over paired fresh runs and over the last tenth of
the steps, with the standard error over runs. Each baseline runs at the rate
that a search on validation draws found for that very problem. The ratio is
that of the learned optimizer's loss to the best baseline's; "worst tenth to"
a baseline is the greatest ratio of its mean loss to the baseline's in any tenth
of the steps but the first. Seconds are those of drawing with rates that are
known.

A split is what the optimizee's minibatches come from, those that it is trained
on as well as those whose loss is shown: of MNIST the training split, as in the
paper, or the 10,000 images of the test split, which the LSTM never saw and
whose losses are lower for every optimizer. The paper's numbers are read from
its plots.
"""


def report(folder: str | os.PathLike) -> str:
    """Returns a report of all figures that a folder holds.

    Args:
        folder: What `l2l_tf.figures.reproduction.write` wrote to.
    """
    folder = pathlib.Path(folder)
    parts = [_HEAD]
    for name, figure in catalogue.FIGURES.items():
        if not (folder / f"{name}.json").is_file():
            continue
        result = reproduction.read(name, folder)
        command = f"python scripts/reproduce.py --figure={name}"
        command += " --quick" * result["quick"]
        command += f" --seed={result['seed']}" if result["seed"] else ""
        seconds = result.get("seconds")
        after = "" if seconds is None else f", in {seconds:.0f} s"
        parts += [
            f"## {figure.title}\n",
            f"`{command}`{after}.\n",
            *([f"{figure.note}\n"] if figure.note else []),
            f"![{figure.title}]({folder.name}/{name}.png)\n",
            f"{figure.tables(result)}\n",
        ]
    return "\n".join(parts)
