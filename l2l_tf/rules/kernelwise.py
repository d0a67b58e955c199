"""The kernelwise deep LSTM: one column is one kernel of a convolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from l2l_tf.rules import lstm_rule


class KernelwiseDeepLSTM(lstm_rule.LSTMRule):
    """Applies one LSTM to each k x k kernel of convolutions.

    There is one column for each pair of an input and an output channel; its
    input is the whole kernel's gradient, its output the whole kernel's
    update.

    Source: google-deepmind/learning-to-learn, `networks.KernelDeepLSTM`.
    """

    def __init__(self, kernel_shape: Sequence[int], **options):
        """Creates the rule.

        Args:
            kernel_shape: The spatial shape of the kernels, such as [5, 5].
            **options: As in `LSTMRule`.
        """
        height, width = kernel_shape
        self._kernel_shape = [int(height), int(width)]
        super().__init__(rows=height * width, **options)

    def to_columns(self, tensor: tf.Tensor) -> tf.Tensor:
        """See base class."""
        shape = tensor.shape.as_list()
        if len(shape) != 4 or shape[:2] != self._kernel_shape:
            raise ValueError(
                f"A kernelwise rule for {self._kernel_shape} kernels takes "
                f"parameters of shape {[*self._kernel_shape, 'in', 'out']}; "
                f"received one of shape {shape}. Route other parameters to "
                "another rule."
            )
        return tf.reshape(tensor, [self.rows, -1])

    def from_columns(
        self, columns: tf.Tensor, shape: Sequence[int]
    ) -> tf.Tensor:
        """See base class."""
        return tf.reshape(columns, shape)

    def config(self) -> dict[str, Any]:
        """See base class."""
        return {
            "rule": "kernelwise",
            "kernel_shape": self._kernel_shape,
            **super().config(),
        }
