"""Replay with an auxiliary loss: the distance to another rule's updates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from l2l_tf.core import checks
from l2l_tf.meta_gradients import registry
from l2l_tf.meta_gradients import replay
from l2l_tf.rules import base as rules
from l2l_tf.rules import recording
from l2l_tf.rules import registry as rule_registry


@registry.ESTIMATORS.register("imitation")
class Imitation(replay.Replay):
    """Besides the meta-loss, how far updates are from those of another rule.

        L' = L + w sum_t |g_t - a_t|^2 / sum_t |a_t|^2
        w  = imitation_weight (1 - share of the training that is over)

    The other rule is shown the gradients that the rule meets, and moves
    nothing. By the replay identity its part of dL'/dphi costs no more than an
    addition to c_t. Where a run's first steps are skipped, it begins after
    them, as in a run that is as much shorter. Where it stands still, nothing is
    added.

    Source: Chen et al. 2020, arXiv 2010.09089, section 3.2.
    """

    def __init__(
        self,
        rule,
        problem,
        step_weights,
        /,
        imitated: Mapping[str, Any] | None = None,
        imitation_weight: float = 1.0,
        **options,
    ):
        """Takes what to imitate; other options are those of `Replay`.

        Args:
            rule: See base class.
            problem: See base class.
            step_weights: See base class.
            imitated: The other rule's configuration; by default Adam at a
                learning rate of 0.001.
            imitation_weight: The weight of its loss as training begins.
            **options: See `Replay`.

        Raises:
            ValueError: If an option is refused.
        """
        super().__init__(rule, problem, step_weights, **options)
        self._imitated = rule_registry.make_rule(
            imitated or {"rule": "adam", "learning_rate": 0.001},
            problem.parameter_names,
        )
        self._weight = checks.number("imitation_weight", imitation_weight, 0.0)
        self._watched = recording.Recording(rule)

    def initial_state(self, run, num_steps=None):
        """See base class; the state of the imitated rule."""
        state = self._imitated.initial_state_of_functions(
            run.params, self._problem.num_functions
        )
        if num_steps is None:
            return state
        return self._imitated.with_horizon(
            state, run.params, num_steps - run.step
        )

    @property
    def _recording_rule(self):
        return self._watched

    def _also(self, loss, factors, trajectory, state):
        records, updates = trajectory.records
        wanted, state = self._follow(
            [gradient[:-1] for gradient in trajectory.gradients], state
        )
        distances = [u - a for u, a in zip(updates, wanted, strict=True)]
        size = _sum_of_squares(wanted)
        weight = tf.cast(self._weight * (1.0 - self.share), size.dtype)
        weight = tf.math.divide_no_nan(weight, size)
        missed = weight * _sum_of_squares(distances)
        loss += tf.cast(missed, loss.dtype)
        factors = [
            c + 2.0 * tf.cast(weight, d.dtype) * d
            for c, d in zip(factors, distances, strict=True)
        ]
        return loss, factors, records, state

    def _follow(
        self, gradients: Sequence[tf.Tensor], state: rules.State
    ) -> tuple[list[tf.Tensor], rules.State]:
        """Returns the imitated rule's updates, shape [steps, ...]."""
        found = []
        for step in range(self._num_steps):
            updates, state = self._imitated([g[step] for g in gradients], state)
            found.append(updates)
        return [tf.stack(steps) for steps in zip(*found, strict=True)], state


def _sum_of_squares(tensors: Sequence[tf.Tensor]) -> tf.Tensor:
    return tf.add_n([tf.reduce_sum(tf.square(t)) for t in tensors])
