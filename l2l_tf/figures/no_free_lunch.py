"""The figure kind of every optimizer on every problem."""

from __future__ import annotations

import dataclasses
import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import figure as mpl_figure
from matplotlib import patches

from l2l_tf.evaluation import plot_styles
from l2l_tf.figures import base
from l2l_tf.figures import comparison_tables
from l2l_tf.figures import comparisons
from l2l_tf.figures import markdown
from l2l_tf.figures import ratio_matrix

_CELL_WIDTH, _CELL_HEIGHT, _MARGIN, _LINE = 0.6, 0.36, 2.4, 0.2  # inches
_LETTERS_PER_INCH = 11
_DPI = 160


@dataclasses.dataclass(frozen=True)
class NoFreeLunch(comparisons.Comparisons):
    """Losses of the last tenth over the best of each problem.

        ratio = loss(optimizer, problem) / min over optimizers of the same

    Source: Wolpert and Macready 1997, which Andrychowicz et al. 2016, section
    1, build on: an optimizer pays for what it gains on one class elsewhere.

    Attributes:
        trained_on: For each panel's label the labels of the optimizers that
            were trained on its problem.
    """

    trained_on: Mapping[str, Sequence[str]] = dataclasses.field(
        default_factory=dict
    )

    def draw(self, result: base.Result) -> mpl_figure.Figure:
        """See base class."""
        names, labels, ratios = ratio_matrix.matrix(result["panels"])
        width = _MARGIN + _CELL_WIDTH * len(labels)
        lines = textwrap.wrap(
            caption(result, self.trained_on), int(width * _LETTERS_PER_INCH)
        )
        height = _MARGIN + _CELL_HEIGHT * len(names) + _LINE * len(lines)
        figure = mpl_figure.Figure(
            figsize=(width, height), dpi=_DPI, layout="constrained"
        )
        axes = figure.add_subplot()
        ratio_matrix.draw(axes, ratios)
        for column, label in enumerate(labels):
            for name in self.trained_on.get(label, ()):
                if name in names:
                    axes.add_patch(_frame(column, names.index(name)))
        axes.set_xticks(
            range(len(labels)),
            labels,
            rotation=45,
            ha="left",
            rotation_mode="anchor",
        )
        axes.xaxis.tick_top()
        axes.set_yticks(range(len(names)), names)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        figure.supxlabel(
            "\n".join(lines),
            fontsize="medium",
            x=0.01,
            horizontalalignment="left",
        )
        return figure

    def tables(self, result: base.Result) -> str:
        """See base class."""
        panels = result["panels"]
        names, labels, ratios = ratio_matrix.matrix(panels)
        rows = [
            [
                name,
                *map(_cell, (ratio_matrix.row(p, name) for p in panels), own),
            ]
            for name, own in zip(names, ratios, strict=True)
        ]
        runs = "; ".join(
            f"{panel['label']}: {panel['results']['num_runs']} runs of "
            f"{panel['results']['num_steps']} steps, the best baseline "
            f"{_baseline(panel)}"
            for panel in panels
        )
        return "\n\n".join(
            [
                caption(result, self.trained_on),
                "Ratios to the best of the column, and losses with their "
                f"standard errors over runs. {runs}.",
                markdown.table(["", *labels], rows),
            ]
        )

    def numbers(self, result: base.Result, optimizer: str) -> dict[str, Any]:
        """Returns nothing: what is new of an optimizer stands in one table."""
        del result, optimizer
        return {}


def caption(
    result: base.Result, trained_on: Mapping[str, Sequence[str]]
) -> str:
    """Returns where those trained on a problem win, and where not.

    Args:
        result: What `NoFreeLunch.run` returned.
        trained_on: See `NoFreeLunch`.
    """
    panels = result["panels"]
    names, labels, ratios = ratio_matrix.matrix(panels)
    won, lost = 0, []
    for panel, label, column in zip(panels, labels, ratios.T, strict=True):
        found = {
            name: ratio
            for name, ratio in zip(names, column, strict=True)
            if not math.isnan(ratio)
        }
        own = [n for n in trained_on.get(label, ()) if n in found]
        if not own or not np.any(np.isfinite(column)):
            continue
        best = min(found, key=found.get)
        if best in own:
            won += 1
            continue
        is_baseline = best == ratio_matrix.BASELINE
        winner = _baseline(panel) if is_baseline else repr(best)
        nearest = min(own, key=found.get)
        at = f"at {ratio_matrix.text(found[nearest])} times its loss"
        if math.isinf(found[nearest]):
            at = "diverged"
        lost.append(
            f"on {label!r} {winner} is best, and {nearest!r} {at}"
            f"{_if_level(panel, best, nearest)}"
        )
    text = (
        "Framed: optimizers on the problem that they were trained on. One of "
        f"these is best on {won} of {won + len(lost)} problems"
    )
    return f"{text}; {'; '.join(lost)}." if lost else f"{text}."


def _if_level(panel: Mapping[str, Any], best: str, other: str) -> str:
    """Returns what to add where two losses are hardly apart."""
    found = [ratio_matrix.row(panel, name) for name in (best, other)]
    values = [f.get(k) for f in found for k in ("last_tenth", "last_tenth_sem")]
    if not all(map(markdown.is_finite, values)):
        return ""
    low, low_error, high, high_error = values
    is_level = high - low <= math.hypot(low_error, high_error)
    return " (within the standard error)" if is_level else ""


def _baseline(panel: Mapping[str, Any]) -> str:
    name = comparison_tables.best_baseline(panel["results"]["optimizers"])
    if name is None:
        return "none"
    rate = panel["results"]["optimizers"][name].get("learning_rate")
    return f"{plot_styles.label(name)} at its searched rate" + (
        "" if rate is None else f" {rate:.2g}"
    )


def _cell(found: Mapping[str, Any] | None, ratio: float) -> str:
    if found is None:
        return ""
    loss, error = found["last_tenth"], found.get("last_tenth_sem")
    text = markdown.loss(loss)
    if markdown.is_finite(loss) and markdown.is_finite(error):
        text = markdown.loss_and_error(loss, error)
    return f"{ratio_matrix.text(ratio)} ({text})"


def _frame(column: int, row: int) -> patches.Rectangle:
    return patches.Rectangle(
        (column - 0.46, row - 0.44),
        0.92,
        0.88,
        fill=False,
        edgecolor=next(plot_styles.learned())["color"],
        linewidth=2.0,
    )
