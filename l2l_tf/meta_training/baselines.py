"""Hand-designed rules on the runs of validation, to be drawn beside it."""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from l2l_tf.core import distribution as distribution_lib
from l2l_tf.core import files
from l2l_tf.evaluation import learning_curves
from l2l_tf.evaluation import rate_search
from l2l_tf.meta_training import settings as settings_lib
from l2l_tf.problems import base as problems
from l2l_tf.rules import registry

PAPER = ("adam", "rmsprop", "nag", "sgd")
"""The paper's four."""

_FILE = "baselines.json"
# Coarse, short, and with few runs: a first look, and no comparison.
_MOST_RUNS = 4
_SEARCH_RUNS = 2
_SEARCH_STEPS = 100

KnownRates = Callable[[problems.Family, int], Mapping[str, float]]
"""Maps a problem and its number of steps to rates of baselines by name."""


def none_known(problem: problems.Family, num_steps: int) -> Mapping[str, float]:
    """Knows no rates, so that all of them are searched."""
    del problem, num_steps
    return {}


class Baselines:
    """Rules on the first runs that validations of a training make.

    Results are kept in a file, so that they are made once for a training,
    however often it is resumed.
    """

    def __init__(
        self,
        problem: problems.Family,
        settings: settings_lib.Settings,
        names: Sequence[str] = PAPER,
        known_rates: KnownRates = none_known,
        folder: str | os.PathLike | None = None,
        distribution: distribution_lib.Distribution | None = None,
    ):
        """Takes what to run; runs nothing yet.

        Args:
            problem: The problem, on any split.
            settings: How it is trained on.
            names: The rules.
            known_rates: Learning rates that need no search.
            folder: Where results are kept, by the chief's process; None
                keeps none.
            distribution: The replicas that share out the runs; one by
                default. All their processes have to ask for the results.
        """
        self._distribution = distribution or distribution_lib.Distribution()
        self._problem = problem.with_split("validation")
        self._settings = settings
        self._names = names
        self._known_rates = known_rates
        self._file = None if folder is None else pathlib.Path(folder, _FILE)

    @functools.cached_property
    def results(self) -> dict[str, dict[str, Any]]:
        """By name what `learning_curves.summarize` says; made only once.

        Where it is read from the file, None stands for numbers that are not
        finite; processes other than the chief's then have nothing.
        """
        is_chief = self._distribution.is_chief and self._file is not None
        kept = self._read() if is_chief else None
        if self._distribution.any(kept is not None):
            return kept or {}
        results = self._run_all()
        if is_chief:
            content = {"key": self._key(), "results": results}
            # What cannot be kept is made again; the runs are here.
            with contextlib.suppress(OSError):
                files.write_json(self._file, content, indent=None)
        return results

    def _key(self) -> dict[str, Any]:
        """Returns what decides the results."""
        return files.plain(
            {
                "problem": self._problem.config(),
                "num_steps": self._settings.num_steps,
                "num_runs": self._num_runs,
                "seed": self._settings.seed,
                "names": list(self._names),
            }
        )

    def _read(self) -> dict[str, dict[str, Any]] | None:
        """Returns what the file holds; None unless these are our results."""
        try:
            kept = files.read_json(self._file, files.MAX_CURVES_BYTES)
            results = kept["results"]
            lengths = {
                len(results[name][part])
                for name in self._names
                for part in ("mean", "std")
            }
            if kept["key"] != self._key() or len(results) != len(self._names):
                return None
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return results if lengths <= {self._settings.num_steps + 1} else None

    @property
    def _num_runs(self) -> int:
        return min(_MOST_RUNS, self._settings.evaluation_epochs)

    def _run_all(self) -> dict[str, dict[str, Any]]:
        known = self._known_rates(self._problem, self._settings.num_steps)
        return {name: self._run(name, known.get(name)) for name in self._names}

    def _run(self, name: str, rate: float | None) -> dict[str, Any]:
        settings = self._settings
        if rate is None:
            steps = min(_SEARCH_STEPS, settings.num_steps)
            baseline = rate_search.Baseline(
                name, self._problem, steps, self._distribution
            )
            rate = baseline.search_learning_rate(
                settings.seed, _SEARCH_RUNS, "halving"
            ).learning_rate
        recorder = learning_curves.Recorder(
            registry.RULES.get(name),
            self._problem,
            settings.num_steps,
            distribution=self._distribution,
        )
        recording = recorder.record(settings.seed, self._num_runs, rate)
        return {
            "learned": False,
            **learning_curves.summarize(
                recording.losses, rate, sizes=recording.sizes
            ),
        }
