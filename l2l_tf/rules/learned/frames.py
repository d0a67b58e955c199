"""In what units a rule's columns see gradients, and give updates.

A frame holds no weights. It may look at all columns of a function, and remember
the step before.
"""

from __future__ import annotations

import abc
from typing import Any

import tensorflow as tf

from l2l_tf.core import registry
from l2l_tf.rules.learned import averaging


class Frame(abc.ABC):
    """What is made of gradients before the network, and of values after it.

    Attributes:
        num_features: How many numbers it makes of each of a gradient's.
        has_state: Whether it carries anything from step to step, and so looks
            at all columns of a function.
    """

    num_features = 1
    has_state = False

    def initial(
        self,
        shape: tuple[int, int | tf.Tensor, int | tf.Tensor],
        dtype: tf.DType,
    ) -> list[tf.Tensor]:
        """Returns its state before the first step.

        Args:
            shape: Rows of a column, functions, and columns of each function.
            dtype: The type of its numbers.
        """
        del shape, dtype
        return []

    @abc.abstractmethod
    def enter(
        self, gradients: tf.Tensor, state: list[tf.Tensor]
    ) -> tuple[tf.Tensor, Any]:
        """Returns features, shape [num_features * rows, columns].

        Args:
            gradients: Shape [rows, columns].
            state: The state that the step before returned.

        Returns:
            The features, and what `leave` is to know.
        """

    @abc.abstractmethod
    def leave(
        self, values: tf.Tensor, known: Any
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Returns updates and the next state.

        Args:
            values: What the network gave, shape [rows, columns].
            known: What `enter` returned.
        """


FRAMES: registry.Registry[type[Frame]] = registry.Registry(
    "frame", "l2l_tf.rules.learned"
)


@FRAMES.register("absolute")
class Absolute(Frame):
    """Gradients as they are, and values as updates."""

    def enter(self, gradients, state):
        """See base class."""
        return gradients, state

    def leave(self, values, known):
        """See base class."""
        return values, known


@FRAMES.register("relative")
class Relative(Frame):
    """All in units of the gradient's size over its function.

        |x|  = sqrt(mean over the function's coordinates of x^2)
        s_t  = min(|g_t|, |g_0|)
        x_t  = clip((g_t, u_{t-1}) / s_t, -10, 10)
        u_t  = s_t v_t

    A rule in this frame treats c f as it treats f, but for the length of its
    steps, while |g_t| lies between 1e-15 and 1e19. Smaller ones are taken for
    zero; the squares of larger ones overflow in float32. Where gradients grow,
    steps do not grow with them: what the network gives bounds the steps, as
    long as it is itself bounded, with a memory by clamping what is read.
    """

    num_features = 2
    has_state = True
    _TINY, _LARGEST = 1e-30, 10.0

    def initial(self, shape, dtype):
        """See base class; the gradient and the update before, and |g_0|."""
        return [
            *(tf.zeros(tf.stack(shape), dtype) for _ in ("g", "u")),
            tf.zeros(tf.stack([1, shape[1], 1]), dtype),
        ]

    def enter(self, gradients, state):
        """See base class."""
        before, update, first = state[:3]
        num_functions = averaging.size(before, 1)
        rows = gradients.shape[0]
        own = tf.reshape(gradients, [rows, num_functions, -1])
        size = self._size(own)
        has_begun = first > 0
        # The first gradient that is not zero.
        first = tf.where(has_begun, first, size)
        size = tf.minimum(size, first)
        pairs, around = self._pairs(own - before, update, has_begun, state[3:])
        features = [self._over([own, update], size), *pairs]
        features = tf.reshape(
            tf.concat(features, axis=0), [self.num_features * rows, -1]
        )
        return features, (own, size, first, around)

    def leave(self, values, known):
        """See base class."""
        gradients, size, first, around = known
        updates = tf.reshape(values, tf.shape(gradients)) * size
        state = [gradients, updates, first, *around]
        return tf.reshape(updates, [values.shape[0], -1]), state

    def _pairs(self, y, s, has_begun, state):
        """Returns more features, and the state behind them."""
        del y, s, has_begun, state
        return [], []

    def _size(self, tensor: tf.Tensor) -> tf.Tensor:
        """Returns |x| of each function, shape [1, functions, 1]."""
        square = tf.reduce_mean(tf.square(tensor), axis=[0, 2], keepdims=True)
        # A root has no derivative at zero.
        root = tf.sqrt(tf.where(square > self._TINY, square, 1.0))
        return tf.where(square > self._TINY, root, 0.0)

    def _over(self, tensors: list[tf.Tensor], size: tf.Tensor) -> tf.Tensor:
        quotient = tf.math.divide_no_nan(tf.concat(tensors, axis=0), size)
        return tf.clip_by_value(quotient, -self._LARGEST, self._LARGEST)


@FRAMES.register("secant")
class Secant(Relative):
    """Besides, the pairs that quasi-Newton methods are made of.

        y_t = g_t - g_{t-1},   s_t = u_{t-1}
        x_t = clip((g_t, s_t) / s_t,
                   (y_t, s_t) / |y_t|, (y_{t-1}, s_{t-1}) / |y_{t-1}|)

    What is read from a memory comes a step later, hence those of the step
    before.
    """

    num_features = 6

    def initial(self, shape, dtype):
        """See base class; and the pair before."""
        pair = [tf.zeros(tf.stack([2 * shape[0], *shape[1:]]), dtype)]
        return super().initial(shape, dtype) + pair

    def _pairs(self, y, s, has_begun, state):
        y = tf.where(has_begun, y, 0.0)
        pair = self._over([y, s], self._size(y))
        return [pair, *state], [pair]
