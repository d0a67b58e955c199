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

_TINY = 1e-20
"""Keeps steps that the imitated rule does not make out of the loss."""


@registry.ESTIMATORS.register("imitation")
class Imitation(replay.Replay):
    """Besides the meta-loss, how far updates are from those of another rule.

        L' = L + w mean over t of |g_t - a_t|^2 / |a_t|^2
        w  = imitation_weight (1 - share of the training that is over)

    The other rule is shown the gradients that the rule meets, and moves
    nothing. By the replay identity its part of dL'/dphi costs no more than an
    addition to c_t. Where a run's first steps are skipped, it begins after.

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

    def initial_state(self, run):
        """See base class; the state of the imitated rule."""
        return self._imitated.initial_state_of_functions(
            run.params, self._problem.num_functions
        )

    @property
    def _recording_rule(self):
        return self._watched

    def _also(self, loss, factors, trajectory, state):
        records, updates = trajectory.records
        wanted, state = self._follow(
            [gradient[:-1] for gradient in trajectory.gradients], state
        )
        weight = self._weight * (1.0 - self.share) / float(self._num_steps)
        sizes = _TINY + tf.add_n([_squares(a) for a in wanted])
        distances = [u - a for u, a in zip(updates, wanted, strict=True)]
        missed = tf.add_n([_squares(d) for d in distances])
        weights = tf.cast(weight, sizes.dtype) / sizes
        loss += tf.cast(tf.reduce_sum(weights * missed), loss.dtype)
        factors = [
            c + 2.0 * _along(weights, d) * d
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


def _squares(tensor: tf.Tensor) -> tf.Tensor:
    """Returns each step's sum of squares, shape [steps]."""
    return tf.reduce_sum(tf.reshape(tensor, [tensor.shape[0], -1]) ** 2, axis=1)


def _along(weights: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """Returns weights of steps in a shape that multiplies a tensor."""
    ones = [1] * (like.shape.rank - 1)
    return tf.cast(tf.reshape(weights, [-1, *ones]), like.dtype)
