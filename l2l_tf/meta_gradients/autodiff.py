"""dL/dphi by differentiating through the whole loop."""

from __future__ import annotations

import tensorflow as tf

from l2l_tf.meta_gradients import base
from l2l_tf.meta_gradients import meta_loss
from l2l_tf.meta_gradients import registry
from l2l_tf.meta_gradients import unroll


@registry.ESTIMATORS.register("autodiff")
class Autodiff(base.Estimator):
    """Backpropagation through time.

    Source: Andrychowicz et al. 2016, section 2.
    """

    reasons = {
        "coordinate_fraction": "autodiff takes all coordinates",
        "num_lanes": "autodiff takes all coordinates together",
    }

    def __init__(
        self, rule, problem, step_weights, /, second_derivatives: bool = False
    ):
        """Takes one option.

        Args:
            rule: See base class.
            problem: See base class.
            step_weights: See base class.
            second_derivatives: Whether the dependence of the optimizee's
                gradients on phi is differentiated, too; the paper drops it.
        """
        super().__init__(rule, problem, step_weights)
        self._second_derivatives = second_derivatives

    def __call__(self, run, state):
        """See base class."""
        variables = self._rule.trainable_variables
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            trajectory = unroll.unroll(
                self._rule,
                self._problem,
                run,
                self._num_steps,
                second_derivatives=self._second_derivatives,
            )
            loss = meta_loss.meta_loss(trajectory.losses, self._step_weights)
        gradients = tape.gradient(
            loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        return base.Estimate(
            loss, gradients, trajectory.losses, trajectory.run, state
        )
