"""Learning curves of problems without minibatches, where L-BFGS can be run."""

from __future__ import annotations

from typing import Any

from matplotlib import figure as mpl_figure

from l2l_tf.evaluation import learning_curves as evaluation
from l2l_tf.evaluation import quasi_newton
from l2l_tf.figures import base
from l2l_tf.figures import comparisons
from l2l_tf.figures import learning_curves
from l2l_tf.figures import markdown
from l2l_tf.problems import registry


class ReferenceCurves(learning_curves.LearningCurves):
    """Learning curves with L-BFGS beside them, over evaluations of the loss.

    No rate is searched for it: it is not one of the baselines.
    """

    def run(self, context: base.Context) -> dict[str, Any]:
        """Makes the runs of all panels, and those of L-BFGS."""
        result = super().run(context)
        for panel in result["panels"]:
            found = panel["results"]
            problem = registry.make_problem(
                panel["problem"], panel["split"], **panel["options"]
            )
            recording = quasi_newton.record(
                problem, found["num_steps"], found["seed"], found["num_runs"]
            )
            panel["references"] = {
                quasi_newton.NAME: {
                    "learned": False,
                    **evaluation.summarize(recording.losses, None),
                }
            }
        return result

    def draw(self, result: base.Result) -> mpl_figure.Figure:
        """See base class."""
        return super().draw(
            {"panels": [_with_references(p) for p in result["panels"]]}
        )

    def tables(self, result: base.Result) -> str:
        """See base class."""
        rows = [
            [
                panel["label"],
                name,
                *(
                    markdown.loss(found["mean"][step])
                    for step in (10, 40, -1)
                    if step < len(found["mean"])
                ),
            ]
            for panel in result["panels"]
            for name, found in _with_references(panel)["results"][
                "optimizers"
            ].items()
        ]
        head = ["", "optimizer", "step 10", "step 40", "last step"]
        return "\n\n".join(
            [
                super().tables(result),
                "Mean losses at single steps; those of L-BFGS are the least "
                "after as many evaluations:",
                markdown.table(head, rows),
            ]
        )


def _with_references(panel: comparisons.Panel) -> dict[str, Any]:
    """Returns a panel's results with the references among the optimizers."""
    results = panel["results"]
    optimizers = {**results["optimizers"], **panel["references"]}
    return {**panel, "results": {**results, "optimizers": optimizers}}
