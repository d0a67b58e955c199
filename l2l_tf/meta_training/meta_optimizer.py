"""One guarded step of Adam on the weights phi of a learned rule."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf


class MetaOptimizer(tf.Module):
    """Adam on phi that never applies a gradient that is not finite.

    Source: Andrychowicz et al. 2016, section 3 (Adam); Kingma and Ba 2015.
    """

    def __init__(
        self,
        variables: Sequence[tf.Variable],
        gradient_clip_norm: float | None = None,
    ):
        """Creates Adam's state.

        Args:
            variables: The weights phi.
            gradient_clip_norm: The greatest norm of the whole meta-gradient;
                longer ones are shortened to it. None for no limit.
        """
        super().__init__()
        self._phi = list(variables)
        self._clip_norm = gradient_clip_norm
        self._adam = keras.optimizers.Adam(0.0, epsilon=1e-8)
        self._adam.build(self._phi)
        self.skipped = tf.Variable(0, trainable=False)
        self.skipped_in_a_row = tf.Variable(0, trainable=False)

    @property
    def state(self) -> list[tf.Variable]:
        """Adam's state: the number of updates, its rate and both moments."""
        return [variable.value for variable in self._adam.variables]

    def apply(
        self,
        loss: tf.Tensor,
        gradients: Sequence[tf.Tensor],
        learning_rate: tf.Tensor,
    ) -> tf.Tensor:
        """Updates phi, unless the loss or a gradient is not finite.

        Args:
            loss: The meta-loss.
            gradients: Its gradient, one tensor for each variable.
            learning_rate: Adam's learning rate.

        Returns:
            The gradient's norm before clipping.
        """
        norm = tf.linalg.global_norm(gradients)
        if self._clip_norm is not None:
            gradients, _ = tf.clip_by_global_norm(
                gradients, self._clip_norm, use_norm=norm
            )
        variables = [*self._phi, *self.state]
        before = [variable.read_value() for variable in variables]
        self._adam.learning_rate = learning_rate
        self._adam.apply(gradients, self._phi)
        finite = tf.reduce_all(
            [
                tf.reduce_all(tf.math.is_finite(tf.cast(tensor, tf.float64)))
                for tensor in [loss, norm, *variables]
            ]
        )
        for variable, old in zip(variables, before, strict=True):
            variable.assign(tf.where(finite, variable, old))
        skip = 1 - tf.cast(finite, tf.int32)
        self.skipped.assign_add(skip)
        self.skipped_in_a_row.assign((self.skipped_in_a_row + 1) * skip)
        return norm
