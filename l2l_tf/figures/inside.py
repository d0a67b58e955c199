"""What the figures of a rule's inside have in common: rules along runs."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib import axes as mpl_axes
from matplotlib import figure as mpl_figure

from l2l_tf.evaluation import plot_styles
from l2l_tf.evaluation import plotting
from l2l_tf.evaluation import proposals
from l2l_tf.figures import base
from l2l_tf.figures import comparisons
from l2l_tf.figures import histories
from l2l_tf.problems import base as problems
from l2l_tf.rules import base as rules


@dataclasses.dataclass(frozen=True)
class Inside(base.Figure):
    """A panel for each problem, a curve for each rule; subclasses say which.

    Attributes:
        title: See base class.
        panels: Problems, each with learned optimizers and baselines.
        note: See base class.
    """

    title: str
    panels: tuple[comparisons.Panel, ...]
    note: str = ""

    @abc.abstractmethod
    def measure(
        self,
        rules_by_name: Mapping[str, rules.UpdateRule],
        problem: problems.Problem,
        num_steps: int,
        seed: int,
    ) -> dict[str, dict[str, Any]]:
        """Returns plain values for each rule, the first of which is learned."""

    @abc.abstractmethod
    def draw_panel(
        self,
        axes: mpl_axes.Axes,
        curves: Mapping[str, base.Result],
        looks: Mapping[str, Mapping[str, Any]],
    ) -> None:
        """Draws what `measure` returned.

        Args:
            axes: Where to draw.
            curves: What was measured, by rule.
            looks: Styles of the rules of all panels.
        """

    def run(self, context: base.Context) -> dict[str, Any]:
        """Measures all rules.

        Args:
            context: What to run with; rates that it lacks are searched.

        Returns:
            `panels`: for each its `label`, `rates`, and `curves`: for each
            rule whether it is a `learned` one, and what `measure` returned.
        """
        found = []
        for panel in self.panels:
            if context.quick and not panel.quick:
                continue
            problem, own, others, rates = histories.prepare(panel, context)
            num_steps = panel.num_steps
            curves = self.measure(
                {**own, **others}, problem, num_steps, context.seed
            )
            found.append(
                {
                    "label": panel.label,
                    "rates": rates,
                    "curves": {
                        name: {"learned": name in own, **values}
                        for name, values in curves.items()
                    },
                }
            )
        return {"panels": found}

    def draw(self, result: base.Result) -> mpl_figure.Figure:
        """See base class."""
        panels = result["panels"]
        figure, axes = plotting.grid(len(panels))
        styles = plot_styles.styles(*(panel["curves"] for panel in panels))
        for panel, part in zip(panels, axes, strict=True):
            self.draw_panel(part, panel["curves"], styles)
            part.set_title(panel["label"])
        plotting.legend_below(figure)
        return figure


def gradients_of_first(
    rules_by_name: Mapping[str, rules.UpdateRule],
    problem: problems.Problem,
    num_steps: int,
    seed: int,
) -> list[np.ndarray]:
    """Returns the gradients of the run that the first of some rules makes."""
    first = next(iter(rules_by_name.values()))
    return proposals.gradients_of(first, problem, num_steps, seed)


def rows(
    result: base.Result, cells: Callable[[base.Result], list[str]]
) -> list[list[str]]:
    """Returns a table's row for each rule of each panel.

    Args:
        result: What `Inside.run` returned.
        cells: Maps what was measured of a rule to the cells of its row.
    """
    return [
        [panel["label"], plot_styles.label(name), *cells(values)]
        for panel in result["panels"]
        for name, values in panel["curves"].items()
    ]
