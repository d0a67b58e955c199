"""Random quadratic functions."""

from __future__ import annotations

import tensorflow as tf

from l2l_tf.core import checks
from l2l_tf.core import randomness
from l2l_tf.problems import base
from l2l_tf.problems import registry

_SAMPLERS = {
    "gaussian": tf.random.stateless_normal,
    "uniform": tf.random.stateless_uniform,
}


@registry.PROBLEMS.register("quadratic")
class Quadratic(base.Problem):
    """f(theta) = ||W theta - y||^2, W and y random; many functions at once.

    Source: Andrychowicz et al. 2016, section 3.1.
    """

    name = "quadratic"
    parameter_names = ["theta"]

    def __init__(
        self,
        split: str = "train",
        /,
        num_functions: int = 128,
        num_dims: int = 10,
        sampling: str = "gaussian",
        initial_std: float = 0.01,
        dtype: str = "float32",
    ):
        """Creates the problem.

        Args:
            split: Each split draws functions of its own.
            num_functions: Independent functions per draw.
            num_dims: Dimensions of theta.
            sampling: `"gaussian"` for W, y ~ N(0, 1), as in the paper, or
                `"uniform"` on [0, 1), as in the released code.
            initial_std: Standard deviation of theta_0.
            dtype: Type of all numbers.
        """
        super().__init__(split)
        if not isinstance(sampling, str) or sampling not in _SAMPLERS:
            raise ValueError(
                f"Unknown sampling {sampling!r}; accepted: {list(_SAMPLERS)}."
            )
        self.num_functions = checks.integer("num_functions", num_functions)
        self.num_dims = checks.integer("num_dims", num_dims)
        self.sampling = sampling
        self.initial_std = checks.number("initial_std", initial_std, 0.0)
        self.options = {
            "num_functions": self.num_functions,
            "num_dims": self.num_dims,
            "sampling": sampling,
            "initial_std": initial_std,
            "dtype": dtype,
        }
        self.dtype = tf.as_dtype(checks.floating_dtype("dtype", dtype))

    def sample_task(self, seed):
        """Draws W, shape [functions, dims, dims], and y, [functions, dims]."""
        sample = _SAMPLERS[self.sampling]
        n, d = self.num_functions, self.num_dims
        w = sample([n, d, d], randomness.stream(seed, "w"), dtype=self.dtype)
        y = sample([n, d], randomness.stream(seed, "y"), dtype=self.dtype)
        return w, y

    def initial_params(self, task, seed):
        """See base class."""
        del task
        shape = [self.num_functions, self.num_dims]
        normal = tf.random.stateless_normal(shape, seed, dtype=self.dtype)
        return [self.initial_std * normal]

    def loss(self, params, model_state, task, batch, seed):
        """See base class."""
        del batch, seed
        w, y = task
        residual = tf.linalg.matvec(w, params[0]) - y
        losses = tf.reduce_sum(tf.square(residual), axis=-1)
        return base.Outcome(losses, model_state)
