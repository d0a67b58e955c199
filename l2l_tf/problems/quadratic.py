"""Random quadratic functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from l2l_tf.core import checks
from l2l_tf.core import randomness
from l2l_tf.problems import base
from l2l_tf.problems import registry

_Sampler = Callable[..., tuple[tf.Tensor, tf.Tensor]]


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
        sampling: str | Sequence[str] = "gaussian",
        initial_std: float = 0.01,
        dtype: str = "float32",
        condition_number: float = 1000.0,
    ):
        """Creates the problem.

        Args:
            split: Each split draws functions of its own.
            num_functions: Independent functions per draw.
            num_dims: Dimensions of theta.
            sampling: `"gaussian"` for W, y ~ N(0, 1), as in the paper,
                `"uniform"` on [0, 1), as in the released code, or
                `"conditioned"` for Hessians of one condition number in random
                directions, and y ~ N(0, 1). Of a list, each makes its share of
                the functions.
            initial_std: Standard deviation of theta_0.
            dtype: Type of all numbers.
            condition_number: The greatest eigenvalue of the Hessian over the
                least, for `"conditioned"`.
        """
        super().__init__(split)
        is_list = isinstance(sampling, (list, tuple))
        kinds = list(sampling) if is_list and sampling else [sampling]
        for kind in kinds:
            checks.one_of("sampling", kind, list(_SAMPLERS))
        self.num_functions = checks.integer("num_functions", num_functions)
        self.num_dims = checks.integer("num_dims", num_dims)
        self.sampling = sampling
        self.condition_number = checks.number(
            "condition_number", condition_number, minimum=1.0
        )
        self.initial_std = checks.number("initial_std", initial_std, 0.0)
        self.options = {
            "num_functions": self.num_functions,
            "num_dims": self.num_dims,
            "sampling": sampling,
            "initial_std": initial_std,
            "dtype": dtype,
        }
        if "conditioned" in kinds:
            self.options["condition_number"] = condition_number
        # One after the other, as even as the number of functions allows.
        shares = np.diff(
            np.linspace(0, self.num_functions, len(kinds) + 1).astype(int)
        )
        self._shares = list(zip(kinds, shares.tolist(), strict=True))
        self.dtype = tf.as_dtype(checks.floating_dtype("dtype", dtype))

    def sample_task(self, seed):
        """Draws W, shape [functions, dims, dims], and y, [functions, dims]."""
        parts = [
            _SAMPLERS[kind](self, count, seed)
            for kind, count in self._shares
            if count
        ]
        return tuple(
            tf.concat(tensors, axis=0) for tensors in zip(*parts, strict=True)
        )

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


def _independent(draw: Callable[..., tf.Tensor]) -> _Sampler:
    """Returns a sampler of independent coefficients."""

    def sample(problem, count, seed):
        n, dtype = problem.num_dims, problem.dtype
        w = draw([count, n, n], randomness.stream(seed, "w"), dtype=dtype)
        return w, draw([count, n], randomness.stream(seed, "y"), dtype=dtype)

    return sample


def _conditioned(
    problem: Quadratic, count: int, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws W = U diag(s) V^T with singular values s of a given ratio.

    They are evenly spaced on a logarithmic scale, and their geometric mean is
    1. U and V are random rotations and reflections.
    """
    n, dtype = problem.num_dims, problem.dtype
    # The Hessian's eigenvalues are 2 s^2.
    largest = 0.25 * math.log(problem.condition_number)
    s = tf.exp(
        tf.linspace(*(tf.constant(x, dtype) for x in (largest, -largest)), n)
    )
    normal = tf.random.stateless_normal(
        [2, count, n, n], randomness.stream(seed, "w"), dtype=dtype
    )
    u, v = tf.unstack(tf.linalg.qr(normal)[0])
    y = tf.random.stateless_normal(
        [count, n], randomness.stream(seed, "y"), dtype=dtype
    )
    return tf.matmul(u * s, v, transpose_b=True), y


_SAMPLERS: dict[str, _Sampler] = {
    "gaussian": _independent(tf.random.stateless_normal),
    "uniform": _independent(tf.random.stateless_uniform),
    "conditioned": _conditioned,
}
