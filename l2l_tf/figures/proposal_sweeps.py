"""The figure of updates as a function of the gradient, history held fixed."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from matplotlib import figure as mpl_figure

from l2l_tf.evaluation import plot_styles
from l2l_tf.evaluation import plotting
from l2l_tf.evaluation import proposals
from l2l_tf.figures import base
from l2l_tf.figures import comparisons
from l2l_tf.figures import histories
from l2l_tf.figures import markdown

_REACH = 3.0
"""Gradients shown, over the root mean square of the run's, or more where more
was met."""

_NEAREST = 1e-3
"""The gradient next to zero, as a share of the largest one."""


@dataclasses.dataclass(frozen=True)
class ProposalSweeps(base.Figure):
    """Proposed updates over the current gradient, at steps along a run.

    Coordinates are those of `Histories`, steps in the order of a run.

    Source: Andrychowicz et al. 2016, appendix.

    Attributes:
        title: See base class.
        panel: The problem, one learned optimizer, and baselines.
        steps: Steps, counted from 1.
        num_values: Gradients of a curve, an odd number.
        parameters: See `Histories`.
        note: See base class.
    """

    title: str
    panel: comparisons.Panel
    steps: tuple[int, ...] = (1, 5, 25, 100)
    num_values: int = 41
    parameters: str = ""
    note: str = ""

    def run(self, context: base.Context) -> dict[str, Any]:
        """Makes the run, and replaces one gradient at a time.

        Args:
            context: What to run with; rates that it lacks are searched.

        Returns:
            `learned` and `rates` as of `Histories`; `steps`; `coordinates`:
            for each `parameter`, `index`, the gradients `values`, those `met`
            at the steps, and `updates` by label, a list for each step.
        """
        problem, own, others, rates = histories.prepare(self.panel, context)
        [label] = own
        gradients = proposals.gradients_of(
            own[label], problem, self.panel.num_steps, context.seed
        )
        places = [step - 1 for step in self.steps]
        followers = {
            name: proposals.Follower(rule)
            for name, rule in {**own, **others}.items()
        }
        states = {
            name: follower.follow(gradients, places).states
            for name, follower in followers.items()
        }
        num_values = 5 if context.quick else self.num_values
        coordinates = []
        for coordinate in histories.chosen(gradients, problem, self.parameters):
            met = proposals.along(gradients, coordinate)
            at_steps = [float(met[place]) for place in places]
            reach = max(
                _REACH * float(np.sqrt(np.mean(np.square(met)))),
                *(abs(value) for value in at_steps),
            )
            values = reach * _spread(num_values)
            coordinates.append(
                {
                    "parameter": problem.parameter_names[coordinate.parameter],
                    "index": coordinate.index,
                    "values": values.tolist(),
                    "met": at_steps,
                    "updates": {
                        name: [
                            follower.sweep(
                                [g[place] for g in gradients],
                                states[name][place],
                                coordinate,
                                values,
                            ).tolist()
                            for place in places
                        ]
                        for name, follower in followers.items()
                    },
                }
            )
        return {
            "learned": label,
            "rates": rates,
            "steps": list(self.steps),
            "coordinates": coordinates,
        }

    def draw(self, result: base.Result) -> mpl_figure.Figure:
        """See base class."""
        coordinates, steps = result["coordinates"], result["steps"]
        figure, axes = plotting.grid(len(coordinates) * len(steps))
        styles = histories.looks(result)
        parts = iter(axes)
        for found in coordinates:
            for place, step in enumerate(steps):
                part = next(parts)
                for name, updates in found["updates"].items():
                    part.plot(
                        np.array(found["values"], float),
                        np.array(updates[place], float),
                        **styles[name],
                    )
                part.axhline(0.0, color="black", linewidth=0.5)
                part.axvline(found["met"][place], color="black", alpha=0.4)
                part.set_title(f"{histories.title(found)}, step {step}")
                part.set_xlabel("gradient")
                part.set_ylabel("update")
        plotting.legend_below(figure)
        return figure

    def tables(self, result: base.Result) -> str:
        """See base class."""
        own = result["learned"]
        rows = [
            [
                histories.title(found),
                str(step),
                markdown.loss(found["met"][place]),
                *(
                    markdown.loss(float(np.ptp(found["updates"][name][place])))
                    for name in found["updates"]
                ),
                f"{_downhill(found, own, place):.0%}",
            ]
            for found in result["coordinates"]
            for place, step in enumerate(result["steps"])
        ]
        names = list(result["coordinates"][0]["updates"])
        shares = {
            name: [
                _around_zero(found, name, place)
                for found in result["coordinates"]
                for place in range(len(result["steps"]))
            ]
            for name in names
        }
        medians = ", ".join(
            f"{plot_styles.label(name)} {np.median(own):.2g}"
            for name, own in shares.items()
        )
        return (
            "How far proposals lie apart over all gradients shown, and for "
            "how many of these the learned optimizer goes downhill:\n\n"
            + markdown.table(
                [
                    *("coordinate", "step", "gradient met"),
                    *map(plot_styles.label, names),
                    "downhill",
                ],
                rows,
            )
            + "\n\nWhat part of that lies within the hundredth of the "
            f"gradients around zero, medians over all rows: {medians}."
        )


def _around_zero(found: base.Result, name: str, place: int) -> float:
    values = np.array(found["values"], float)
    updates = np.array(found["updates"][name][place], float)
    is_near = np.abs(values) <= 0.01 * np.max(values)
    whole = np.ptp(updates)
    return float(np.ptp(updates[is_near]) / whole) if whole > 0 else np.nan


def _spread(count: int) -> np.ndarray:
    """Returns numbers from -1 to 1, dense around zero, where updates turn."""
    positive = np.geomspace(_NEAREST, 1.0, count // 2)
    return np.concatenate([-positive[::-1], [0.0], positive])


def _downhill(found: base.Result, name: str, place: int) -> float:
    values = np.array(found["values"], float)
    updates = np.array(found["updates"][name][place], float)
    moving = values != 0
    return float(np.mean((values * updates < 0)[moving]))
