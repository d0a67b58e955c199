"""Figures of single coordinates: what rules propose along one run."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import figure as mpl_figure

from l2l_tf.evaluation import plot_styles
from l2l_tf.evaluation import plotting
from l2l_tf.evaluation import proposals
from l2l_tf.figures import base
from l2l_tf.figures import comparisons
from l2l_tf.figures import markdown
from l2l_tf.problems import base as problems
from l2l_tf.problems import registry
from l2l_tf.rules import base as rules
from l2l_tf.rules import registry as rule_registry

_WIDEST = 1.5  # points

_PARTS = (
    ("steps 1 to 10", slice(0, 10)),
    ("steps from 21 on", slice(20, None)),
)


@dataclasses.dataclass(frozen=True)
class Histories(base.Figure):
    """Updates step by step, beside those that others would have made.

    The first of a panel's optimizers makes the run. Of each parameter the
    coordinate is shown whose mean absolute gradient is the median.

    Source: Andrychowicz et al. 2016, appendix.

    Attributes:
        title: See base class.
        panel: The problem, one learned optimizer, and baselines.
        parameters: Shows parameters in whose name this pattern is found.
        note: See base class.
    """

    title: str
    panel: comparisons.Panel
    parameters: str = ""
    note: str = ""

    def run(self, context: base.Context) -> dict[str, Any]:
        """Makes the run, and shows its gradients to all rules.

        Args:
            context: What to run with; rates that it lacks are searched.

        Returns:
            `learned`, the learned optimizer's label; `rates` of the others;
            `coordinates`: for each its `parameter` and `index`, its
            `gradients` and, by label, `updates`.
        """
        problem, own, others, rates = prepare(self.panel, context)
        [label] = own
        gradients = proposals.gradients_of(
            own[label], problem, self.panel.num_steps, context.seed
        )
        followed = {
            name: proposals.Follower(rule).follow(gradients).updates
            for name, rule in {**own, **others}.items()
        }
        return {
            "learned": label,
            "rates": rates,
            "coordinates": [
                {
                    "parameter": problem.parameter_names[coordinate.parameter],
                    "index": coordinate.index,
                    "gradients": proposals.along(
                        gradients, coordinate
                    ).tolist(),
                    "updates": {
                        name: proposals.along(updates, coordinate).tolist()
                        for name, updates in followed.items()
                    },
                }
                for coordinate in chosen(gradients, problem, self.parameters)
            ],
        }

    def draw(self, result: base.Result) -> mpl_figure.Figure:
        """See base class."""
        coordinates = result["coordinates"]
        figure, axes = plotting.grid(len(coordinates))
        styles = looks(result)
        for part, found in zip(axes, coordinates, strict=True):
            for name, updates in found["updates"].items():
                steps = np.arange(1, len(updates) + 1)
                part.plot(steps, np.array(updates, float), **styles[name])
            part.axhline(0.0, color="black", linewidth=0.5)
            part.set_title(title(found))
            part.set_xlabel("step")
            part.set_ylabel("update")
        plotting.legend_below(figure)
        return figure

    def tables(self, result: base.Result) -> str:
        """See base class."""
        names = list(result["coordinates"][0]["updates"])
        head = [
            "coordinate",
            "mean absolute gradient",
            *(f"update of {plot_styles.label(name)}" for name in names),
            *(
                f"same sign as {plot_styles.label(name)}'s"
                for name in names
                if name != result["learned"]
            ),
        ]
        return (
            "Means of absolute updates over the run, and in how many of its "
            "steps the learned optimizer and another one propose the same "
            "direction; learning rates: "
            + ", ".join(
                f"{plot_styles.label(name)} {rate:.3g}"
                for name, rate in result["rates"].items()
            )
            + ":\n\n"
            + markdown.table(
                head,
                [
                    self._row(found, names, result["learned"])
                    for found in result["coordinates"]
                ],
            )
            + "\n\nMean absolute updates of the learned optimizer, as "
            "multiples of those of others, early and later:\n\n"
            + self._multiples(result, names)
        )

    def _multiples(self, result: base.Result, names: list[str]) -> str:
        own = result["learned"]
        others = [name for name in names if name != own]

        def mean(found: base.Result, name: str, part: slice) -> float:
            updates = np.abs(found["updates"][name][part])
            return float(np.mean(updates)) if updates.size else np.nan

        return markdown.table(
            [
                "coordinate",
                *(
                    f"{plot_styles.label(name)}'s, {said}"
                    for name in others
                    for said, _ in _PARTS
                ),
            ],
            [
                [
                    title(found),
                    *(
                        markdown.ratio(
                            mean(found, own, part), mean(found, name, part)
                        )
                        for name in others
                        for _, part in _PARTS
                    ),
                ]
                for found in result["coordinates"]
            ],
        )

    def _row(self, found: base.Result, names: list[str], own: str) -> list[str]:
        updates = {n: np.array(found["updates"][n], float) for n in names}
        return [
            title(found),
            markdown.loss(float(np.mean(np.abs(found["gradients"])))),
            *(markdown.loss(float(np.mean(np.abs(updates[n])))) for n in names),
            *(
                f"{np.mean(np.sign(updates[own]) == np.sign(updates[n])):.0%}"
                for n in names
                if n != own
            ),
        ]


def prepare(
    panel: comparisons.Panel, context: base.Context
) -> tuple[
    problems.Problem,
    Mapping[str, rules.UpdateRule],
    Mapping[str, rules.UpdateRule],
    dict[str, float],
]:
    """Loads what a panel compares.

    Returns:
        The problem; the learned rule and the baselines, by label; the
        baselines' rates.
    """
    problem = registry.make_problem(panel.problem, panel.split, **panel.options)
    own = {
        label: context.load(name, problem.parameter_names)
        for label, name in panel.optimizers.items()
    }
    rates = {
        name: comparisons.learning_rate(panel, problem, name, context)
        for name in panel.baselines
    }
    others = {
        name: rule_registry.make_rule({"rule": name, "learning_rate": rate})
        for name, rate in rates.items()
    }
    return problem, own, others, rates


def chosen(
    gradients: Sequence[np.ndarray], problem: problems.Problem, pattern: str
) -> list[proposals.Coordinate]:
    """Returns a coordinate of each parameter whose name fits a pattern."""
    return [
        coordinate
        for coordinate in proposals.median_coordinates(gradients)
        if re.search(pattern, problem.parameter_names[coordinate.parameter])
    ]


def looks(result: base.Result) -> Mapping[str, Any]:
    """Returns styles of the rules of a result."""
    [first, *_] = result["coordinates"]
    styles = plot_styles.styles(
        {
            name: {"learned": name == result["learned"]}
            for name in first["updates"]
        }
    )
    # Curves that jump from step to step would hide what is behind.
    return {
        name: {**style, "linewidth": min(style["linewidth"], _WIDEST)}
        for name, style in styles.items()
    }


def title(found: base.Result) -> str:
    """Returns what a coordinate is called: its layer, parameter and place."""
    name = "/".join(found["parameter"].split("/")[-2:])
    return f"{name}[{found['index']}]"
