"""Losses of optimizers over the best of each problem, as a matrix."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib import axes as mpl_axes
from matplotlib import colors

from l2l_tf.figures import comparison_tables
from l2l_tf.figures import markdown

BASELINE = "best searched baseline"
"""The row of whatever hand-designed rule is best on a problem."""

LEAST = 1e-12
"""Losses below are taken for this one, so that ratios remain."""

_WORST = 1000.0
"""A ratio beyond which cells are of one colour, and no number is told."""

_DARK = 0.4
"""Luminance below which a cell's number is white."""


def matrix(
    panels: Sequence[Mapping[str, Any]],
) -> tuple[list[str], list[str], np.ndarray]:
    """Returns names of rows, names of columns, and ratios.

    Args:
        panels: As `l2l_tf.figures.comparisons.Comparisons.run` returns them.

    Returns:
        The learned optimizers' labels, and that of the best baseline; the
        panels' labels; and ratios of shape [rows, panels], infinite where an
        optimizer diverged, NaN where it was not run.
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
        [[_loss(row(panel, name)) for panel in panels] for name in names]
    )
    # Where all diverged there is no best, and nothing else to tell.
    finite = np.where(np.isfinite(losses), losses, np.inf).min(axis=0)
    best = np.where(np.isfinite(finite), finite, 1.0)
    return names, [panel["label"] for panel in panels], losses / best


def row(panel: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """Returns what a row shows of a panel; None if it was not run there."""
    optimizers = panel["results"]["optimizers"]
    if name == BASELINE:
        return optimizers.get(comparison_tables.best_baseline(optimizers))
    return optimizers.get(name)


def text(ratio: float) -> str:
    """Returns a ratio with as many digits as a cell has room for."""
    if math.isnan(ratio):
        return ""
    if math.isinf(ratio):
        return "NaN"
    if ratio >= _WORST:
        return f">{_WORST:.0f}"
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"


def draw(axes: mpl_axes.Axes, ratios: np.ndarray) -> None:
    """Draws the ratios as cells: the darker, the worse.

    Args:
        axes: Where to draw.
        ratios: What `matrix` returned.
    """
    norm = colors.LogNorm(1.0, _WORST, clip=True)
    palette = matplotlib.colormaps["cividis_r"]
    shown = np.ma.masked_invalid(
        np.where(np.isinf(ratios), _WORST, np.minimum(ratios, _WORST))
    )
    axes.imshow(shown, cmap=palette, norm=norm, aspect="auto")
    for (index, column), ratio in np.ndenumerate(ratios):
        is_shown = not math.isnan(ratio)
        color = palette(norm(min(ratio, _WORST))) if is_shown else (1, 1, 1, 1)
        luminance = np.dot(color[:3], (0.2126, 0.7152, 0.0722))
        axes.text(
            column,
            index,
            text(ratio),
            color="white" if luminance < _DARK else "black",
            horizontalalignment="center",
            verticalalignment="center",
        )


def _loss(found: Mapping[str, Any] | None) -> float:
    if found is None:
        return math.nan
    loss = found["last_tenth"]
    return max(loss, LEAST) if markdown.is_finite(loss) else math.inf
