"""Small networks that learn quadratic functions online, example by example."""

from __future__ import annotations

import math

import tensorflow as tf

from l2l_tf.core import checks
from l2l_tf.core import randomness
from l2l_tf.problems import base
from l2l_tf.problems import registry

_NUM_INPUTS = 2


@registry.PROBLEMS.register("online-regression")
class OnlineRegression(base.Problem):
    """The squared error of a network on one new example of a function.

        y(x) = a x_1^2 + b x_2^2 + c x_1 x_2 + d x_1 + e x_2 + f

    Coefficients and inputs are uniform on [-1, 1]. A minibatch is one example
    for each function, so that the loss at step j is the error on an example
    before anything is learned from it, after j others: the error by position.

    Source: Hochreiter, Younger and Conwell 2001, section 4 (the functions).
    """

    name = "online-regression"
    parameter_names = ["hidden/w", "hidden/b", "output/w", "output/b"]

    def __init__(
        self,
        split: str = "train",
        /,
        num_functions: int = 128,
        num_units: int = 10,
    ):
        """Creates the problem.

        Args:
            split: Each split draws functions of its own.
            num_functions: Independent functions per draw, each with a network.
            num_units: Units of each network's one hidden layer, with tanh.
        """
        super().__init__(split)
        self.num_functions = checks.integer("num_functions", num_functions)
        self.num_units = checks.integer("num_units", num_units)
        self.options = {
            "num_functions": self.num_functions,
            "num_units": self.num_units,
        }

    def sample_task(self, seed):
        """Draws coefficients, shape [functions, 6]."""
        shape = [self.num_functions, 6]
        return tf.random.stateless_uniform(shape, seed, -1.0, 1.0)

    def sample_batch(self, task, seed):
        """Draws inputs, shape [functions, 2], and targets, [functions]."""
        shape = [self.num_functions, _NUM_INPUTS]
        x = tf.random.stateless_uniform(shape, seed, -1.0, 1.0)
        first, second = tf.unstack(x, axis=1)
        terms = [
            *(first * first, second * second, first * second),
            *(first, second, tf.ones_like(first)),
        ]
        return x, tf.reduce_sum(task * tf.stack(terms, axis=1), axis=1)

    def initial_params(self, task, seed):
        """Draws weights by Glorot and Bengio's rule; biases are zero."""
        del task
        n, units = self.num_functions, self.num_units
        shapes = [n, _NUM_INPUTS, units], [n, units, 1]
        weights = []
        for index, shape in enumerate(shapes):
            limit = math.sqrt(6.0 / (shape[1] + shape[2]))
            own = randomness.fold_in(seed, index)
            weights.append(
                tf.random.stateless_uniform(shape, own, -limit, limit)
            )
        return [weights[0], tf.zeros([n, units]), weights[1], tf.zeros([n, 1])]

    def loss(self, params, model_state, task, batch, seed):
        """See base class."""
        del task, seed
        x, y = batch
        hidden_w, hidden_b, output_w, output_b = params
        hidden = tf.tanh(tf.einsum("fi,fij->fj", x, hidden_w) + hidden_b)
        outputs = tf.einsum("fj,fjk->fk", hidden, output_w) + output_b
        return base.Outcome(tf.square(outputs[:, 0] - y), model_state)
