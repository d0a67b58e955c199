"""The smallest problems: squares of one and of two numbers."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from l2l_tf.core import checks
from l2l_tf.problems import base
from l2l_tf.problems import registry


@registry.PROBLEMS.register("simple")
class Simple(base.Problem):
    """f(x) = x^2, from x = 1.

    Source: google-deepmind/learning-to-learn, `problems.simple`.
    """

    name = "simple"
    parameter_names = ["x"]

    def __init__(self, split: str = "train", /, dtype: str = "float32"):
        """Takes the data's split, which changes nothing, and the type."""
        super().__init__(split)
        self.options = {"dtype": dtype}
        self.dtype = tf.as_dtype(checks.floating_dtype("dtype", dtype))

    def initial_params(self, task, seed):
        """See base class."""
        del task, seed
        return [tf.ones([], self.dtype) for _ in self.parameter_names]

    def loss(self, params, model_state, task, batch, seed):
        """See base class."""
        del task, batch, seed
        total = tf.add_n([tf.square(param) for param in params])
        return base.Outcome(total, model_state)

    def default_rule(self) -> dict[str, Any]:
        """See base class."""
        return _LINEAR_RULE


@registry.PROBLEMS.register("simple-multi")
class SimpleMulti(Simple):
    """f(x_0, x_1) = x_0^2 + x_1^2, one learned and one left to Adam.

    Source: google-deepmind/learning-to-learn,
    `problems.simple_multi_optimizer`.
    """

    name = "simple-multi"
    parameter_names = ["x_0", "x_1"]

    def default_rule(self) -> dict[str, Any]:
        """See base class."""
        adam = {"rule": "adam", "learning_rate": 0.1}
        return {"rule": "routed", "routes": {"x_0": _LINEAR_RULE, "x_1": adam}}


_LINEAR_RULE = {
    "rule": "coordinatewise",
    "layers": [],
    "preprocessing": "identity",
    "initializer": "zeros",
    "scale": 1.0,
}
