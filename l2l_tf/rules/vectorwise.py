"""The vectorwise deep LSTM: one column is one whole vector of parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from l2l_tf.rules import lstm_rule


class VectorwiseDeepLSTM(lstm_rule.LSTMRule):
    """Applies one LSTM to whole vectors, so that coordinates can interact.

    A parameter's last axis is the vector; its leading axes count independent
    vectors that share the weights.

    Source: google-deepmind/learning-to-learn, `networks.StandardDeepLSTM`.
    """

    def __init__(self, size: int, **options):
        """Creates the rule.

        Args:
            size: Length of the vectors.
            **options: As in `LSTMRule`.
        """
        super().__init__(rows=int(size), **options)

    def to_columns(self, tensor: tf.Tensor) -> tf.Tensor:
        """See base class."""
        shape = tensor.shape.as_list() or [1]
        if shape[-1] != self.rows:
            raise ValueError(
                f"A vectorwise rule of size {self.rows} takes parameters of "
                f"shape [..., {self.rows}]; received one of shape {shape}."
            )
        return tf.transpose(tf.reshape(tensor, [-1, self.rows]))

    def from_columns(
        self, columns: tf.Tensor, shape: Sequence[int]
    ) -> tf.Tensor:
        """See base class."""
        return tf.reshape(tf.transpose(columns), shape)

    def config(self) -> dict[str, Any]:
        """See base class."""
        return {"rule": "vectorwise", "size": self.rows, **super().config()}
