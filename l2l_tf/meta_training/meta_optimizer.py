"""One guarded step of Adam on the weights phi of a learned rule."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from l2l_tf.rules import hand_designed


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
        self.state = tf.nest.map_structure(
            lambda t: tf.Variable(t, trainable=False),
            hand_designed.Adam().initial_state(self._phi),
        )
        self.skipped = tf.Variable(0, trainable=False)
        self.skipped_in_a_row = tf.Variable(0, trainable=False)

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
        adam = hand_designed.Adam(learning_rate)
        updates, state = adam(gradients, self.state)
        proposed = [
            variable + update
            for variable, update in zip(self._phi, updates, strict=True)
        ]
        finite = tf.reduce_all(
            [
                tf.reduce_all(tf.math.is_finite(tensor))
                for tensor in [loss, norm, *proposed]
            ]
        )
        for variable, value in zip(
            tf.nest.flatten([self._phi, self.state]),
            tf.nest.flatten([proposed, state]),
            strict=True,
        ):
            variable.assign(tf.where(finite, value, variable))
        skip = 1 - tf.cast(finite, tf.int32)
        self.skipped.assign_add(skip)
        self.skipped_in_a_row.assign((self.skipped_in_a_row + 1) * skip)
        return norm
