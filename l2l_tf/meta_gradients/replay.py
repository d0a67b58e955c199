"""The replay identity: dL/dphi without differentiating the optimizee twice.

With the optimizee's gradients held constant, parameters enter the meta-loss
only through theta_{t+1} = theta_t + g_t, so that

    dL/dg_t  =  c_t  =  sum_{s>t} w_s grad f(theta_s),
    dL/dphi  =  d/dphi sum_t <g_t(phi; grad_0, ..., grad_t), c_t>,

where all of grad_0, ..., grad_T were computed on the way forward. How the sum
is differentiated is up to the rule, see `UpdateRule.replay`.
"""

from __future__ import annotations

import tensorflow as tf

from l2l_tf.core import checks
from l2l_tf.core import randomness
from l2l_tf.meta_gradients import base
from l2l_tf.meta_gradients import meta_loss
from l2l_tf.meta_gradients import registry
from l2l_tf.meta_gradients import unroll
from l2l_tf.problems import base as problems
from l2l_tf.rules import base as rules


@registry.ESTIMATORS.register("replay")
class Replay(base.Estimator):
    """Differentiates the rule alone, replayed over what the unroll recorded.

    Equal to `autodiff` without second derivatives, to rounding; in a fraction
    of its time and memory.
    """

    reasons = {
        "second_derivatives": (
            "replay rests on the optimizee's gradients being held constant"
        ),
    }

    def __init__(
        self,
        rule,
        problem,
        step_weights,
        /,
        coordinate_fraction: float = 1.0,
        num_lanes: int = 1,
        jit_compile: bool = True,
    ):
        """Takes the options, and checks what the rule says about itself.

        Args:
            rule: See base class.
            problem: See base class.
            step_weights: See base class.
            coordinate_fraction: The share of coordinates to replay, drawn
                uniformly for each unroll; with less than 1 the gradients are
                unbiased estimates.
            num_lanes: Shares of the coordinates that are replayed side by
                side; sums differ in rounding with their number.
            jit_compile: Whether XLA compiles the unroll and the replay.

        Raises:
            ValueError: If an option is refused, or the rule claims what is
                not so.
        """
        super().__init__(rule, problem, step_weights)
        self._options = rules.ReplayOptions(
            checks.number(
                "coordinate_fraction", coordinate_fraction, 0.0, above=True
            ),
            None,
            checks.integer("num_lanes", num_lanes),
            jit_compile,
        )
        rule.check_claims(problem.example_params())
        if coordinate_fraction < 1.0:
            _check_fraction(rule, problem, self._options)

    def __call__(self, run, state):
        """See base class."""
        seed = randomness.fold_in(
            randomness.stream(run.seed, "coordinates"), run.step
        )
        trajectory = unroll.unroll(
            self._recording_rule,
            self._problem,
            run,
            self._num_steps,
            keep_gradients=True,
            jit_compile=self._options.jit_compile,
        )
        # The optimizee's gradients are those of the sum of its functions.
        losses = trajectory.losses
        num_functions = tf.cast(tf.size(losses[0]), tf.float64)
        step_weights = tf.cast(self._step_weights, tf.float64)
        unit = tf.cast(self._problem.unit(run.task), tf.float64)
        loss = meta_loss.meta_loss(losses, step_weights)
        factors = [
            cotangents(gradient, step_weights / (num_functions * unit))
            for gradient in trajectory.gradients
        ]
        loss, factors, records, state = self._also(
            loss, factors, trajectory, state
        )
        gradients = self._rule.replay(
            [gradient[:-1] for gradient in trajectory.gradients],
            records,
            run.rule_state,
            factors,
            self._options._replace(seed=seed),
        )
        return base.Estimate(loss, gradients, losses, trajectory.run, state)

    @property
    def _recording_rule(self) -> rules.UpdateRule:
        """What is unrolled: the rule, or one that records more."""
        return self._rule

    def _also(
        self,
        loss: tf.Tensor,
        factors: list[tf.Tensor],
        trajectory: unroll.Trajectory,
        state: base.Nest,
    ) -> tuple[tf.Tensor, list[tf.Tensor], rules.Record, base.Nest]:
        """Adds a loss of updates themselves; none here.

        Args:
            loss: The meta-loss.
            factors: Its derivatives by updates, c_t.
            trajectory: What was unrolled.
            state: What the estimator carries.

        Returns:
            The sum of both losses, its derivatives, what the rule itself
            recorded, and the next state.
        """
        return loss, factors, trajectory.records, state


def _check_fraction(
    rule: rules.UpdateRule,
    problem: problems.Problem,
    options: rules.ReplayOptions,
) -> None:
    """Raises a ValueError if the rule needs all of the coordinates."""
    params = problem.example_params()
    state = rule.initial_state_of_functions(params, problem.num_functions)

    @tf.function(autograph=False)
    def replay_a_step():
        record = rule.record(params, state)[-1]
        steps, records = tf.nest.map_structure(
            lambda tensor: tensor[tf.newaxis], (params, record)
        )
        seed = tf.constant([0, 0])
        return rule.replay(
            steps, records, state, steps, options._replace(seed=seed)
        )

    # Traced, not run.
    replay_a_step.get_concrete_function()


def cotangents(gradients: tf.Tensor, step_weights: tf.Tensor) -> tf.Tensor:
    """Returns `c_t = sum_{s>t} w_s grad f(theta_s)`.

    Args:
        gradients: At theta_0, ..., theta_T, shape [steps + 1, ...].
        step_weights: The w_t, shape [steps + 1].

    Returns:
        c_0, ..., c_{T-1}, shape [steps, ...].
    """
    ones = [1] * (gradients.shape.rank - 1)
    factors = tf.reshape(tf.cast(step_weights, gradients.dtype), [-1, *ones])
    return tf.cumsum((factors * gradients)[1:], axis=0, reverse=True)
