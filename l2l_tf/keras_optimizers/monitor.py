"""What a learned optimizer does while it trains, in TensorBoard."""

from __future__ import annotations

import os
from collections.abc import Sequence

import keras
import tensorflow as tf

from l2l_tf.core import checks
from l2l_tf.keras_optimizers import learned_optimizer

_LARGE = 0.95


class LearnedOptimizerMonitor(keras.callbacks.Callback):
    """Writes what learned optimizers do as scalars, every few steps.

    For each learned optimizer of the model: the norms of its update and of
    the gradient, the cosine of the angle between them (-1: steepest descent),
    steps that were skipped, and of its LSTM's state, outputs and cells, the
    root mean square and the share of numbers above 0.95 in size. Warnings of
    the optimizer come at the end of each epoch, rather than of `fit`.
    """

    def __init__(self, log_dir: str | os.PathLike, update_freq: int = 10):
        """Takes where to write, and every how many steps.

        Args:
            log_dir: Folder for TensorBoard.
            update_freq: Steps between two points.
        """
        super().__init__()
        self._log_dir = os.fspath(log_dir)
        self._update_freq = checks.integer("update_freq", update_freq)
        self._writer = None
        self._last = 0

    def on_train_begin(self, logs=None) -> None:
        """See base class; refuses a model without a learned optimizer."""
        if not learned_optimizers(self.model.optimizer):
            raise ValueError(
                "LearnedOptimizerMonitor needs a model compiled with a "
                f"LearnedOptimizer; received {self.model.optimizer!r}."
            )
        self._writer = tf.summary.create_file_writer(self._log_dir)

    def on_train_batch_end(self, batch, logs=None) -> None:
        """See base class."""
        step = _steps(self.model.optimizer)
        # Several steps may have been made in one execution.
        if step // self._update_freq == self._last // self._update_freq:
            return
        self._last = step
        with self._writer.as_default(step=step):
            for optimizer in learned_optimizers(self.model.optimizer):
                if optimizer.built:
                    _write(optimizer)

    def on_epoch_end(self, epoch, logs=None) -> None:
        """See base class."""
        for optimizer in learned_optimizers(self.model.optimizer):
            optimizer.report()

    def on_train_end(self, logs=None) -> None:
        """See base class."""
        self._writer.close()


def learned_optimizers(
    optimizer: keras.optimizers.Optimizer,
) -> list[learned_optimizer.LearnedOptimizer]:
    """Returns the learned optimizers in one that may wrap or route others."""
    if isinstance(optimizer, learned_optimizer.LearnedOptimizer):
        return [optimizer]
    return [
        found
        for part in _parts(optimizer)
        for found in learned_optimizers(part)
    ]


def _parts(optimizer) -> Sequence[keras.optimizers.Optimizer]:
    if isinstance(optimizer, keras.optimizers.MultiOptimizer):
        return optimizer.optimizers
    inner = (
        getattr(optimizer, n, None) for n in ("optimizer", "inner_optimizer")
    )
    return [part for part in inner if part is not None]


def _steps(optimizer) -> int:
    return int(keras.ops.convert_to_numpy(optimizer.iterations))


def _write(optimizer: learned_optimizer.LearnedOptimizer) -> None:
    scalars = {**optimizer.diagnostics, **state_statistics(optimizer.state)}
    for name, value in scalars.items():
        tf.summary.scalar(f"{optimizer.name}/{name}", value)


def state_statistics(state: Sequence[keras.Variable]) -> dict[str, tf.Tensor]:
    """Returns a state's root mean square and its share of large numbers."""
    squares, large, count = 0.0, 0.0, 0
    for variable in state:
        values = tf.cast(tf.convert_to_tensor(variable.value), tf.float32)
        squares += tf.reduce_sum(values**2)
        is_large = tf.cast(tf.abs(values) > _LARGE, tf.float32)
        large += tf.reduce_sum(is_large)
        count += values.shape.num_elements()
    return {
        "state_rms": tf.sqrt(squares / count),
        "state_large": large / count,
    }
