"""Hand-designed rules as baselines, each at its best learning rate."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

from l2l_tf.core import distribution as distribution_lib
from l2l_tf.core import registry as registry_lib
from l2l_tf.evaluation import learning_curves as evaluation
from l2l_tf.problems import base as problems
from l2l_tf.rules import registry

GRID = tuple(float(f"{10.0 ** (k / 2):.3g}") for k in range(-8, 3))
"""Learning rates 1e-4 to 10, in factors of the square root of ten."""

_REFINEMENTS = (10.0 ** (1 / 4), 10.0 ** (1 / 8))
# What part of the steps is made, and with how many rates to go on from there.
_RUNGS = ((10, 4), (3, 2))

Objective = Callable[[float, int], float]
"""Maps a learning rate and a number of steps to a validation loss."""


class Search(NamedTuple):
    """What a search found.

    Attributes:
        learning_rate: The best rate.
        loss: Its validation loss.
        trials: All rates tried for all steps and their losses, by rate.
        at_edge: Whether the best rate is the least or greatest one tried, so
            that a better one may lie beyond.
        steps: Updates made, of all runs at all rates together; 0 if unknown.
    """

    learning_rate: float
    loss: float
    trials: dict[float, float]
    at_edge: bool
    steps: int = 0


SEARCHES: registry_lib.Registry[Callable[[Objective, int], Search]] = (
    registry_lib.Registry("search of rates", "l2l_tf.evaluation")
)
"""Called with an objective and the number of steps that counts."""


def search(objective: Callable[[float], float]) -> Search:
    """Minimises over the grid, then between the best rate's neighbours.

    Args:
        objective: Maps a learning rate to a validation loss.

    Returns:
        The best rate and all trials.
    """
    return _refined({rate: objective(rate) for rate in GRID}, objective)


@SEARCHES.register("grid")
def grid_search(objective: Objective, num_steps: int) -> Search:
    """Makes all steps at every rate of `search`."""
    return search(functools.partial(objective, num_steps=num_steps))


@SEARCHES.register("halving")
def halving_search(objective: Objective, num_steps: int) -> Search:
    """Makes few steps at all rates of the grid, and all at the best few.

    A tenth of the steps leaves four rates, a third two; from the better one
    of these it goes on as `search` does.

    Source: Jamieson and Talwalkar 2016, arXiv 1502.07943 (successive halving).

    Args:
        objective: Maps a learning rate and a number of steps to a validation
            loss.
        num_steps: The number of steps that counts.

    Returns:
        The best rate, and all trials of so many steps.
    """
    rates = list(GRID)
    for part, kept in _RUNGS:
        losses = {r: objective(r, max(1, num_steps // part)) for r in rates}
        rates = sorted(losses, key=losses.get)[:kept]
    whole = functools.partial(objective, num_steps=num_steps)
    return _refined({rate: whole(rate) for rate in sorted(rates)}, whole)


def _refined(
    trials: dict[float, float], objective: Callable[[float], float]
) -> Search:
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

    def __init__(
        self,
        name: str,
        problem: problems.Family,
        num_steps: int,
        distribution: distribution_lib.Distribution | None = None,
    ):
        """Prepares the rule.

        Args:
            name: One of `l2l_tf.rules.hand_designed.names()`.
            problem: The problem, on any split.
            num_steps: Updates per run.
            distribution: The replicas that share out the runs; one by
                default.
        """
        self.name = name
        self._distribution = distribution
        self._problem = problem
        self._num_steps = num_steps
        self._recorders: dict[tuple[str, int, bool], evaluation.Recorder] = {}

    def record(
        self, split: str, seed: int, num_runs: int, learning_rate: float
    ) -> evaluation.Recording:
        """Records runs with metrics, see `evaluation.Recorder.record`."""
        recorder = self._recorder(split, self._num_steps, keep_metrics=True)
        return recorder.record(seed, num_runs, learning_rate)

    def search_learning_rate(
        self, seed: int, num_runs: int, method: str = "grid"
    ) -> Search:
        """Finds the best rate on validation draws.

        The best is that of the least mean loss over the last tenth of the
        steps, see `evaluation.Recorder.last_tenth`.

        Source: Andrychowicz et al. 2016, section 3.

        Args:
            seed: The experiment's seed.
            num_runs: Validation runs per rate, the same for all rates.
            method: One of `SEARCHES`.

        Returns:
            What the search found.
        """
        steps = 0

        def objective(rate: float, num_steps: int) -> float:
            nonlocal steps
            steps += num_steps * num_runs
            recorder = self._recorder("validation", num_steps, False)
            curves = recorder.curves(seed, num_runs, rate)
            return recorder.last_tenth(curves)

        found = SEARCHES.get(method)(objective, self._num_steps)
        return found._replace(steps=steps)

    def _recorder(
        self, split: str, num_steps: int, keep_metrics: bool
    ) -> evaluation.Recorder:
        key = split, num_steps, keep_metrics
        if key not in self._recorders:
            self._recorders[key] = evaluation.Recorder(
                registry.RULES.get(self.name),
                self._problem.with_split(split),
                num_steps,
                keep_metrics=keep_metrics,
                distribution=self._distribution,
            )
        return self._recorders[key]
