"""A learned optimizer beside hand-designed ones at their searched rates."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from l2l_tf.core import distribution as distribution_lib
from l2l_tf.evaluation import learning_curves as evaluation
from l2l_tf.evaluation import rate_search
from l2l_tf.problems import base as problems
from l2l_tf.rules import base as rules

LEARNED = "L2L"

_log = logging.getLogger(__name__)


def compare(
    problem: problems.Family,
    split: str,
    num_steps: int,
    num_runs: int,
    seed: int,
    learned: Mapping[str, rules.UpdateRule] | None = None,
    baselines: Sequence[str] = (),
    learning_rates: Mapping[str, float] | None = None,
    search_runs: int = 10,
    jit_compile: bool = True,
    search: str = "grid",
    distribution: distribution_lib.Distribution | None = None,
) -> dict[str, Any]:
    """Records paired runs of several optimizers.

    Source: Andrychowicz et al. 2016, section 3.

    Args:
        problem: The problem.
        split: The split from which the runs are drawn.
        num_steps: Updates per run.
        num_runs: Runs of every optimizer, the same ones.
        seed: Seed of the runs.
        learned: Learned rules by the name to list them under; the main one
            is called `LEARNED`.
        baselines: Names of hand-designed rules.
        learning_rates: Rates of baselines; those not listed are searched.
        search_runs: Validation runs per rate of a search.
        jit_compile: Whether XLA compiles the runs of the learned rule.
        search: How rates are searched, one of `rate_search.SEARCHES`.
        distribution: The replicas that share out the runs, in whose scope
            learned rules were made; one by default.

    Returns:
        What can be written as JSON: `problem`, `split`, `num_steps`,
        `num_runs`, `seed`; `search_steps`, the updates that searches made, by
        baseline; and `optimizers`: for each optimizer by name, whether it is a
        `learned` one, and what
        `l2l_tf.evaluation.learning_curves.summarize` says of it.
    """
    rate_search.SEARCHES.get(search)
    results: dict[str, Any] = {}
    search_steps: dict[str, int] = {}
    for name, rule in (learned or {}).items():
        recorder = evaluation.Recorder(
            lambda rate, rule=rule: rule,
            problem.with_split(split),
            num_steps,
            jit_compile,
            keep_metrics=True,
            distribution=distribution,
        )
        recording = recorder.record(seed, num_runs)
        results[name] = {
            "learned": True,
            **evaluation.summarize(
                recording.losses, None, recording.metrics, recording.sizes
            ),
        }
    for name in baselines:
        baseline = rate_search.Baseline(name, problem, num_steps, distribution)
        rate = (learning_rates or {}).get(name)
        if rate is None:
            found = baseline.search_learning_rate(seed, search_runs, search)
            rate, search_steps[name] = found.learning_rate, found.steps
            if found.at_edge:
                _log.warning(
                    "The best learning rate of %s, %g, lies at the edge of "
                    "the searched range of %g to %g: a better one may lie "
                    "beyond.",
                    name,
                    rate,
                    rate_search.GRID[0],
                    rate_search.GRID[-1],
                )
        recording = baseline.record(split, seed, num_runs, rate)
        results[name] = {
            "learned": False,
            **evaluation.summarize(
                recording.losses, rate, recording.metrics, recording.sizes
            ),
        }
    return {
        "problem": problem.name,
        "split": split,
        "num_steps": num_steps,
        "num_runs": num_runs,
        "seed": seed,
        "search_steps": search_steps,
        "optimizers": results,
    }


def table(comparison: Mapping[str, Any]) -> str:
    """Returns a comparison as a table for people to read.

    Args:
        comparison: What `compare` returned.

    Returns:
        Lines of text: what was run, then a line for each optimizer, the least
        final loss first. Losses are means over runs at a fifth of the steps
        and at the last one, with its standard error, and over all steps;
        metrics are means at the last step.
    """
    optimizers = comparison["optimizers"]
    last = comparison["num_steps"]
    fifth = last // 5
    metrics = list(
        dict.fromkeys(
            name for found in optimizers.values() for name in found["metrics"]
        )
    )
    lines = [
        f"{comparison['problem']}, {comparison['split']} split, "
        f"{comparison['num_runs']} runs of {last} steps",
        f"{'optimizer':<10} {'rate':>8} {f'step {fifth}':>10} "
        f"{f'step {last}':>10} {'+-':>9} {'mean':>10}"
        + "".join(f" {name:>{_width(name)}}" for name in metrics),
    ]
    for name in sorted(optimizers, key=lambda n: _order(optimizers[n])):
        result = optimizers[name]
        rate = result["learning_rate"]
        lines.append(
            f"{name:<10} {'' if rate is None else f'{rate:.3g}':>8} "
            f"{result['mean'][fifth]:>10.4g} {result['final']:>10.4g} "
            f"{result['final_sem']:>9.2g} {result['mean_over_steps']:>10.4g}"
            + "".join(
                f" {result['metrics'][metric]['final']:>{_width(metric)}.4g}"
                for metric in metrics
            )
        )
    return "\n".join(lines)


def _width(metric: str) -> int:
    return max(len(metric), 10)


def _order(result: Mapping[str, Any]) -> float:
    final = result["final"]
    return final if final == final else float("inf")
