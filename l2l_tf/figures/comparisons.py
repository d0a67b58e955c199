"""Figures that compare learned optimizers with hand-designed ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from l2l_tf.evaluation import comparison
from l2l_tf.evaluation import learning_curves as evaluation
from l2l_tf.evaluation import rate_search
from l2l_tf.figures import base
from l2l_tf.figures import comparison_tables
from l2l_tf.figures import references
from l2l_tf.problems import base as problems
from l2l_tf.problems import registry

BASELINES = ("adam", "rmsprop", "nag", "sgd", "momentum", "adagrad", "rprop")
"""All hand-designed rules, the paper's four first, as figures show them."""

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
        search: How baselines' rates are searched, one of
            `l2l_tf.evaluation.rate_search.SEARCHES`.
        search_runs: Runs per rate of a search; by default what the length of
            the runs asks for.
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
    search: str = "grid"
    search_runs: int | None = None


@dataclasses.dataclass(frozen=True)
class Comparisons(base.Figure):
    """A figure of one or several panels; subclasses draw it.

    Attributes:
        title: See base class.
        panels: Its panels.
        reference: The baseline that losses are compared with all along the
            run, where a panel has it.
        steps: Steps at which the tables tell everything, too.
        note: See base class.
    """

    title: str
    panels: tuple[Panel, ...]
    reference: str = "adam"
    steps: tuple[int, ...] = ()
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
        return comparison_tables.tables(
            result["panels"], self.reference, self.steps
        )

    def numbers(self, result: base.Result, optimizer: str) -> dict[str, Any]:
        """See base class."""
        return {
            panel["label"]: comparison_tables.numbers(panel, label)
            for panel in result["panels"]
            for label, name in panel["optimizers"].items()
            if name == optimizer
        }


def compare(panel: Panel, context: base.Context) -> dict[str, Any]:
    """Runs one panel's comparison, one optimizer after the other.

    Args:
        panel: The panel.
        context: What to run with; rates that it lacks are searched, and
            results that it keeps are not made again.

    Returns:
        What `l2l_tf.evaluation.comparison.compare` returns for all of them, and
        references among the optimizers; but for the steps of searches, which
        are counted with the rates.
    """
    problem = registry.make_problem(panel.problem, **panel.options)
    whole = _compare(panel, context, problem)
    for label, optimizer in panel.optimizers.items():
        rule = context.load(optimizer, problem.parameter_names)
        key = _key(whole, problem, label)
        key["files"] = context.saved_optimizers[optimizer]
        found = context.kept.get(key)
        if found is None:
            found = _compare(panel, context, problem, learned={label: rule})
            context.kept.put(key, found)
        whole["optimizers"] |= found["optimizers"]
    for name in panel.baselines:
        known = context.rates.get(problem, panel.num_steps)
        key = _key(whole, problem, name)
        found = context.kept.get({**key, "rate": known.get(name)})
        if found is None:
            found = _compare(
                panel, context, problem, baselines=[name], learning_rates=known
            )
            rate = found["optimizers"][name]["learning_rate"]
            if name not in known:
                context.rates.put(
                    problem,
                    panel.num_steps,
                    {**known, name: rate},
                    found["search_steps"][name],
                )
            context.kept.put({**key, "rate": rate}, found)
        whole["optimizers"] |= found["optimizers"]
    for name in panel.references:
        key = _key(whole, problem, name)
        found = context.kept.get(key)
        if found is None:
            curves = references.REFERENCES.get(name)(
                problem.with_split(panel.split),
                panel.num_steps,
                context.seed,
                whole["num_runs"],
            )
            found = {
                "learned": False,
                "reference": True,
                **evaluation.summarize(curves, None),
            }
            context.kept.put(key, found)
        whole["optimizers"][name] = found
    del whole["search_steps"]
    return whole


def _compare(
    panel: Panel,
    context: base.Context,
    problem: problems.Problem,
    **optimizers: Any,
) -> dict[str, Any]:
    num_runs = panel.num_runs
    if context.quick:
        num_runs = min(num_runs, _QUICK_RUNS)
    return comparison.compare(
        problem,
        panel.split,
        panel.num_steps,
        num_runs,
        context.seed,
        search_runs=search_runs(panel),
        search=panel.search,
        **optimizers,
    )


def _key(
    results: Mapping[str, Any], problem: problems.Problem, optimizer: str
) -> dict[str, Any]:
    """Returns what decides an optimizer's runs, beside what it is made of."""
    keys = ("split", "num_steps", "num_runs", "seed")
    return {
        **{key: results[key] for key in keys},
        "problem": problem.config(),
        "optimizer": optimizer,
    }


def learning_rate(
    panel: Panel,
    problem: problems.Problem,
    baseline: str,
    context: base.Context,
) -> float:
    """Returns a baseline's rate; one that is not known is searched and kept.

    Args:
        panel: How long runs are, and how to search.
        problem: The panel's problem.
        baseline: Name of a hand-designed rule.
        context: Holds the known rates, and the seed of a search.
    """
    known = context.rates.get(problem, panel.num_steps)
    if baseline not in known:
        found = rate_search.Baseline(
            baseline, problem, panel.num_steps
        ).search_learning_rate(context.seed, search_runs(panel), panel.search)
        known = {**known, baseline: found.learning_rate}
        context.rates.put(problem, panel.num_steps, known, found.steps)
    return known[baseline]


def search_runs(panel: Panel) -> int:
    """Returns how many runs per rate a search of baselines' rates makes."""
    if panel.search_runs is not None:
        return panel.search_runs
    wanted = max(_SEARCH_RUNS, _SEARCH_STEPS // panel.num_steps)
    return min(panel.num_runs, wanted)
