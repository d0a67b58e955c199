"""The figure of how updates scale with gradients."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import axes as mpl_axes

from l2l_tf.evaluation import plotting
from l2l_tf.evaluation import update_scales
from l2l_tf.figures import base
from l2l_tf.figures import inside
from l2l_tf.figures import markdown
from l2l_tf.problems import base as problems
from l2l_tf.rules import base as rules


@dataclasses.dataclass(frozen=True)
class UpdateScales(inside.Inside):
    """Sizes of updates over a factor that multiplies all gradients of a run.

    The first of a panel's optimizers makes the run; nothing is moved by what
    rules propose for the multiplied gradients.

    Attributes:
        factors: The factors.
    """

    factors: tuple[float, ...] = tuple(10.0 ** (k / 2) for k in range(-6, 7))

    def measure(
        self,
        rules_by_name: Mapping[str, rules.UpdateRule],
        problem: problems.Problem,
        num_steps: int,
        seed: int,
    ) -> dict[str, dict[str, Any]]:
        """See base class; `factors`, and `sizes` of updates for each."""
        gradients = inside.gradients_of_first(
            rules_by_name, problem, num_steps, seed
        )
        return {
            name: {
                "factors": list(self.factors),
                "sizes": update_scales.sizes(
                    rule, gradients, self.factors
                ).tolist(),
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
            axes.plot(
                np.array(values["factors"], float),
                np.array(values["sizes"], float),
                **looks[name],
            )
        plotting.log_axis(axes, "x")
        axes.set_xlabel("all gradients times")
        axes.set_ylabel("size of updates")
        plotting.log_axis(axes)

    def tables(self, result: base.Result) -> str:
        """See base class."""

        def cells(values: base.Result) -> list[str]:
            factors = np.array(values["factors"], float)
            found = np.array(values["sizes"], float)
            unchanged = found[np.argmin(np.abs(np.log(factors)))]
            return [
                f"{unchanged:.2g}",
                *(_ratio(size / unchanged) for size in found[::2]),
            ]

        factors = next(iter(result["panels"][0]["curves"].values()))["factors"]
        return (
            "Root mean squares of updates as they are, and relative to that "
            "where all gradients are multiplied:\n\n"
            + markdown.table(
                ["", "", "size", *(f"times {f:g}" for f in factors[::2])],
                inside.rows(result, cells),
            )
        )


def _ratio(value: float) -> str:
    return f"{value:.2g}" if value < 99.5 else f"{value:,.0f}"
