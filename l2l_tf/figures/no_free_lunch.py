"""The figure kind of a matrix: every optimizer on every problem."""

from __future__ import annotations

import dataclasses
import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import axes as mpl_axes
from matplotlib import colors
from matplotlib import figure as mpl_figure
from matplotlib import patches

from l2l_tf.evaluation import plot_styles
from l2l_tf.figures import base
from l2l_tf.figures import comparison_tables
from l2l_tf.figures import comparisons
from l2l_tf.figures import markdown

BASELINE = "best searched baseline"
"""The row of whatever hand-designed rule is best on a problem."""

_WORST = 1000.0
"""A ratio beyond which cells are of one colour, and no number is told."""

_CELL_WIDTH, _CELL_HEIGHT, _MARGIN = 0.66, 0.36, 2.4  # inches
_LETTERS_PER_INCH = 13
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
        names, labels, ratios = matrix(result["panels"])
        caption = self.caption(result)
        width = _MARGIN + _CELL_WIDTH * len(labels)
        lines = textwrap.wrap(caption, int(width * _LETTERS_PER_INCH))
        figure = mpl_figure.Figure(
            figsize=(
                width,
                _MARGIN + _CELL_HEIGHT * len(names) + 0.18 * len(lines),
            ),
            dpi=_DPI,
            layout="constrained",
        )
        axes = figure.add_subplot()
        _draw_cells(axes, ratios)
        for column, label in enumerate(labels):
            for name in self.trained_on.get(label, ()):
                if name in names:
                    axes.add_patch(_frame(column, names.index(name)))
        axes.set_xticks(range(len(labels)), labels, rotation=35, ha="left")
        axes.xaxis.tick_top()
        axes.set_yticks(range(len(names)), names)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        figure.supxlabel(
            "\n".join(lines),
            fontsize="small",
            x=0.01,
            horizontalalignment="left",
        )
        return figure

    def tables(self, result: base.Result) -> str:
        """See base class."""
        names, labels, ratios = matrix(result["panels"])
        rows = []
        for name, of_name in zip(names, ratios, strict=True):
            cells = [
                _cell(_row_of(panel, name), ratio)
                for panel, ratio in zip(result["panels"], of_name, strict=True)
            ]
            rows.append([name, *cells])
        split = ", ".join(
            f"{panel['label']}: {panel['results']['num_runs']} of "
            f"{panel['results']['num_steps']} steps"
            for panel in result["panels"]
        )
        return "\n\n".join(
            [
                self.caption(result),
                f"Ratios to the best of the column, and losses. Runs: {split}.",
                markdown.table(["", *labels], rows),
            ]
        )

    def numbers(self, result: base.Result, optimizer: str) -> dict[str, Any]:
        """Returns nothing: what is new of an optimizer stands in one table."""
        del result, optimizer
        return {}

    def caption(self, result: base.Result) -> str:
        """Returns where those trained on a problem win, and where not."""
        names, labels, ratios = matrix(result["panels"])
        won, lost = [], []
        for label, column in zip(labels, ratios.T, strict=True):
            own = [n for n in self.trained_on.get(label, ()) if n in names]
            if not own:
                continue
            best = names[int(np.nanargmin(column))]
            if best in own:
                won.append(label)
                continue
            theirs = {name: column[names.index(name)] for name in own}
            nearest = min(theirs, key=theirs.get)
            lost.append(
                f"on {label} {_described(result, label, best)} is best, and "
                f"{nearest} at {theirs[nearest]:.2f} times its loss"
            )
        text = (
            "Framed cells: optimizers on the problem that they were trained "
            f"on. One of these is best on {len(won)} of "
            f"{len(won) + len(lost)} problems"
        )
        return f"{text}; {'; '.join(lost)}." if lost else f"{text}."


def matrix(
    panels: Sequence[Mapping[str, Any]],
) -> tuple[list[str], list[str], np.ndarray]:
    """Returns names of rows, names of columns, and ratios.

    Args:
        panels: As `Comparisons.run` returns them.

    Returns:
        The optimizers' labels, the baseline's last; the panels' labels; and
        ratios of shape [optimizers, panels]: infinite where an optimizer
        diverged, NaN where it was not run.
    """
    names = list(
        dict.fromkeys(
            name
            for panel in panels
            for name, found in panel["results"]["optimizers"].items()
            if found["learned"]
        )
    )
    names.append(BASELINE)
    losses = np.array(
        [[_loss(_row_of(panel, name)) for panel in panels] for name in names]
    )
    best = np.nanmin(losses, axis=0)
    return names, [panel["label"] for panel in panels], losses / best


def _row_of(panel: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """Returns what a row shows of a panel; None if it was not run there."""
    optimizers = panel["results"]["optimizers"]
    if name == BASELINE:
        return optimizers.get(comparison_tables.best_baseline(optimizers))
    return optimizers.get(name)


def _loss(found: Mapping[str, Any] | None) -> float:
    if found is None:
        return math.nan
    loss = found["last_tenth"]
    return loss if markdown.is_finite(loss) else math.inf


def _described(result: base.Result, label: str, name: str) -> str:
    """Returns a row's name, the baseline's own one in that of its row."""
    if name != BASELINE:
        return name
    [panel] = [p for p in result["panels"] if p["label"] == label]
    best = comparison_tables.best_baseline(panel["results"]["optimizers"])
    return f"{plot_styles.label(best)} at its searched rate"


def _cell(found: Mapping[str, Any] | None, ratio: float) -> str:
    if found is None:
        return ""
    return f"{_text(ratio)} ({markdown.loss(found['last_tenth'])})"


def _text(ratio: float) -> str:
    """Returns a ratio with as many digits as a cell has room for."""
    if math.isnan(ratio):
        return ""
    if math.isinf(ratio):
        return "NaN"
    if ratio >= _WORST:
        return f">{_WORST:.0f}"
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"


def _draw_cells(axes: mpl_axes.Axes, ratios: np.ndarray) -> None:
    norm = colors.LogNorm(1.0, _WORST, clip=True)
    shown = np.ma.masked_invalid(
        np.where(np.isinf(ratios), _WORST, np.minimum(ratios, _WORST))
    )
    axes.imshow(shown, cmap="cividis_r", norm=norm, aspect="auto")
    for (row, column), ratio in np.ndenumerate(ratios):
        # Light colours are those of small ratios.
        is_dark = np.isfinite(norm(ratio)) and norm(ratio) > 0.5
        axes.text(
            column,
            row,
            _text(ratio),
            color="white" if is_dark else "black",
            fontsize="small",
            horizontalalignment="center",
            verticalalignment="center",
        )


def _frame(column: int, row: int) -> patches.Rectangle:
    return patches.Rectangle(
        (column - 0.46, row - 0.44),
        0.92,
        0.88,
        fill=False,
        edgecolor=next(plot_styles.learned())["color"],
        linewidth=2.0,
    )
