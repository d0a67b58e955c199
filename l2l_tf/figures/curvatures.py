"""The figure of updates beside the curvature of the loss."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import axes as mpl_axes
from scipy import stats

from l2l_tf.evaluation import curvature
from l2l_tf.evaluation import plotting
from l2l_tf.figures import base
from l2l_tf.figures import inside
from l2l_tf.figures import markdown
from l2l_tf.problems import base as problems
from l2l_tf.rules import base as rules


@dataclasses.dataclass(frozen=True)
class Curvatures(inside.Inside):
    """Norms of updates over the loss's curvature along them, step by step.

    Each rule makes a run of its own, from the same start on the same
    minibatches.
    """

    def measure(
        self,
        rules_by_name: Mapping[str, rules.UpdateRule],
        problem: problems.Problem,
        num_steps: int,
        seed: int,
    ) -> dict[str, dict[str, Any]]:
        """See base class; by step, see `curvature.Along`."""
        found = {}
        for name, rule in rules_by_name.items():
            along = curvature.along(rule, problem, num_steps, seed)
            found[name] = {
                "norms": along.norms.tolist(),
                "curvatures": along.curvatures.tolist(),
                "lengths": along.lengths().tolist(),
            }
        return found

    def draw_panel(
        self,
        axes: mpl_axes.Axes,
        curves: Mapping[str, base.Result],
        looks: Mapping[str, Mapping[str, Any]],
    ) -> None:
        """See base class."""
        markers = "osv^Dx"
        for marker, (name, style) in zip(markers, looks.items(), strict=False):
            bent, norms = _arrays(curves[name], "curvatures", "norms")
            axes.plot(
                np.where(bent > 0, bent, np.nan),
                norms,
                color=style["color"],
                label=style["label"],
                zorder=style["zorder"],
                marker=marker,
                markersize=3.5,
                linestyle="",
            )
        plotting.log_axis(axes, "x")
        axes.set_xlabel("curvature along the update, where positive")
        axes.set_ylabel("norm of the update")
        plotting.log_axis(axes)

    def tables(self, result: base.Result) -> str:
        """See base class."""

        def cells(values: base.Result) -> list[str]:
            norms, bent, lengths = _arrays(
                values, "norms", "curvatures", "lengths"
            )
            upward = bent > 0
            rank = np.nan
            if np.sum(upward) > 2:
                rank = stats.spearmanr(norms[upward], bent[upward]).statistic
            quartiles = "none"
            if np.any(np.isfinite(lengths)):
                low, middle, high = np.nanpercentile(lengths, (25, 50, 75))
                quartiles = f"{middle:.2f} ({low:.2f} to {high:.2f})"
            return [
                markdown.loss(float(np.median(norms))),
                markdown.loss(float(np.median(bent))),
                f"{np.mean(upward):.0%}",
                f"{rank:+.2f}",
                quartiles,
            ]

        return (
            "Medians over the run; how often the curvature is positive; rank "
            "correlation of norm and curvature there; and the step's length "
            "over that to the minimum along its direction, with quartiles (1 "
            "reaches it, 2 goes as far beyond):\n\n"
            + markdown.table(
                [
                    "",
                    "",
                    "norm",
                    "curvature",
                    "positive",
                    "correlation",
                    "length",
                ],
                inside.rows(result, cells),
            )
        )


def _arrays(values: base.Result, *names: str) -> list[np.ndarray]:
    """Returns arrays; JSON has null for NaN."""
    return [np.array(values[name], float) for name in names]
