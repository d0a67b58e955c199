"""Hand-designed rules on the runs of validation, to be drawn beside it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from l2l_tf.evaluation import learning_curves
from l2l_tf.evaluation import rate_search
from l2l_tf.meta_training import settings as settings_lib
from l2l_tf.problems import base as problems
from l2l_tf.rules import registry

PAPER = ("adam", "rmsprop", "nag", "sgd")
"""The paper's four."""

_SEARCH_RUNS = 2

KnownRates = Callable[[problems.Family, int], Mapping[str, float]]
"""Maps a problem and its number of steps to rates of baselines by name."""


def none_known(problem: problems.Family, num_steps: int) -> Mapping[str, float]:
    """Knows no rates, so that all of them are searched."""
    del problem, num_steps
    return {}


class Baselines:
    """Rules on the runs that validations of a training make."""

    def __init__(
        self,
        problem: problems.Family,
        settings: settings_lib.Settings,
        names: Sequence[str] = PAPER,
        known_rates: KnownRates = none_known,
    ):
        """Takes what to run; runs nothing yet.

        Args:
            problem: The problem, on any split.
            settings: How it is trained on.
            names: The rules.
            known_rates: Learning rates that need no search.
        """
        self._problem = problem.with_split("validation")
        self._settings = settings
        self._names = names
        self._known_rates = known_rates

    @functools.cached_property
    def results(self) -> dict[str, dict[str, Any]]:
        """By name what `learning_curves.summarize` says; made only once."""
        known = self._known_rates(self._problem, self._settings.num_steps)
        return {name: self._run(name, known.get(name)) for name in self._names}

    def _run(self, name: str, rate: float | None) -> dict[str, Any]:
        settings = self._settings
        recorder = learning_curves.Recorder(
            registry.RULES.get(name), self._problem, settings.num_steps
        )
        if rate is None:
            # Coarse, and with few runs: a first look, and no comparison.
            rate = min(
                rate_search.GRID,
                key=lambda tried: recorder.last_tenth(
                    recorder.curves(settings.seed, _SEARCH_RUNS, tried)
                ),
            )
        curves = recorder.curves(
            settings.seed, settings.evaluation_epochs, rate
        )
        return {"learned": False, **learning_curves.summarize(curves, rate)}
