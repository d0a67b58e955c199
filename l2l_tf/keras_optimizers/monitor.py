"""What a learned optimizer does while it trains, in TensorBoard."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence

import keras
import tensorflow as tf

from l2l_tf.core import checks
from l2l_tf.core import folders
from l2l_tf.keras_optimizers import diagnostics
from l2l_tf.keras_optimizers import learned_optimizer
from l2l_tf.keras_optimizers import rule_part
from l2l_tf.keras_optimizers import update_histograms

_LARGE = 0.95

OnHandOver = Callable[[int, learned_optimizer.LearnedOptimizer], None]


class LearnedOptimizerMonitor(keras.callbacks.Callback):
    """Writes what learned optimizers do, beside `keras.callbacks.TensorBoard`.

    Given the same `log_dir`, both write into its folder `train`, and name
    what they write alike: `batch_...` for a step, `PATH/...` for a variable.

    For each learned rule of the model, every few steps: the norms of its
    update and of the gradient, the cosine of the angle between them (-1:
    steepest descent), steps that were skipped, and of its LSTM's state,
    outputs and cells, the root mean square and the share of numbers above
    0.95 in size. Every few epochs, of each variable a histogram of how the
    epoch's first step changed it (with `steps_per_execution=n`, its first n
    steps together). With a fallback, whether it has taken over
    is a scalar, too, and `fell_back` in the logs of each epoch;
    `on_hand_over` tells of the moment.  Warnings of the optimizer come at the
    end of each epoch, rather than of `fit`.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike,
        update_freq: int = 10,
        on_hand_over: OnHandOver | None = None,
        histogram_freq: int = 1,
    ):
        """Takes where to write, and how often.

        Args:
            log_dir: Folder for TensorBoard.
            update_freq: Steps between two points.
            on_hand_over: Called with the number of steps and the optimizer
                when a fallback takes over.
            histogram_freq: Epochs between two histograms; 0 for none.

        Raises:
            ValueError: If an argument is not accepted.
        """
        super().__init__()
        if not isinstance(log_dir, (str, os.PathLike)):
            raise ValueError(
                f"log_dir must be the path of a folder; received {log_dir!r}."
            )
        self._log_dir = os.path.join(os.fspath(log_dir), "train")
        folders.check_place("log_dir", self._log_dir)
        self._update_freq = checks.integer("update_freq", update_freq)
        self._on_hand_over = on_hand_over
        self._histograms = update_histograms.UpdateHistograms(
            checks.integer("histogram_freq", histogram_freq, 0)
        )
        self._fell_back: set[str] = set()
        self._writer = None
        self._last = 0

    def on_train_begin(self, logs=None) -> None:
        """See base class; refuses a model without a learned optimizer."""
        optimizer = self.model.optimizer
        # This one may make those that it consists of when it is built.
        is_made = optimizer.built or not _has_parts(optimizer)
        found = self._find() if is_made else []
        self._fell_back = {o.name for o in found if o.fell_back}
        self._last = _steps(self.model.optimizer)
        self._writer = tf.summary.create_file_writer(self._log_dir)

    def on_epoch_begin(self, epoch, logs=None) -> None:
        """See base class."""
        self._histograms.begin_epoch(epoch)

    def on_train_batch_begin(self, batch, logs=None) -> None:
        """See base class."""
        self._histograms.before_step(self.model.trainable_variables)

    def on_train_batch_end(self, batch, logs=None) -> None:
        """See base class."""
        with self._writing():
            self._histograms.after_step(self.model.trainable_variables)
        found = self._find()
        step = _steps(self.model.optimizer)
        for optimizer in found:
            if optimizer.fell_back and optimizer.name not in self._fell_back:
                self._fell_back.add(optimizer.name)
                self.on_hand_over(step, optimizer)
        # Several steps may have been made in one execution.
        if step // self._update_freq == self._last // self._update_freq:
            return
        self._last = step
        with self._writing(step):
            for optimizer in found:
                if optimizer.built:
                    _write(optimizer, f"_{optimizer.name}" * (len(found) > 1))

    def on_hand_over(
        self, step: int, optimizer: learned_optimizer.LearnedOptimizer
    ) -> None:
        """Tells of a fallback that has taken over.

        Args:
            step: Steps made so far, of both runs.
            optimizer: The optimizer.
        """
        optimizer.report()
        with self._writing(step):
            tf.summary.text(f"{optimizer.name}/hand_over", optimizer.describe())
        if self._on_hand_over is not None:
            self._on_hand_over(step, optimizer)

    def on_epoch_end(self, epoch, logs=None) -> None:
        """See base class."""
        for optimizer in learned_optimizers(self.model.optimizer):
            optimizer.report()
            if optimizer.fallback is not None and logs is not None:
                logs["fell_back"] = float(optimizer.fell_back)

    def on_train_end(self, logs=None) -> None:
        """See base class."""
        self._writer.close()

    def _find(self) -> list[learned_optimizer.LearnedOptimizer]:
        """Returns the model's learned optimizers; raises if there is none."""
        found = learned_optimizers(self.model.optimizer)
        if not found:
            raise ValueError(
                "LearnedOptimizerMonitor needs a model compiled with a "
                f"LearnedOptimizer; received {self.model.optimizer!r}."
            )
        return found

    @contextlib.contextmanager
    def _writing(self, step: int | None = None) -> Iterator[None]:
        """Makes summaries go to the file, at a step."""
        # Keras's callback lets summaries be written at its own steps only.
        with self._writer.as_default(step=step), tf.summary.record_if(True):
            yield


def learned_optimizers(
    optimizer: keras.optimizers.Optimizer,
) -> list[learned_optimizer.LearnedOptimizer]:
    """Returns the learned optimizers in one that may wrap others."""
    if isinstance(optimizer, learned_optimizer.LearnedOptimizer):
        return [optimizer]
    return [
        found
        for part in _parts(optimizer)
        for found in learned_optimizers(part)
    ]


def _has_parts(optimizer: keras.optimizers.Optimizer) -> bool:
    return isinstance(optimizer, keras.optimizers.MultiOptimizer)


def _parts(optimizer) -> Sequence[keras.optimizers.Optimizer]:
    if _has_parts(optimizer):
        return optimizer.optimizers
    inner = getattr(optimizer, "inner_optimizer", None)
    return [] if inner is None else [inner]


def _steps(optimizer) -> int:
    return int(keras.ops.convert_to_numpy(optimizer.iterations))


def _write(optimizer: learned_optimizer.LearnedOptimizer, suffix: str) -> None:
    """Writes a point of each curve; several rules have each their own."""
    rules = optimizer.rule_parts
    scalars = {}
    for index, part in enumerate(rules):
        of_rule = f"_rule_{index}" if len(rules) > 1 else ""
        scalars |= {k + of_rule: v for k, v in _scalars(part).items()}
    if optimizer.fallback is not None:
        scalars["fell_back"] = float(optimizer.fell_back)
    for name, value in scalars.items():
        tf.summary.scalar(f"batch_{name}{suffix}", value)


def _scalars(part: rule_part.RulePart) -> dict[str, tf.Tensor]:
    seen = tf.unstack(part.diagnostics())
    return {
        **dict(zip(diagnostics.NAMES, seen, strict=True)),
        **state_statistics(part.state),
    }


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
        "state_rms": tf.sqrt(tf.math.divide_no_nan(squares, float(count))),
        "state_large": tf.math.divide_no_nan(large, float(count)),
    }
