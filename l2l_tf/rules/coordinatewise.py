"""The coordinatewise deep LSTM: one column is one coordinate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from l2l_tf.rules import lstm_rule


class CoordinatewiseDeepLSTM(lstm_rule.LSTMRule):
    """Applies one small LSTM to every coordinate of every parameter.

    The update of a coordinate depends on that coordinate's gradients only,
    and not on the order of coordinates.

    Source: Andrychowicz et al. 2016, section 2.1.
    """

    def __init__(self, **options):
        """Creates the rule; options as in `LSTMRule`, but for `rows`."""
        super().__init__(rows=1, **options)

    def to_columns(self, tensor: tf.Tensor) -> tf.Tensor:
        """See base class."""
        return tf.reshape(tensor, [1, -1])

    def from_columns(
        self, columns: tf.Tensor, shape: Sequence[int]
    ) -> tf.Tensor:
        """See base class."""
        return tf.reshape(columns, shape)

    def config(self) -> dict[str, Any]:
        """See base class."""
        return {"rule": "coordinatewise", **super().config()}
