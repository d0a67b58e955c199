"""The suite's ratios as a figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import figure as mpl_figure
from matplotlib import ticker

from l2l_tf.evaluation import plot_styles
from l2l_tf.evaluation import plotting
from l2l_tf.evaluation import suite_tables

_ROW, _REST = 0.32, 1.9  # inches
_LIMITS = 0.05, 20.0
"""Ratios beyond are drawn at the edge."""


def ratios(results: Mapping[str, Any]) -> mpl_figure.Figure:
    """Draws a row for each problem, and a panel for each number of steps.

    Args:
        results: What `l2l_tf.evaluation.suite.run` returned.

    Returns:
        The figure: ratios of final losses to those of Adam at 0.001.
    """
    lengths = results["lengths"]
    names = list(results["problems"])
    figure, panels = plotting.grid(len(lengths))
    num_rows = panels[0].get_gridspec().nrows
    height = num_rows * (_REST + _ROW * (len(names) + 1))
    figure.set_size_inches(figure.get_size_inches()[0], height)
    for axes, (steps, entrants) in zip(panels, lengths.items(), strict=True):
        looks = plot_styles.styles(entrants)
        shown = [*names, "geometric mean"]
        for entrant, style in looks.items():
            if entrant == suite_tables.REFERENCE:
                continue
            found = entrants[entrant]
            values = [found["problems"][name]["ratio"] for name in names]
            values.append(found["ratios"][suite_tables.REFERENCE])
            is_learned = found["learned"]
            axes.plot(
                np.clip(np.nan_to_num(values, nan=np.inf), *_LIMITS),
                range(len(shown)),
                "o" if is_learned else "|",
                color=style["color"],
                markersize=7 if is_learned else 11,
                markeredgewidth=0 if is_learned else 2,
                zorder=style["zorder"],
                label=style["label"],
            )
        axes.axvline(1.0, color="#000000", linewidth=0.8)
        axes.axhline(len(names) - 0.5, color="#888888", linewidth=0.5)
        axes.set_yticks(range(len(shown)), shown)
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(
            ticker.FuncFormatter(lambda value, position: f"{value:g}")
        )
        axes.xaxis.set_minor_formatter(ticker.NullFormatter())
        axes.set_title(f"{steps} steps")
        axes.set_xlabel(f"final loss / {suite_tables.REFERENCE}")
    plotting.legend_below(figure)
    return figure
