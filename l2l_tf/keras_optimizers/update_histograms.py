"""Histograms of how one step changes a model's variables."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from l2l_tf.core import distinct


class UpdateHistograms:
    """Compares variables before and after the first step of some epochs.

    Keras tells of executions, so that with `steps_per_execution=n` the first n
    steps are compared together. Only then are variables copied: all other
    steps cost nothing.
    """

    def __init__(self, frequency: int):
        """Takes the epochs between two histograms; 0 for none."""
        self._frequency = frequency
        self._epoch = 0
        self._is_due = False
        self._before: list[np.ndarray] = []

    def begin_epoch(self, epoch: int) -> None:
        """Takes the number of the epoch that begins."""
        self._epoch = epoch
        self._is_due = self._frequency > 0 and epoch % self._frequency == 0

    def before_step(self, variables: Sequence[keras.Variable]) -> None:
        """Copies the variables, where they are to be compared."""
        if self._is_due:
            self._before = _values(variables)

    def after_step(self, variables: Sequence[keras.Variable]) -> None:
        """Writes a histogram for each variable, at the number of the epoch.

        A model may make its variables in its first step: they are compared in
        the second one.
        """
        before, self._before = self._before, []
        if not self._is_due or len(before) != len(variables):
            return
        self._is_due = False
        after = _values(variables)
        # Named like the histograms of the weights themselves.
        names = distinct.names(v.path.replace(":", "_") for v in variables)
        for name, old, new in zip(names, before, after, strict=True):
            update = np.ravel(new - old).astype(np.float64)
            tf.summary.histogram(
                f"{name}/update_histogram",
                update[np.isfinite(update)],
                step=self._epoch,
            )


def _values(variables: Sequence[keras.Variable]) -> list[np.ndarray]:
    return [np.array(keras.ops.convert_to_numpy(v.value)) for v in variables]
