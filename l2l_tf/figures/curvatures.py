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

_MARKERS = "osv^Dx"


@dataclasses.dataclass(frozen=True)
class Curvatures(inside.Inside):
    """Norms of updates over the loss's curvature along them, step by step.

    Each rule makes runs of its own, from the same starts on the same
    minibatches.

    Attributes:
        num_runs: Runs of each rule.
    """

    num_runs: int = 3

    def measure(
        self,
        rules_by_name: Mapping[str, rules.UpdateRule],
        problem: problems.Problem,
        num_steps: int,
        seed: int,
    ) -> dict[str, dict[str, Any]]:
        """See base class; by run and step, see `curvature.Along`."""
        found = {}
        for name, rule in rules_by_name.items():
            runs = [
                curvature.along(rule, problem, num_steps, seed, index)
                for index in range(self.num_runs)
            ]
            found[name] = {
                "norms": [run.norms.tolist() for run in runs],
                "curvatures": [run.curvatures.tolist() for run in runs],
                "lengths": [run.lengths().tolist() for run in runs],
            }
        return found

    def draw_panel(
        self,
        axes: mpl_axes.Axes,
        curves: Mapping[str, base.Result],
        looks: Mapping[str, Mapping[str, Any]],
    ) -> None:
        """See base class."""
        places = {name: place for place, name in enumerate(looks)}
        for name, values in curves.items():
            bent, norms = _arrays(values, "curvatures", "norms")
            axes.plot(
                np.ravel(np.where(bent > 0, bent, np.nan)),
                np.ravel(norms),
                color=looks[name]["color"],
                label=looks[name]["label"],
                zorder=looks[name]["zorder"],
                marker=_MARKERS[places[name] % len(_MARKERS)],
                markersize=3.0,
                markerfacecolor="none",
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
            ranks = [
                stats.spearmanr(n[positive], b[positive]).statistic
                for n, b, positive in zip(norms, bent, upward, strict=True)
                if np.sum(positive) > 2
            ]
            quartiles = "none"
            if np.any(np.isfinite(lengths)):
                low, middle, high = np.nanpercentile(lengths, (25, 50, 75))
                quartiles = f"{middle:.2f} ({low:.2f} to {high:.2f})"
            return [
                markdown.loss(float(np.median(norms))),
                markdown.loss(float(np.median(bent))),
                f"{np.mean(upward):.0%}",
                ", ".join(f"{rank:+.2f}" for rank in ranks),
                quartiles,
            ]

        return (
            "Medians over all steps of all runs; how often the curvature is "
            "positive; rank correlation of norm and curvature there, a number "
            "for each run; and the step's length "
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
