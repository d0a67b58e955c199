"""Figures that compare learned optimizers with hand-designed ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from l2l_tf.evaluation import comparison
from l2l_tf.evaluation import learning_curves as evaluation
from l2l_tf.figures import base
from l2l_tf.figures import comparison_tables
from l2l_tf.figures import references
from l2l_tf.problems import registry

BASELINES = ("adam", "rmsprop", "nag", "sgd", "momentum", "adagrad", "rprop")

_QUICK_RUNS = 5
# Steps per rate of a search. With few runs, a rate at the edge of stability
# looks best and then diverges; long runs show that sooner.
_SEARCH_STEPS = 4000
_SEARCH_RUNS = 5  # at least


@dataclasses.dataclass(frozen=True)
class Panel:
    """One comparison of learned and hand-designed optimizers.

    Attributes:
        label: What it shows.
        optimizers: Saved optimizers, names of bundled ones or paths, by the
            label to show them under.
        problem: Name of the problem.
        options: The problem's options.
        split: The split that runs are drawn from.
        num_steps: Updates per run.
        num_runs: Runs; a draw of quadratics counts as one run.
        baselines: Names of the hand-designed rules to compare with.
        references: Names in `l2l_tf.figures.references.REFERENCES`.
        paper: The paper's loss of its LSTM there, read from its plot.
        paper_baseline: The paper's best baseline there.
        quick: Whether a first look shows it, too.
    """

    label: str
    optimizers: Mapping[str, str]
    problem: str
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    split: str = "test"
    num_steps: int = 100
    num_runs: int = 100
    baselines: tuple[str, ...] = BASELINES
    references: tuple[str, ...] = ()
    paper: float | None = None
    paper_baseline: float | None = None
    quick: bool = True


@dataclasses.dataclass(frozen=True)
class Comparisons(base.Figure):
    """A figure of one or several panels; subclasses draw it.

    Attributes:
        title: See base class.
        panels: Its panels.
        reference: The baseline that losses are compared with all along the
            run, where a panel has it.
        note: See base class.
    """

    title: str
    panels: tuple[Panel, ...]
    reference: str = "adam"
    note: str = ""

    def run(self, context: base.Context) -> dict[str, Any]:
        """Makes the runs of all panels.

        Args:
            context: What to run with.

        Returns:
            `panels`: for each panel its fields and, as `results`, what
            `l2l_tf.evaluation.comparison.compare` returned.
        """
        return {
            "panels": [
                {
                    **dataclasses.asdict(panel),
                    "results": compare(panel, context),
                }
                for panel in self.panels
                if panel.quick or not context.quick
            ]
        }

    def tables(self, result: base.Result) -> str:
        """See base class."""
        return comparison_tables.tables(result["panels"], self.reference)

    def numbers(self, result: base.Result, optimizer: str) -> dict[str, Any]:
        """See base class."""
        return {
            panel["label"]: comparison_tables.numbers(panel, label)
            for panel in result["panels"]
            for label, name in panel["optimizers"].items()
            if name == optimizer
        }


def compare(panel: Panel, context: base.Context) -> dict[str, Any]:
    """Runs one panel's comparison.

    Args:
        panel: The panel.
        context: What to run with; rates that it lacks are searched.

    Returns:
        What `l2l_tf.evaluation.comparison.compare` returned, and references
        among the optimizers.
    """
    problem = registry.make_problem(panel.problem, **panel.options)
    known = context.rates.get(problem, panel.num_steps)
    num_runs = panel.num_runs
    if context.quick:
        num_runs = min(num_runs, _QUICK_RUNS)
    results = comparison.compare(
        problem,
        panel.split,
        panel.num_steps,
        num_runs,
        context.seed,
        {
            label: context.load(optimizer, problem.parameter_names)
            for label, optimizer in panel.optimizers.items()
        },
        panel.baselines,
        known,
        search_runs=search_runs(panel),
    )
    rates = known | {
        name: results["optimizers"][name]["learning_rate"]
        for name in panel.baselines
    }
    if rates != known:
        context.rates.put(problem, panel.num_steps, rates)
    for name in panel.references:
        curves = references.REFERENCES.get(name)(
            problem.with_split(panel.split),
            panel.num_steps,
            context.seed,
            num_runs,
        )
        results["optimizers"][name] = {
            "learned": False,
            "reference": True,
            **evaluation.summarize(curves, None),
        }
    return results


def search_runs(panel: Panel) -> int:
    """Returns how many runs per rate a search of baselines' rates makes."""
    wanted = max(_SEARCH_RUNS, _SEARCH_STEPS // panel.num_steps)
    return min(panel.num_runs, wanted)
