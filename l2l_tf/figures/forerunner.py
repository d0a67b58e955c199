"""The forerunner's figure: errors by position in a sequence of examples."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from matplotlib import figure as mpl_figure

from l2l_tf.evaluation import learning_curves
from l2l_tf.evaluation import plot_styles
from l2l_tf.evaluation import plotting
from l2l_tf.evaluation import rate_search
from l2l_tf.figures import base
from l2l_tf.figures import markdown
from l2l_tf.meta_training import sequence_learner
from l2l_tf.problems import registry

_POSITIONS = (1, 2, 5, 10, 20, 30, 50, 100)
_QUICK_UPDATES, _QUICK_RUNS, _SEARCH_RUNS = 20, 2, 4
_SGD = "sgd"


@dataclasses.dataclass(frozen=True)
class Forerunner(base.Figure):
    """An LSTM that learns in its state, beside networks that learn online.

    The LSTM is trained each time the figure is run.

    Attributes:
        title: See base class.
        problem: The problem, whose minibatches are examples.
        optimizer: A saved optimizer to train networks with.
        num_examples: Examples in a sequence.
        num_updates: Steps of the LSTM's training.
        num_runs: Draws of functions that errors are means over.
        note: See base class.
    """

    title: str
    problem: str
    optimizer: str
    num_examples: int = 100
    num_updates: int = 6000
    num_runs: int = 8
    note: str = ""

    def run(self, context: base.Context) -> dict[str, Any]:
        """Trains the LSTM, and records all errors on the same examples.

        Args:
            context: What to run with.

        Returns:
            `curves`: for each learner whether it is a `learned` one, and the
            means and standard errors of its squared errors by position; the
            `learning_rate` of SGD, and `num_functions`, over which means are.
        """
        problem = registry.make_problem(self.problem, "test")
        quick = context.quick
        num_runs = _QUICK_RUNS if quick else self.num_runs
        learner = sequence_learner.SequenceLearner(
            problem, self.num_examples, seed=context.seed
        )
        learner.train(_QUICK_UPDATES if quick else self.num_updates)
        # The last example is met before the last update.
        num_steps = self.num_examples - 1
        sgd = rate_search.Baseline(_SGD, problem, num_steps)
        found = sgd.search_learning_rate(context.seed, _SEARCH_RUNS)
        rule = context.load(self.optimizer, problem.parameter_names)
        recorder = learning_curves.Recorder(
            lambda rate: rule, problem, num_steps, jit_compile=True
        )
        errors = {
            "LSTM that reads examples": (
                True,
                learner.errors("test", context.seed, num_runs).numpy(),
            ),
            "network, learned optimizer": (
                True,
                recorder.curves(context.seed, num_runs),
            ),
            "network, SGD": (
                False,
                sgd.record(
                    "test", context.seed, num_runs, found.learning_rate
                ).losses,
            ),
        }
        return {
            "problem": problem.config(),
            "learning_rate": found.learning_rate,
            "num_functions": num_runs * problem.num_functions,
            "curves": {
                name: {
                    "learned": is_learned,
                    "mean": np.mean(values, axis=0).tolist(),
                    "sem": (
                        np.std(values, axis=0) / np.sqrt(len(values))
                    ).tolist(),
                }
                for name, (is_learned, values) in errors.items()
            },
        }

    def draw(self, result: base.Result) -> mpl_figure.Figure:
        """See base class."""
        figure, [axes] = plotting.grid(1)
        styles = plot_styles.styles(result["curves"])
        for name, found in result["curves"].items():
            mean, sem = np.array([found["mean"], found["sem"]], float)
            positions = np.arange(1, len(mean) + 1)
            plotting.curve(axes, positions, mean, sem, **styles[name])
        axes.set_xlabel("example")
        axes.set_ylabel("squared error")
        plotting.log_axis(axes)
        plotting.legend_below(figure)
        return figure

    def tables(self, result: base.Result) -> str:
        """See base class."""
        curves = result["curves"]
        length = min(len(found["mean"]) for found in curves.values())
        positions = [p for p in _POSITIONS if p <= length]
        rows = [
            [
                name,
                *(markdown.loss(found["mean"][p - 1]) for p in positions),
                markdown.loss(_mean_after(found, 20)),
            ]
            for name, found in curves.items()
        ]
        head = ["", *(f"example {p}" for p in positions), "all after 20"]
        return (
            f"Squared errors, means over {result['num_functions']} functions; "
            f"the rate of SGD is {result['learning_rate']:.3g}:\n\n"
            f"{markdown.table(head, rows)}"
        )


def _mean_after(found: base.Result, position: int) -> float | None:
    rest = np.array(found["mean"][position:], float)
    return float(np.mean(rest)) if rest.size else None
