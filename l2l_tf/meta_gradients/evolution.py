"""dL/dphi by evolution strategies: from meta-losses alone."""

from __future__ import annotations

import abc

import tensorflow as tf

from l2l_tf.core import checks
from l2l_tf.core import distribution
from l2l_tf.core import randomness
from l2l_tf.meta_gradients import base
from l2l_tf.meta_gradients import meta_loss
from l2l_tf.meta_gradients import perturbation
from l2l_tf.meta_gradients import registry
from l2l_tf.meta_gradients import unroll


class Sampled(base.Estimator):
    """What estimators that perturb phi have in common: antithetic pairs.

    Replicas share out the pairs of every run. What travels is a number for
    each pair, (L(plus) - L(minus)) / (2 sigma): all of them draw the same eps.
    """

    reasons = {
        "second_derivatives": "differences of losses contain them always",
        "coordinate_fraction": "perturbed rules update all coordinates",
        "num_lanes": "nothing is replayed",
    }

    def __init__(
        self,
        rule,
        problem,
        step_weights,
        /,
        num_pairs: int = 16,
        perturbation_std: float = 0.01,
        jit_compile: bool = True,
    ):
        """Takes the options.

        Args:
            rule: See base class.
            problem: See base class.
            step_weights: See base class.
            num_pairs: Pairs phi +- sigma eps.
            perturbation_std: The standard deviation sigma.
            jit_compile: Whether XLA compiles the unrolls.
        """
        super().__init__(rule, problem, step_weights)
        self._num_pairs = checks.integer("num_pairs", num_pairs)
        self._std = checks.number(
            "perturbation_std", perturbation_std, 0.0, above=True
        )
        self._jit_compile = jit_compile
        perturbation.check(
            rule, problem.example_params(), problem.num_functions
        )

    def check_replicas(self, num_optimizees, num_replicas):
        """See base class."""
        distribution.check_share("num_pairs", self._num_pairs, num_replicas)

    def own_seeds(self, seeds):
        """See base class; all of them."""
        return seeds

    def __call__(self, run, state):
        """See base class."""
        measured = self.measure(run, state)
        gradients = self.combine(
            self.contribution([measured]), [(measured.run, measured.state)], 1
        )
        return measured._replace(gradients=gradients)

    def contribution(self, measured):
        """See base class; shape [pairs] for each run, zeros for others'."""
        first, count = distribution.own_share(self._num_pairs)
        places = tf.range(first, first + count)[:, tf.newaxis]
        return [
            tf.scatter_nd(places, quotients, [self._num_pairs])
            for [quotients] in (estimate.gradients for estimate in measured)
        ]

    def combine(self, total, advanced, count):
        """See base class."""
        found = [
            self._weighted(quotients, *started)
            for quotients, started in zip(total, advanced, strict=True)
        ]
        return [
            tf.add_n(parts) / len(found) for parts in zip(*found, strict=True)
        ]

    @abc.abstractmethod
    def _weighted(
        self, quotients: tf.Tensor, run: unroll.Run, state: base.Nest
    ) -> list[tf.Tensor]:
        """Returns the mean of what pairs are credited with.

        Args:
            quotients: (L(plus) - L(minus)) / (2 sigma), shape [pairs].
            run: The run after the unroll.
            state: What the estimator carries, after it.
        """

    def _seed(
        self, run: unroll.Run, step: tf.Tensor, pair: tf.Tensor
    ) -> tf.Tensor:
        seed = randomness.stream(run.seed, "perturbations")
        return randomness.fold_in(randomness.fold_in(seed, step), pair)

    def _unroll(
        self, rule, run: unroll.Run
    ) -> tuple[tf.Tensor, unroll.Trajectory]:
        """Returns the meta-loss and the unroll that it is the loss of."""
        trajectory = unroll.unroll(
            rule,
            self._problem,
            run,
            self._num_steps,
            jit_compile=self._jit_compile,
        )
        loss = meta_loss.meta_loss(trajectory.losses, self._step_weights)
        return loss, trajectory


@registry.ESTIMATORS.register("es")
class EvolutionStrategies(Sampled):
    """Antithetic evolution strategies.

        dL/dphi  ~  mean over eps of  (L(phi + sigma eps) - L(phi - sigma eps))
                                      / (2 sigma)  eps,      eps ~ N(0, I)

    An unbiased estimate of the gradient of L smoothed by a Gaussian of standard
    deviation sigma, second derivatives included. With P pairs and d weights its
    cosine to the gradient is about sqrt(P / (P + d)).

    Source: Salimans et al. 2017, arXiv 1703.03864, section 2.
    """

    def measure(self, run, state):
        """See base class."""
        rule = self._rule

        def difference(pair):
            noise = perturbation.draw(rule, self._seed(run, run.step, pair))
            plus, minus = (
                self._unroll(perturbation.perturbed(rule, noise, scale), run)[0]
                for scale in (self._std, -self._std)
            )
            return tf.cast((plus - minus) / (2.0 * self._std), tf.float64)

        first, count = distribution.own_share(self._num_pairs)
        # One pair at a time, however many there are.
        quotients = tf.map_fn(
            difference,
            tf.range(first, first + count),
            fn_output_signature=tf.TensorSpec([], tf.float64),
            parallel_iterations=1,
        )
        loss, trajectory = self._unroll(rule, run)
        return base.Estimate(
            loss, [quotients], trajectory.losses, trajectory.run, state
        )

    def _weighted(self, quotients, run, state):
        """See base class."""
        rule = self._rule
        step = run.step - self._num_steps

        def body(pair, sums):
            noise = perturbation.draw(rule, self._seed(run, step, pair))
            return pair + 1, [
                total + tf.cast(quotients[pair], eps.dtype) * eps
                for total, eps in zip(sums, noise, strict=True)
            ]

        _, sums = tf.while_loop(
            lambda pair, _: pair < self._num_pairs,
            body,
            (0, [tf.zeros_like(v) for v in rule.trainable_variables]),
            maximum_iterations=self._num_pairs,
            parallel_iterations=1,
        )
        return [total / self._num_pairs for total in sums]
