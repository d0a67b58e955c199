"""Several problems at once, as one sum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from l2l_tf.core import checks
from l2l_tf.core import randomness
from l2l_tf.problems import base
from l2l_tf.problems import registry


class Ensemble(base.Problem):
    """f(theta_1, ..., theta_n) = sum_i a_i f_i(theta_i).

    Source: google-deepmind/learning-to-learn, `problems.ensemble`.
    """

    name = "ensemble"

    def __init__(
        self,
        problems: Sequence[base.Problem],
        factors: Sequence[float] | None = None,
    ):
        """Creates the sum.

        Args:
            problems: The problems, all on the same split. Their losses must
                have the same shape.
            factors: The a_i; ones by default.

        Raises:
            ValueError: If the factors do not match the problems.
        """
        factors = [1.0] * len(problems) if factors is None else factors
        is_list = isinstance(factors, (list, tuple))
        if not (is_list and problems and len(factors) == len(problems)):
            raise ValueError(
                f"An ensemble takes one weight for each problem; received "
                f"{len(problems)} problems and the weights {factors!r}."
            )
        for factor in factors:
            checks.number("Each weight of an ensemble", factor)
        super().__init__(problems[0].split)
        self.problems = list(problems)
        self.options = {
            "problems": registry.to_list(problems),
            "weights": factors,  # what the released code calls them
        }
        # One after the other, and each but once.
        known = dict.fromkeys(p.data for p in problems if p.data)
        self.data = "; ".join(known)
        self.factors = list(factors)
        # Functions are summed one by one; other numbers make no loss.
        numbers = {problem.num_functions for problem in problems}
        self.num_functions = numbers.pop() if len(numbers) == 1 else None

    def with_split(self, split: str) -> Ensemble:
        """See base class."""
        other = super().with_split(split)
        other.problems = [p.with_split(split) for p in self.problems]
        return other

    @property
    def parameter_names(self) -> list[str]:
        """See base class."""
        return [
            f"problem_{index}/{name}"
            for index, problem in enumerate(self.problems)
            for name in problem.parameter_names
        ]

    def sample_task(self, seed):
        """See base class."""
        return [p.sample_task(s) for p, s in self._seeded(seed)]

    def initial_params(self, task, seed):
        """See base class."""
        parts = [
            problem.initial_params(part, s)
            for (problem, s), part in zip(self._seeded(seed), task, strict=True)
        ]
        return [param for part in parts for param in part]

    def sample_batch(self, task, seed):
        """See base class."""
        return [
            problem.sample_batch(part, s)
            for (problem, s), part in zip(self._seeded(seed), task, strict=True)
        ]

    def initial_model_state(self, task, seed):
        """See base class."""
        return [
            problem.initial_model_state(part, s)
            for (problem, s), part in zip(self._seeded(seed), task, strict=True)
        ]

    def loss(self, params, model_state, task, batch, seed):
        """See base class; metrics are named like parameters."""
        losses, next_state, metrics, start = [], [], {}, 0
        for index, ((problem, own_seed), factor) in enumerate(
            zip(self._seeded(seed), self.factors, strict=True)
        ):
            stop = start + len(problem.parameter_names)
            outcome = problem.loss(
                params[start:stop],
                model_state[index],
                task[index],
                batch[index],
                own_seed,
            )
            losses.append(tf.cast(factor, outcome.loss.dtype) * outcome.loss)
            next_state.append(outcome.model_state)
            for name, value in outcome.metrics.items():
                metrics[f"problem_{index}/{name}"] = value
            start = stop
        shapes = [loss.shape.as_list() for loss in losses]
        if any(shape != shapes[0] for shape in shapes):
            raise ValueError(
                "The problems of an ensemble must have losses of one shape; "
                f"received {shapes}. Give quadratics the same num_functions, "
                "or 1-element losses to all."
            )
        return base.Outcome(tf.add_n(losses), next_state, metrics)

    def _seeded(self, seed: tf.Tensor):
        return [
            (problem, randomness.fold_in(seed, index))
            for index, problem in enumerate(self.problems)
        ]


@registry.PROBLEMS.register("ensemble")
def from_configs(
    split: str = "train",
    /,
    *,
    problems: Sequence[Mapping[str, Any]],
    weights: Sequence[float] | None = None,
) -> Ensemble:
    """Builds an ensemble from `[{"problem": name, ...options}, ...]`.

    Args:
        split: The split of all problems' data.
        problems: Names and options of the problems.
        weights: The factors, see `Ensemble`.

    Returns:
        The ensemble.

    Raises:
        ValueError: If a problem or a factor is refused.
    """
    parts = []
    for part in registry.from_list("an ensemble", problems, split):
        parts += part.members
        if len(part.members) > 1:
            raise ValueError(
                "An ensemble takes problems of one set of parameters each; "
                f"received {part.name!r}, which has {len(part.members)}."
            )
    return Ensemble(parts, weights)
