"""The figure of how far back rules look."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import axes as mpl_axes

from l2l_tf.evaluation import look_back
from l2l_tf.evaluation import plotting
from l2l_tf.figures import base
from l2l_tf.figures import inside
from l2l_tf.figures import markdown
from l2l_tf.problems import base as problems
from l2l_tf.rules import base as rules

_NUM_STEPS = 8
"""Updates of a run whose effects are averaged."""


@dataclasses.dataclass(frozen=True)
class LookBack(inside.Inside):
    """Effects of the gradients of earlier steps on an update.

    The first of a panel's optimizers makes the run. Updates are those of steps
    spread over its second half, each looking back over the first half's
    length.
    """

    def measure(
        self,
        rules_by_name: Mapping[str, rules.UpdateRule],
        problem: problems.Problem,
        num_steps: int,
        seed: int,
    ) -> dict[str, dict[str, Any]]:
        """See base class; `effects` are means over updates, for 0, 1, ..."""
        gradients = inside.gradients_of_first(
            rules_by_name, problem, num_steps, seed
        )
        num_back = num_steps // 2
        steps = np.linspace(num_back, num_steps - 1, _NUM_STEPS).astype(int)
        return {
            name: {
                "effects": look_back.effects(
                    rule, gradients, sorted(set(steps.tolist())), num_back
                )
                .mean(axis=0)
                .tolist()
            }
            for name, rule in rules_by_name.items()
        }

    def draw_panel(
        self,
        axes: mpl_axes.Axes,
        curves: Mapping[str, base.Result],
        looks: Mapping[str, Mapping[str, Any]],
    ) -> None:
        """See base class."""
        for name, values in curves.items():
            effects = np.array(values["effects"], float)
            # What is zero has no place on a logarithmic axis.
            shown = np.where(effects > 0, effects, np.nan)
            # SGD has no more than the first point.
            axes.plot(
                np.arange(len(effects)),
                shown,
                **looks[name],
                marker="o",
                markersize=4,
                markevery=[0],
            )
        axes.set_xlabel("steps back")
        axes.set_ylabel("effect on the update")
        axes.set_ylim(1e-3, 2.0)
        plotting.log_axis(axes)

    def tables(self, result: base.Result) -> str:
        """See base class."""
        back = (0, 1, 2, 5, 10, 20, 30, 40, 50)

        def cells(values: base.Result) -> list[str]:
            effects = np.array(values["effects"], float)
            return [
                markdown.loss(effects[k]) if k < len(effects) else ""
                for k in back
            ]

        return (
            "Effects of the gradient so many steps back (1: one percent more "
            "of it changes the update by one percent):\n\n"
            + markdown.table(
                ["", "", *map(str, back)],
                inside.rows(result, cells),
            )
        )
