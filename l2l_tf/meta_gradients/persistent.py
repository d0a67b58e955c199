"""dL/dphi by persistent evolution strategies: long runs in short unrolls."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from l2l_tf.core import distribution
from l2l_tf.meta_gradients import base
from l2l_tf.meta_gradients import evolution
from l2l_tf.meta_gradients import perturbation
from l2l_tf.meta_gradients import registry
from l2l_tf.meta_gradients import unroll


class Particles(NamedTuple):
    """Runs under perturbed weights; every tensor has an axis of pairs in front.

    Attributes:
        plus: What `unroll.Run` changes, under phi + sigma eps, for the pairs
            of this replica.
        minus: The same under phi - sigma eps.
        noise: The sum of the eps of all unrolls so far, for each variable and
            for the pairs of all replicas.
    """

    plus: base.Nest
    minus: base.Nest
    noise: list[tf.Tensor]


@registry.ESTIMATORS.register("pes")
class PersistentEvolutionStrategies(evolution.Sampled):
    """Antithetic persistent evolution strategies.

        xi_k     =  eps_1 + ... + eps_k
        dL/dphi  ~  mean of  (L_k(phi + sigma eps) - L_k(phi - sigma eps))
                             / (2 sigma)  xi_k

    Each particle goes on with its own run from unroll to unroll, and all
    perturbations that made it what it is are credited with its losses. Summed
    over the unrolls of a run, the estimates are those of the gradient of the
    whole run's meta-loss, which no truncation biases; with `max_unrolls` that
    of the part which is trained on.

    Source: Vicol et al. 2021, arXiv 2112.13835, section 4.
    """

    def initial_state(self, run, num_steps=None):
        """See base class; all particles start where the run does."""
        del num_steps
        _, count = distribution.own_share(self._num_pairs)
        particles = _repeat(_changing(run), count)
        zeros = [tf.zeros_like(v) for v in self._rule.trainable_variables]
        return Particles(particles, particles, _repeat(zeros, self._num_pairs))

    def measure(self, run, state):
        """See base class."""

        def draw(pair):
            return perturbation.draw(
                self._rule, self._seed(run, run.step, pair)
            )

        def advance(pair, plus, minus):
            new = draw(pair)
            losses, runs = [], []
            for changing, scale in ((plus, self._std), (minus, -self._std)):
                rule = perturbation.perturbed(self._rule, new, scale)
                loss, trajectory = self._unroll(rule, run._replace(**changing))
                losses.append(loss)
                runs.append(_changing(trajectory.run))
            quotient = (losses[0] - losses[1]) / (2.0 * self._std)
            return tf.cast(quotient, tf.float64), *runs

        first, count = distribution.own_share(self._num_pairs)
        quotients, plus, minus = tf.map_fn(
            lambda elements: advance(*elements),
            (tf.range(first, first + count), state.plus, state.minus),
            fn_output_signature=(
                tf.TensorSpec([], tf.float64),
                _elements(state.plus),
                _elements(state.minus),
            ),
            parallel_iterations=1,
        )
        noise = tf.map_fn(
            lambda elements: [
                a + b
                for a, b in zip(elements[1], draw(elements[0]), strict=True)
            ],
            (tf.range(self._num_pairs), state.noise),
            fn_output_signature=_elements(state.noise),
            parallel_iterations=1,
        )
        loss, trajectory = self._unroll(self._rule, run)
        return base.Estimate(
            loss,
            [quotients],
            trajectory.losses,
            trajectory.run,
            Particles(plus, minus, noise),
        )

    def _weighted(self, quotients, run, state):
        """See base class."""
        del run
        return [
            tf.tensordot(tf.cast(quotients, noise.dtype), noise, 1)
            / self._num_pairs
            for noise in state.noise
        ]


def _repeat(nest: base.Nest, count: int) -> base.Nest:
    return tf.nest.map_structure(
        lambda t: tf.repeat(t[tf.newaxis], count, axis=0), nest
    )


def _elements(nest: base.Nest) -> base.Nest:
    """Returns what `tf.map_fn` is told of tensors along a leading axis."""
    return tf.nest.map_structure(
        lambda t: tf.TensorSpec(t.shape[1:], t.dtype), nest
    )


def _changing(run: unroll.Run) -> dict[str, base.Nest]:
    """Returns what an unroll changes in a run, but for its step."""
    return {
        "params": run.params,
        "rule_state": run.rule_state,
        "model_state": run.model_state,
    }
