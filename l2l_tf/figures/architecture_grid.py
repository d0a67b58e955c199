"""The figure kind of the paper's grid: final losses over networks' widths."""

from __future__ import annotations

from typing import Any

from matplotlib import figure as mpl_figure

from l2l_tf.evaluation import plot_styles
from l2l_tf.evaluation import plotting
from l2l_tf.figures import base
from l2l_tf.figures import comparisons


class ArchitectureGrid(comparisons.Comparisons):
    """Losses of the last tenth over hidden units, for each kind of network.

    Its panels' problems have the options `activation` and `hidden_layers`.
    """

    def draw(self, result: base.Result) -> mpl_figure.Figure:
        """See base class."""
        kinds: dict[str, list[dict[str, Any]]] = {}
        for panel in result["panels"]:
            kinds.setdefault(_kind(panel["options"]), []).append(panel)
        figure, axes = plotting.grid(len(kinds))
        styles = plot_styles.styles(
            *(panel["results"]["optimizers"] for panel in result["panels"])
        )
        for (kind, panels), part in zip(kinds.items(), axes, strict=True):
            units = [panel["options"]["hidden_layers"][0] for panel in panels]
            for name, style in styles.items():
                losses = [
                    panel["results"]["optimizers"][name]["last_tenth"]
                    for panel in panels
                ]
                plotting.curve(
                    part, units, losses, **style, marker="o", markersize=4
                )
            part.set_title(kind)
            part.set_xlabel("hidden units")
            part.set_ylabel("loss in the last tenth")
            plotting.log_axis(part)
        plotting.legend_below(figure)
        return figure


def _kind(options: dict[str, Any]) -> str:
    """Returns what networks of different widths have in common."""
    layers = len(options["hidden_layers"])
    return f"{options['activation']}, {layers} layer{'s' * (layers > 1)}"
