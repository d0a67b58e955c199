"""Reproduces the paper's figures from the bundled SavedModels."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from l2l_tf.core import files
from l2l_tf.evaluation import comparison
from l2l_tf.evaluation import plotting
from l2l_tf.figures import catalogue as figures
from l2l_tf.figures import report as figure_report
from l2l_tf.problems import registry
from l2l_tf.saving import metadata
from l2l_tf.saving import saved_optimizer

_SEED = 0
_QUICK_RUNS = 5
# Steps per rate of a search. With few runs, a rate at the edge of stability
# looks best and then diverges; long runs show that sooner.
_SEARCH_STEPS = 4000
_SEARCH_RUNS = 5  # at least
_QUICK_UNITS = (5, 20, 50)
_NAMES = {"mnist-robust": f"{comparison.LEARNED} robust"}


class RateCache:
    """Learning rates that were searched for baselines, in a JSON file."""

    def __init__(self, path: str | os.PathLike, search_anew: bool = False):
        """Reads the file, if there is one.

        Args:
            path: The file.
            search_anew: Whether rates that it holds count as unknown, until
                they have been put again.
        """
        self._path = pathlib.Path(path)
        self._rates: dict[str, dict[str, float]] = {}
        if self._path.is_file():
            self._rates = json.loads(self._path.read_text())
        self._stale = set(self._rates) if search_anew else set()

    def get(self, panel: figures.Panel) -> dict[str, float]:
        """Returns the known rates by baseline, for the panel's problem."""
        key = _key(panel)
        return {} if key in self._stale else self._rates.get(key, {})

    def put(self, panel: figures.Panel, rates: Mapping[str, float]) -> None:
        """Keeps rates, in memory and in the file."""
        self._stale.discard(_key(panel))
        self._rates[_key(panel)] = dict(rates)
        files.write_json(self._path, dict(sorted(self._rates.items())))


def reproduce(
    figure: figures.Figure,
    cache: RateCache,
    quick: bool = False,
    data_dir: str | None = None,
) -> dict[str, Any]:
    """Runs the comparisons of a figure.

    Args:
        figure: The figure.
        cache: Known rates; what is missing is searched and kept.
        quick: Whether to make few runs, for a first look.
        data_dir: Where data sets lie.

    Returns:
        What can be written as JSON: the figure's name and, for each panel,
        its fields and what `l2l_tf.evaluation.comparison.compare` returned.
    """
    panels = [
        (panel, compare(panel, cache, quick, data_dir))
        for panel in _panels(figure, quick)
    ]
    return {
        "figure": figure.name,
        "title": figure.title,
        "quick": quick,
        "panels": [
            {**dataclasses.asdict(panel), "results": results}
            for panel, results in panels
        ],
    }


def compare(
    panel: figures.Panel,
    cache: RateCache,
    quick: bool,
    data_dir: str | None,
) -> dict[str, Any]:
    """Runs one comparison; see `reproduce`."""
    options = dict(panel.options)
    if panel.problem != "quadratic":
        options["data_dir"] = data_dir
    problem = registry.make_problem(panel.problem, **options)
    learned = {
        _NAMES.get(name, comparison.LEARNED): saved_optimizer.load(name)
        for name in panel.optimizers
    }
    results = comparison.compare(
        problem,
        panel.split,
        panel.num_steps,
        min(panel.num_runs, _QUICK_RUNS) if quick else panel.num_runs,
        _SEED,
        learned,
        figures.BASELINES,
        cache.get(panel),
        search_runs=search_runs(panel),
    )
    rates = {
        name: result["learning_rate"]
        for name, result in results["optimizers"].items()
        if result["learning_rate"] is not None
    }
    if rates != cache.get(panel):
        cache.put(panel, rates)
    return results


def search_runs(panel: figures.Panel) -> int:
    """Returns how many runs per rate a search of baselines' rates makes."""
    wanted = max(_SEARCH_RUNS, _SEARCH_STEPS // panel.num_steps)
    return min(panel.num_runs, wanted)


def draw(result: Mapping[str, Any]):
    """Draws what `reproduce` returned."""
    panels = result["panels"]
    if result["figure"] != "mnist-grid":
        return plotting.panels(
            [panel["results"] for panel in panels],
            [panel["label"] for panel in panels],
        )
    losses: dict[str, dict[str, list[float]]] = {}
    units = []
    for panel in panels:
        layers = panel["options"]["hidden_layers"]
        units += [layers[0]] if layers[0] not in units else []
        kind = f"{panel['options']['activation']}, {len(layers)} layer"
        kind += "s" * (len(layers) > 1)
        for name, found in panel["results"]["optimizers"].items():
            losses.setdefault(kind, {}).setdefault(name, []).append(
                found["late"]
            )
    return plotting.architectures(losses, units)


def write(result: Mapping[str, Any], folder: str | os.PathLike) -> None:
    """Writes a figure's PNG, JSON and Markdown table into a folder.

    Args:
        result: What `reproduce` returned; numbers are written to six digits.
        folder: Where to write.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    name = result["figure"]
    plotting.save(draw(result), folder / f"{name}.png")
    # Tables show what the file holds, which has null for what is no number.
    result = json.loads(files.to_json(result), parse_float=_six_digits)
    # Curves would make thousands of lines.
    files.write_json(folder / f"{name}.json", result, indent=None)
    tables = [figure_report.table(result), figure_report.losses_table(result)]
    text = "\n\n".join(tables) + "\n"
    files.write_bytes(folder / f"{name}.md", text.encode())


def _six_digits(number: str) -> float:
    return float(f"{float(number):.6g}")


def record(result: Mapping[str, Any]) -> None:
    """Writes a figure's numbers into the bundled optimizers' metadata.

    Args:
        result: What `reproduce` returned.
    """
    for name in metadata.bundled_names():
        numbers = {
            panel["label"]: _numbers(panel, name)
            for panel in result["panels"]
            if name in panel["optimizers"]
        }
        if numbers:
            folder = metadata.find(name)
            values = metadata.read(folder)
            shown = {**values.get("figures", {}), result["figure"]: numbers}
            metadata.write(folder, {**values, "figures": shown})


def _numbers(panel: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Returns what a panel shows of an optimizer and the best baseline."""
    optimizers = panel["results"]["optimizers"]
    best = figure_report.best_baseline(optimizers)
    found = optimizers[_NAMES.get(name, comparison.LEARNED)]
    return {
        **{key: panel["results"][key] for key in ("split", "num_steps")},
        "runs": panel["results"]["num_epochs"],
        "step_20": found["mean"][20],
        "last_step": found["mean"][-1],
        "last_tenth": found["late"],
        "standard_error": found["late_sem"],
        "best_baseline": best,
        "baseline_rate": optimizers[best]["learning_rate"],
        "baseline_last_tenth": optimizers[best]["late"],
        "paper": panel["paper"],
    }


def _panels(figure: figures.Figure, quick: bool) -> list[figures.Panel]:
    if not (quick and figure.name == "mnist-grid"):
        return list(figure.panels)
    return [
        panel
        for panel in figure.panels
        if panel.options["hidden_layers"][0] in _QUICK_UNITS
    ]


def _key(panel: figures.Panel) -> str:
    options = json.dumps(dict(panel.options), sort_keys=True)
    return f"{panel.problem} {options} to step {panel.num_steps}"
