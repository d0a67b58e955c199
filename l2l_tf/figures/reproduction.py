"""Makes a figure's runs, writes what came out, and notes it in metadata."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
from typing import Any

from l2l_tf.core import checks
from l2l_tf.core import failures
from l2l_tf.core import files
from l2l_tf.evaluation import plotting
from l2l_tf.figures import base
from l2l_tf.figures import catalogue
from l2l_tf.figures import kept_runs
from l2l_tf.figures import rates as rates_lib
from l2l_tf.saving import metadata


def reproduce(
    name: str,
    rates: rates_lib.RateCache,
    seed: int = 0,
    quick: bool = False,
    kept: kept_runs.KeptRuns | None = None,
) -> dict[str, Any]:
    """Makes the runs of a figure.

    Args:
        name: The figure's name in the catalogue.
        rates: Known rates of baselines; what is missing is searched and kept.
        seed: Seed of the runs.
        quick: Whether to make few runs, for a first look.
        kept: Results that need not be made again; new ones are put there.

    Returns:
        What can be written as JSON: the figure's name and title, the seed,
        the SHA-256 of the SavedModels' files, and what `Figure.run` returned.
    """
    figure = catalogue.FIGURES[name]
    context = base.Context(rates, seed, quick, kept)
    result = figure.run(context)
    return {
        "figure": name,
        "title": figure.title,
        "seed": seed,
        "quick": quick,
        "saved_optimizers": context.saved_optimizers,
        **result,
    }


def write(result: base.Result, folder: str | os.PathLike) -> None:
    """Writes a figure's PNG, JSON and Markdown tables into a folder.

    Args:
        result: What `reproduce` returned; it is rounded, see `rounded`.
        folder: Where to write.
    """
    folder, name = pathlib.Path(folder), result["figure"]
    figure = catalogue.FIGURES[name]
    result = rounded(result)
    # All of it is made before any file is replaced.
    drawn, text = figure.draw(result), figure.tables(result) + "\n"
    # Curves would make thousands of lines.
    files.write_json(folder / f"{name}.json", result, indent=None)
    plotting.save(drawn, folder / f"{name}.png")
    files.write_bytes(folder / f"{name}.md", text.encode())


def rounded(result: base.Result) -> dict[str, Any]:
    """Returns what a file holds of a result.

    Numbers have six digits, and None stands for those that are not finite.
    """
    return json.loads(
        files.to_json(result), parse_float=lambda x: float(f"{float(x):.6g}")
    )


def read(name: str, folder: str | os.PathLike) -> dict[str, Any]:
    """Returns a figure's result that `write` wrote.

    Args:
        name: The figure's name.
        folder: Where it was written.

    Raises:
        ValueError: If there is none, or if it is not what that figure's tables
            are made of.
    """
    path = _path(name, folder)
    if not path.is_file():
        raise ValueError(f"There is no {path} to draw from.")
    with _explained(name, path):
        result = files.read_json(path, files.MAX_CURVES_BYTES)
        checks.one_of("figure", result["figure"], [name])
        checks.seed("seed", result["seed"])
        checks.boolean("quick", result["quick"])
        checks.number("seconds", result.get("seconds", 0.0))
        catalogue.FIGURES[name].tables(result)
    return result


def redraw(name: str, folder: str | os.PathLike) -> dict[str, Any]:
    """Writes a figure's files anew from its JSON, without any runs.

    Args:
        name: The figure's name.
        folder: Where it was written.

    Returns:
        The result.

    Raises:
        ValueError: As `read` does, or if it cannot be drawn; nothing has been
            written by then.
    """
    result = read(name, folder)
    with _explained(name, _path(name, folder)):
        write(result, folder)
    return result


def record(result: base.Result) -> None:
    """Writes a figure's numbers into the metadata of saved optimizers.

    Args:
        result: What `reproduce` returned.
    """
    figure = catalogue.FIGURES[result["figure"]]
    for optimizer in result["saved_optimizers"]:
        numbers = figure.numbers(result, optimizer)
        if numbers:
            folder = metadata.find(optimizer)
            values = metadata.read(folder)
            shown = {**values.get("figures", {}), result["figure"]: numbers}
            metadata.write(folder, {**values, "figures": shown})


def _path(name: str, folder: str | os.PathLike) -> pathlib.Path:
    return pathlib.Path(folder) / f"{name}.json"


def _explained(
    name: str, path: pathlib.Path
) -> contextlib.AbstractContextManager[None]:
    return failures.explained(
        f"{path} does not hold the numbers of the figure {name!r}", OSError
    )
