"""Hand-designed rules as baselines, each at its best learning rate."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from l2l_tf.evaluation import learning_curves as evaluation
from l2l_tf.problems import base as problems
from l2l_tf.rules import registry

GRID = tuple(float(f"{10.0 ** (k / 2):.3g}") for k in range(-8, 3))
"""Learning rates 1e-4 to 10, in factors of the square root of ten."""

_REFINEMENTS = (10.0 ** (1 / 4), 10.0 ** (1 / 8))


class Search(NamedTuple):
    """What a search found.

    Attributes:
        learning_rate: The best rate.
        loss: Its validation loss.
        trials: All rates tried and their losses, by rate.
        at_edge: Whether the best rate is the least or greatest one tried, so
            that a better one may lie beyond.
    """

    learning_rate: float
    loss: float
    trials: dict[float, float]
    at_edge: bool


def search(objective: Callable[[float], float]) -> Search:
    """Minimises over the grid, then between the best rate's neighbours.

    Args:
        objective: Maps a learning rate to a validation loss.

    Returns:
        The best rate and all trials.
    """
    trials = {rate: objective(rate) for rate in GRID}
    for factor in _REFINEMENTS:
        best = min(trials, key=trials.get)
        for rate in (best / factor, best * factor):
            if GRID[0] <= rate <= GRID[-1]:
                trials[rate] = objective(rate)
    best = min(trials, key=trials.get)
    at_edge = best in (GRID[0], GRID[-1])
    return Search(best, trials[best], dict(sorted(trials.items())), at_edge)


class Baseline:
    """A hand-designed rule on a problem, with any learning rate."""

    def __init__(self, name: str, problem: problems.Problem, num_steps: int):
        """Prepares the rule.

        Args:
            name: One of `l2l_tf.rules.hand_designed.names()`.
            problem: The problem, on any split.
            num_steps: Updates per run.
        """
        self.name = name
        self._problem = problem
        self._num_steps = num_steps
        self._recorders: dict[tuple[str, bool], evaluation.Recorder] = {}

    def record(
        self, split: str, seed: int, num_runs: int, learning_rate: float
    ) -> evaluation.Recording:
        """Records runs with metrics, see `evaluation.Recorder.record`."""
        recorder = self._recorder(split, keep_metrics=True)
        return recorder.record(seed, num_runs, learning_rate)

    def curves(
        self, split: str, seed: int, num_runs: int, learning_rate: float
    ) -> np.ndarray:
        """Records learning curves, see `evaluation.Recorder.curves`."""
        recorder = self._recorder(split, keep_metrics=False)
        return recorder.curves(seed, num_runs, learning_rate)

    def search_learning_rate(self, seed: int, num_runs: int) -> Search:
        """Finds the best rate on validation draws.

        The best is that of the least mean loss over the last tenth of the
        steps.

        Source: Andrychowicz et al. 2016, section 3.

        Args:
            seed: The experiment's seed.
            num_runs: Validation runs per rate, the same for all rates.

        Returns:
            What the search found.
        """

        def objective(rate: float) -> float:
            curves = self.curves("validation", seed, num_runs, rate)
            return evaluation.mean_of_last_tenth(curves)

        return search(objective)

    def _recorder(self, split: str, keep_metrics: bool) -> evaluation.Recorder:
        key = split, keep_metrics
        if key not in self._recorders:
            self._recorders[key] = evaluation.Recorder(
                registry.RULES.get(self.name),
                self._problem.with_split(split),
                self._num_steps,
                keep_metrics=keep_metrics,
            )
        return self._recorders[key]
