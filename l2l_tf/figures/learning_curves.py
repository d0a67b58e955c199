"""The figure kind of most of the paper: mean loss over steps."""

from __future__ import annotations

from matplotlib import figure as mpl_figure

from l2l_tf.evaluation import plot_styles
from l2l_tf.evaluation import plotting
from l2l_tf.figures import base
from l2l_tf.figures import comparisons


class LearningCurves(comparisons.Comparisons):
    """Each panel's mean learning curves, on a logarithmic axis."""

    def draw(self, result: base.Result) -> mpl_figure.Figure:
        """See base class."""
        panels = result["panels"]
        figure, axes = plotting.grid(len(panels))
        styles = plot_styles.styles(
            *(panel["results"]["optimizers"] for panel in panels)
        )
        for panel, part in zip(panels, axes, strict=True):
            plotting.draw_comparison(part, panel["results"], styles)
            part.set_title(panel["label"])
        plotting.legend_below(figure)
        return figure
