"""What is made of a learned rule's values before they are updates.

    g_t = N(v_t)

These functions hold no weights, may couple coordinates, and feed nothing back
into the network: where the v_t are known, `sum_t <g_t, c_t>` has the same
gradient as `sum_t <v_t, J_N(v_t)^T c_t>`, in which columns are independent.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence

import tensorflow as tf

from l2l_tf.core import checks
from l2l_tf.core import registry
from l2l_tf.rules.learned import rms


class Outputs(abc.ABC):
    """A differentiable function N of one step's values.

    Attributes:
        is_recorded: Whether a replay needs to know the values; where N is the
            identity, it does not.
        enlarges: Whether small values may become large updates, so that where
            there is no gradient there must be no value.
    """

    is_recorded = True
    enlarges = False

    @abc.abstractmethod
    def __call__(self, values: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Returns updates.

        Args:
            values: The v_t, one tensor for each parameter, of its shape.
        """


OUTPUTS: registry.Registry[type[Outputs]] = registry.Registry(
    "outputs", "l2l_tf.rules.learned"
)


@OUTPUTS.register("raw")
class Raw(Outputs):
    """The values themselves: `g = v`."""

    is_recorded = False

    def __call__(self, values):
        """See base class."""
        return list(values)


@OUTPUTS.register("rms")
class RMS(Outputs):
    """Values over the root mean square of their tensor.

        g = size * v / sqrt(mean(v^2) + epsilon)

    Source: Celo2, arXiv 2602.19142.
    """

    enlarges = True

    def __init__(self, size: float = 1.0, epsilon: float = 1e-12):
        """Takes the updates' root mean square, and a constant."""
        self.size = checks.number("size", size, 0.0, above=True)
        self.epsilon = checks.number("epsilon", epsilon, 0.0, above=True)

    def __call__(self, values):
        """See base class."""
        return [
            rms.normalise(v, self.epsilon) * tf.constant(self.size, v.dtype)
            for v in values
        ]


@OUTPUTS.register("clip")
class Clip(Outputs):
    """Values whose norm, over all tensors together, is limited.

        g = v * min(1, max_norm / ||v||)

    Source: Pascanu et al. 2013, section 3.2.
    """

    def __init__(self, max_norm: float = 1.0):
        """Takes the largest norm."""
        self.max_norm = checks.number("max_norm", max_norm, 0.0, above=True)

    def __call__(self, values):
        """See base class."""
        if not values:
            return []
        square = tf.add_n([tf.reduce_sum(tf.square(v)) for v in values])
        limit = tf.constant(self.max_norm, square.dtype)
        # Of squares, since a norm has no derivative at zero.
        factor = limit * tf.math.rsqrt(tf.maximum(square, limit * limit))
        return [v * factor for v in values]
