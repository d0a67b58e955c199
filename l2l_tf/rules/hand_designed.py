"""Hand-designed rules behind the interface of the learned ones.

In formulas `grad` is the gradient and `g` the update. All constants but the
learning rate default to Torch7's, which the paper's baselines used; an epsilon
under a square root is the square of Torch7's, which is added to the root.
"""

from __future__ import annotations

import tensorflow as tf

from l2l_tf.rules import elementwise
from l2l_tf.rules import registry


def names() -> list[str]:
    """Returns the names of baselines, as registered in order."""
    return [name for name, rule in registry.RULES.items() if rule.is_baseline]


@registry.register_rule("sgd")
class SGD(elementwise.ElementwiseRule):
    """Gradient descent: `g = -a grad`."""

    def __init__(self, learning_rate: float | tf.Tensor = 0.01):
        """Takes the learning rate `a`."""
        super().__init__(learning_rate=learning_rate)

    def step(self, grad, t, *, learning_rate):
        """See base class."""
        del t
        return (-learning_rate * grad,)


@registry.register_rule("momentum")
class Momentum(elementwise.ElementwiseRule):
    """Heavy ball: `v = b v - a grad; g = v`. Source: Polyak 1964."""

    slots = ("velocity",)

    def __init__(
        self, learning_rate: float | tf.Tensor = 0.01, momentum: float = 0.9
    ):
        """Takes the learning rate `a` and the decay `b`."""
        super().__init__(learning_rate=learning_rate, momentum=momentum)

    def step(self, grad, t, velocity, *, learning_rate, momentum):
        """See base class."""
        del t
        velocity = momentum * velocity - learning_rate * grad
        return velocity, velocity


@registry.register_rule("nag")
class NAG(Momentum):
    """Nesterov's accelerated gradient: `v = b v - a grad; g = b v - a grad`.

    The parameters are those at which the gradient is taken, the look-ahead
    point. Source: Nesterov 1983; Sutskever et al. 2013.
    """

    def step(self, grad, t, velocity, *, learning_rate, momentum):
        """See base class."""
        del t
        velocity = momentum * velocity - learning_rate * grad
        return momentum * velocity - learning_rate * grad, velocity


@registry.register_rule("rmsprop")
class RMSprop(elementwise.ElementwiseRule):
    """RMSprop: `s = r s + (1 - r) grad^2; g = -a grad / sqrt(s + e)`.

    Source: Tieleman and Hinton 2012, lecture 6.5.
    """

    slots = ("mean_square",)

    def __init__(
        self,
        learning_rate: float | tf.Tensor = 0.01,
        rho: float = 0.99,
        epsilon: float = 1e-16,
    ):
        """Takes the learning rate `a`, the decay `r` and `e`."""
        super().__init__(learning_rate=learning_rate, rho=rho, epsilon=epsilon)

    def step(self, grad, t, mean_square, *, learning_rate, rho, epsilon):
        """See base class."""
        del t
        mean_square = rho * mean_square + (1 - rho) * tf.square(grad)
        update = -learning_rate * grad * tf.math.rsqrt(mean_square + epsilon)
        return update, mean_square


@registry.register_rule("adam")
class Adam(elementwise.ElementwiseRule):
    """Adam, with bias correction.

        m = b1 m + (1 - b1) grad;   v = b2 v + (1 - b2) grad^2
        g = -a sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + e)

    Source: Kingma and Ba 2015, the form at the end of section 2.
    """

    slots = ("m", "v")

    def __init__(
        self,
        learning_rate: float | tf.Tensor = 0.01,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
    ):
        """Takes the learning rate `a`, the decays `b1` and `b2`, and `e`."""
        super().__init__(
            learning_rate=learning_rate,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
        )

    def step(self, grad, t, m, v, *, learning_rate, beta_1, beta_2, epsilon):
        """See base class."""
        m = beta_1 * m + (1 - beta_1) * grad
        v = beta_2 * v + (1 - beta_2) * tf.square(grad)
        correction = tf.sqrt(1 - tf.pow(beta_2, t)) / (1 - tf.pow(beta_1, t))
        update = -learning_rate * correction * m / (tf.sqrt(v) + epsilon)
        return update, m, v


@registry.register_rule("adagrad")
class Adagrad(elementwise.ElementwiseRule):
    """Adagrad: `s = s + grad^2; g = -a grad / sqrt(s + e)`.

    Source: Duchi et al. 2011.
    """

    slots = ("sum_of_squares",)

    def __init__(
        self,
        learning_rate: float | tf.Tensor = 0.01,
        initial_accumulator: float = 0.0,
        epsilon: float = 1e-20,
    ):
        """Takes the learning rate `a`, the start of `s`, and `e`."""
        super().__init__(
            learning_rate=learning_rate,
            initial_accumulator=initial_accumulator,
            epsilon=epsilon,
        )

    def initial_slot(self, slot: str, param: tf.Tensor) -> tf.Tensor:
        """See base class."""
        start = self._options["initial_accumulator"]
        return tf.zeros_like(param) + elementwise.constant(start, param.dtype)

    def step(
        self,
        grad,
        t,
        sum_of_squares,
        *,
        learning_rate,
        initial_accumulator,
        epsilon,
    ):
        """See base class."""
        del t, initial_accumulator
        sum_of_squares += tf.square(grad)
        update = -learning_rate * grad * tf.math.rsqrt(sum_of_squares + epsilon)
        return update, sum_of_squares


@registry.register_rule("rprop")
class Rprop(elementwise.ElementwiseRule):
    """Resilient backpropagation: steps of adapted size, by sign alone.

        grad grad' > 0:  d = min(1.2 d', d_max);  g = -d sgn grad
        grad grad' < 0:  d = max(0.5 d', d_min);  g = -g';  next grad' is 0
        grad grad' = 0:  d = d';                  g = -d sgn grad

    where a prime marks the previous step. Source: Riedmiller and Braun 1993.
    """

    slots = ("delta", "previous_gradient", "previous_update")

    def __init__(
        self,
        learning_rate: float | tf.Tensor = 0.01,
        increase: float = 1.2,
        decrease: float = 0.5,
        min_delta: float = 1e-6,
        max_delta: float = 50.0,
    ):
        """Takes the first step size and the constants of its adaptation."""
        super().__init__(
            learning_rate=learning_rate,
            increase=increase,
            decrease=decrease,
            min_delta=min_delta,
            max_delta=max_delta,
        )

    def initial_slot(self, slot: str, param: tf.Tensor) -> tf.Tensor:
        """See base class."""
        zeros = tf.zeros_like(param)
        if slot == "delta":
            zeros += elementwise.constant(
                self._options["learning_rate"], param.dtype
            )
        return zeros

    def step(
        self,
        grad,
        t,
        delta,
        previous_gradient,
        previous_update,
        *,
        learning_rate,
        increase,
        decrease,
        min_delta,
        max_delta,
    ):
        """See base class."""
        del t, learning_rate
        agreement = tf.sign(grad) * tf.sign(previous_gradient)
        larger = tf.minimum(increase * delta, max_delta)
        smaller = tf.maximum(decrease * delta, min_delta)
        delta = tf.where(
            agreement > 0, larger, tf.where(agreement < 0, smaller, delta)
        )
        turned = agreement < 0
        update = tf.where(turned, -previous_update, -delta * tf.sign(grad))
        return (
            update,
            delta,
            tf.where(turned, tf.zeros_like(grad), grad),
            update,
        )
