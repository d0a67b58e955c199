"""The suite: optimizers on Keras problems that none was trained on."""

from __future__ import annotations

import importlib.metadata
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from l2l_tf.core import checks
from l2l_tf.evaluation import kept_results
from l2l_tf.evaluation import suite_problems
from l2l_tf.evaluation import suite_runs
from l2l_tf.evaluation import suite_tables
from l2l_tf.rules import scheduled
from l2l_tf.saving import metadata

NAMES = ("general",)

RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
"""Rates of Adam; those of SGD are ten times as large."""

_SGD_FACTOR = 10

_REFERENCE_RATE = 1e-3
_DIGITS = 7  # that are kept of a loss

_BASELINES = (
    (
        suite_runs.Candidate(
            "Adam", lambda steps: keras.optimizers.Adam(), {"baseline": "adam"}
        ),
        1,
    ),
    (
        suite_runs.Candidate(
            "Adam with cosine decay",
            lambda steps: keras.optimizers.Adam(),
            {"baseline": "adam", "schedule": "cosine"},
            knows_length=True,
            schedule=scheduled.cosine,
        ),
        1,
    ),
    (
        suite_runs.Candidate(
            "SGD with Nesterov momentum",
            lambda steps: keras.optimizers.SGD(momentum=0.9, nesterov=True),
            {"baseline": "sgd", "momentum": 0.9, "nesterov": True},
        ),
        _SGD_FACTOR,
    ),
)
"""Hand-designed optimizers, and how much larger their rates are."""


def check_rates(rates: Sequence[float]) -> tuple[float, ...]:
    """Returns rates of Adam.

    Raises:
        ValueError: If one is none, or that of the reference is not among them.
    """
    rates = [checks.number("rates", rate, 0.0, above=True) for rate in rates]
    if _REFERENCE_RATE not in rates:
        raise ValueError(
            f"rates must hold {_REFERENCE_RATE:g}, to which all is compared; "
            f"received {', '.join(f'{rate:g}' for rate in rates)}."
        )
    return tuple(dict.fromkeys(rates))


def problem_names(chosen: Sequence[str]) -> list[str]:
    """Returns the names of problems: those chosen, or all.

    Raises:
        ValueError: If one is unknown.
    """
    known = suite_problems.PROBLEMS.names()
    for name in chosen:
        suite_problems.PROBLEMS.get(name)
    return list(dict.fromkeys(chosen)) or known


def run(
    names: Sequence[str],
    learned: Sequence[suite_runs.Candidate],
    lengths: Sequence[int],
    num_seeds: int,
    kept: kept_results.KeptResults,
    say: Callable[[str], Any] = lambda line: None,
    rates: Sequence[float] = RATES,
) -> dict[str, Any]:
    """Runs optimizers and baselines, and measures them.

    Baselines are Adam at 0.001; at the one rate that is best for all problems
    together; and at the best rate of each; SGD likewise. Rates are chosen by
    the very losses that are then reported, which favours baselines.

    Args:
        names: The problems.
        learned: The optimizers, which choose their own step sizes.
        lengths: Numbers of steps; each is a run of its own.
        num_seeds: Runs of each.
        kept: Where runs are kept, and not made again.
        say: Called with a line of text for each problem.
        rates: Adam's rates that are tried, 0.001 among them; SGD's are ten
            times as large.

    Returns:
        What can be written as JSON: `problems`, `num_seeds`, `max_parameters`
        (of the largest model), `rates` and `lengths`: by number of steps what
        `suite_tables.measure` says of each entrant.

    Raises:
        DataNotFoundError: If the data of a problem are not there; nothing is
            run then.
    """
    for length in lengths:
        checks.integer("steps", length, 10)
    problems = {name: suite_problems.PROBLEMS.get(name)() for name in names}
    entries = [(candidate, (None,)) for candidate in learned]
    entries += [
        (baseline, tuple(float(f"{factor * rate:.3g}") for rate in rates))
        for baseline, factor in _BASELINES
    ]
    # By length, candidate's name, rate and problem.
    curves: dict[int, dict[str, dict[Any, dict[str, np.ndarray]]]] = {
        length: {
            candidate.name: {rate: {} for rate in rates}
            for candidate, rates in entries
        }
        for length in lengths
    }
    max_parameters = 0
    for name, problem in problems.items():
        starts = suite_runs.Starts(problem)
        max_parameters = max(max_parameters, starts.num_parameters())
        num_steps = 0
        for candidate, own_rates in entries:
            runs = _Runs(name, problem, starts, candidate, kept)
            for length in lengths:
                # A longer run begins as a shorter one does.
                made = length if candidate.knows_length else max(lengths)
                for rate in own_rates:
                    curves[length][candidate.name][rate][name] = np.stack(
                        [
                            runs.get(seed, made, rate)[:length]
                            for seed in range(num_seeds)
                        ]
                    )
            num_steps += runs.made
        say(f"{name}: {num_steps:,} steps made")
    return {
        "problems": list(names),
        "num_seeds": num_seeds,
        "max_parameters": max_parameters,
        "rates": list(rates),
        "lengths": {
            str(length): _measured(curves[length], learned)
            for length in lengths
        },
    }


