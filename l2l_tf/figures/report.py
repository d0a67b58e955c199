"""Tables and the report of reproduced figures, in Markdown."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from l2l_tf.evaluation import comparison
from l2l_tf.figures import catalogue as figures


def table(result: Mapping[str, Any]) -> str:
    """Returns a Markdown table: the paper's number, ours, the baselines'."""
    learned = sorted(
        {
            name
            for panel in result["panels"]
            for name in panel["results"]["optimizers"]
            if name.startswith(comparison.LEARNED)
        }
    )
    lines = [
        "| | optimizer | step 20 | last tenth | paper | best baseline "
        "(rate) | ratio | worst tenth to Adam's | paper's best baseline |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for panel in result["panels"]:
        optimizers = panel["results"]["optimizers"]
        best = best_baseline(optimizers)
        for name in learned:
            if name not in optimizers:
                continue
            found = optimizers[name]
            lines.append(
                f"| {panel['label']} | {name} | {_loss(found['mean'][20])} "
                f"| {_loss(found['late'])} ± {_loss(found['late_sem'])} "
                f"| {_number(panel['paper'])} "
                f"| {_loss(optimizers[best]['late'])} "
                f"({best}, {optimizers[best]['learning_rate']:.3g}) "
                f"| {_ratio(found['late'], optimizers[best]['late'])} "
                f"| {_ratio(*_worst_tenth(found, optimizers['adam']))} "
                f"| {_number(panel['paper_baseline'])} |"
            )
    return "\n".join(lines)


def losses_table(result: Mapping[str, Any]) -> str:
    """Returns a Markdown table of every optimizer's loss in the last tenth."""
    names = list(result["panels"][0]["results"]["optimizers"])
    lines = [
        f"| | {' | '.join(names)} |",
        f"| --- |{' --- |' * len(names)}",
    ]
    for panel in result["panels"]:
        optimizers = panel["results"]["optimizers"]
        losses = " | ".join(_loss(optimizers[name]["late"]) for name in names)
        lines.append(f"| {panel['label']} | {losses} |")
    return "\n".join(lines)


def report(folder: str | os.PathLike) -> str:
    """Returns a Markdown report of all figures that a folder holds."""
    folder = pathlib.Path(folder)
    parts = [_HEAD]
    for name, figure in figures.FIGURES.items():
        file = folder / f"{name}.json"
        if not file.is_file():
            continue
        result = json.loads(file.read_text())
        runs = sorted({p["results"]["num_epochs"] for p in result["panels"]})
        seconds = result.get("seconds")
        parts.append(
            f"## {figure.title}\n\n"
            f"`python scripts/reproduce.py --figure={name}"
            f"{' --quick' * result['quick']}`, "
            f"{' or '.join(map(str, runs))} runs"
            f"{'' if seconds is None else f', in {seconds:.0f} s'}.\n\n"
            f"![{figure.title}]({folder.name}/{name}.png)\n\n"
            f"{table(result)}\n\n"
            "Losses of all optimizers in the last tenth:\n\n"
            f"{losses_table(result)}\n"
        )
    return "\n".join(parts)


_HEAD = """# Results

Written by `scripts/reproduce.py` from the SavedModels in `saved_optimizers/`;
not typed. Losses are means over paired fresh runs and over the last tenth of
the steps, with the standard error over runs. Each baseline runs at the rate
that a search on validation draws found for that very problem. The ratio is
that of the learned optimizer's loss to the best baseline's; "worst tenth to
Adam's" is the greatest ratio of its mean loss to Adam's in any tenth of the
steps but the first. Seconds are those of drawing with rates that are known.

On MNIST, a split is what the optimizee's minibatches come from, those that it
is trained on as well as those whose loss is shown: the training split, as in
the paper, or the 10,000 images of the test split, which the LSTM never saw and
whose losses are lower for every optimizer. The paper's numbers are read from
its plots. A run on quadratics is one of 128 functions, 10,240 in all; Gaussian
functions begin at 9.9 here, the paper's curve at 2.7, so that its sampling is
another one.
"""


def best_baseline(optimizers: Mapping[str, Any]) -> str:
    """Returns the baseline of the least late loss; diverged ones come last."""
    losses = {
        name: found["late"] if _is_finite(found["late"]) else np.inf
        for name, found in optimizers.items()
        if not name.startswith(comparison.LEARNED)
    }
    return min(losses, key=losses.get)


def _worst_tenth(
    found: Mapping[str, Any], adam: Mapping[str, Any]
) -> tuple[float | None, float | None]:
    """Returns an optimizer's and Adam's loss where their ratio is greatest."""
    pairs = []
    for part in zip(
        np.array_split(found["mean"][1:], 10),
        np.array_split(adam["mean"][1:], 10),
        strict=True,
    ):
        if any(value is None for values in part for value in values):
            return None, None
        pairs.append(tuple(float(np.mean(values)) for values in part))
    return max(pairs[1:], key=lambda pair: pair[0] / pair[1])


def _is_finite(value: float | None) -> bool:
    # JSON, from which reports are made, has null for what is no number.
    return value is not None and bool(np.isfinite(value))


def _loss(value: float | None) -> str:
    return f"{value:.3f}" if _is_finite(value) else "diverged"


def _ratio(ours: float | None, theirs: float | None) -> str:
    if not (_is_finite(ours) and _is_finite(theirs)):
        return ""
    return f"{ours / theirs:.3f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