def record(results: Mapping[str, Any], optimizer: str) -> None:
    """Writes into a saved optimizer's metadata what the suite says of it.

    Args:
        results: What `run` returned.
        optimizer: A name or a path, one of those that were run.
    """
    lengths = results["lengths"]
    ratios = {
        steps: entrants[optimizer]["ratios"][suite_tables.REFERENCE]
        for steps, entrants in lengths.items()
    }
    held = [
        int(steps)
        for steps, entrants in lengths.items()
        if not entrants[optimizer]["divergences"]
    ]
    folder = metadata.find(optimizer)
    values = metadata.read(folder)
    shown = {
        "problems": len(results["problems"]),
        "max_parameters": results["max_parameters"],
        # How far it is to be trusted: to where it has not diverged.
        "max_steps": max(held, default=1),
        "ratios": {
            steps: float(f"{ratio:.4g}") if math.isfinite(ratio) else None
            for steps, ratio in ratios.items()
        },
    }
    metadata.write(folder, {**values, "suite": shown})


class _Runs:
    """Runs of one candidate on one problem, kept or made."""

    def __init__(
        self,
        name: str,
        problem: suite_problems.SuiteProblem,
        starts: suite_runs.Starts,
        candidate: suite_runs.Candidate,
        kept: kept_results.KeptResults,
    ):
        self._name = name
        self._problem = problem
        self._starts = starts
        self._candidate = candidate
        self._kept = kept
        self._runners: dict[int, suite_runs.Runner] = {}
        self.made = 0

    def get(self, seed: int, num_steps: int, rate: float | None) -> np.ndarray:
        """Returns the losses of a run, shape [num_steps]."""
        key = {
            "problem": self._name,
            **self._starts.key(seed),
            "optimizer": dict(self._candidate.key),
            "rate": rate,
            "steps": num_steps,
            "versions": {
                package: importlib.metadata.version(package)
                for package in ("keras", "tensorflow")
            },
        }
        # JSON has null for NaN.
        return np.array(
            self._kept.get(
                key,
                lambda: self._make(seed, num_steps, rate),
                lambda result: _are_losses(result, num_steps),
            ),
            np.float64,
        )

    def _make(
        self, seed: int, num_steps: int, rate: float | None
    ) -> list[float]:
        length = num_steps if self._candidate.knows_length else 0
        if length not in self._runners:
            # Compiled only where a run is not kept.
            self._runners[length] = suite_runs.Runner(
                self._problem,
                self._starts,
                self._candidate,
                num_steps,
            )
        self.made += num_steps
        losses = self._runners[length].losses(seed, num_steps, rate)
        return [float(f"{loss:.{_DIGITS}g}") for loss in losses]


def _are_losses(result: Any, count: int) -> bool:
    return (
        isinstance(result, list)
        and len(result) == count
        and all(loss is None or checks.is_number(loss) for loss in result)
    )


def _measured(
    curves: Mapping[str, Mapping[Any, suite_tables.Curves]],
    learned: Sequence[suite_runs.Candidate],
) -> dict[str, Any]:
    reference = curves["Adam"][_REFERENCE_RATE]
    entrants = {c.name: curves[c.name][None] for c in learned}
    rates: dict[str, dict[str, float]] = {}
    entrants[suite_tables.REFERENCE] = reference
    for baseline, _ in _BASELINES:
        trials = curves[baseline.name]
        for how, (chosen, own) in (
            (
                "at its best single rate",
                suite_tables.best_single(trials, reference),
            ),
            ("at searched rates", suite_tables.searched(trials)),
        ):
            name = f"{baseline.name} {how}"
            entrants[name], rates[name] = chosen, own
    results = suite_tables.measure(entrants, rates)
    for candidate in learned:
        results[candidate.name]["learned"] = True
    return results
