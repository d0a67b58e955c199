"""How far training is: its state, and what happened in a run."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf


class Progress(tf.Module):
    """Where training stands: everything that phi and Adam do not hold."""

    def __init__(self, phi: list[tf.Variable]):
        """Starts at run 0 with no best yet."""
        super().__init__()

        def variable(value, dtype):
            return tf.Variable(value, trainable=False, dtype=dtype)

        self.runs_done = variable(0, tf.int64)
        self.best_loss = variable(math.inf, tf.float64)
        self.best_run = variable(0, tf.int64)
        self.evaluations_since_best = variable(0, tf.int64)
        self.best_phi = [variable(v, v.dtype) for v in phi]

    def checkpointable(self) -> dict[str, Any]:
        """Returns what a checkpoint holds, by the names it has there."""
        return {
            "epoch": self.runs_done,
            "best_loss": self.best_loss,
            "best_epoch": self.best_run,
            "evaluations_since_best": self.evaluations_since_best,
            "best_phi": self.best_phi,
        }

    def take_best(
        self, loss: float, run: int, phi: Sequence[tf.Variable]
    ) -> bool:
        """Takes note of a validation, and of phi if it is the best so far.

        Args:
            loss: The validation's loss.
            run: The number of runs done.
            phi: The weights.

        Returns:
            Whether it is.
        """
        if not loss < float(self.best_loss):
            self.evaluations_since_best.assign_add(1)
            return False
        self.best_loss.assign(loss)
        self.best_run.assign(run)
        self.evaluations_since_best.assign(0)
        for best, variable in zip(self.best_phi, phi, strict=True):
            best.assign(variable)
        return True


@dataclasses.dataclass(frozen=True)
class Report:
    """What happened in one run: `num_steps` updates of each optimizee.

    Attributes:
        run: Runs done.
        meta_loss: Weighted mean of the run's losses, sum w_t f / sum w_t.
        gradient_norm: Mean norm of the run's meta-gradients.
        learning_rate: Adam's learning rate.
        skipped: Updates skipped so far, in all.
        seconds: What the run took, without a validation.
        validation: Validation's learning curves, where there was one: shape
            [curves, num_steps + 1].
        validation_loss: Their mean loss over the last tenth of the steps.
        final_loss: Their mean of f(theta_T).
        validation_seconds: What the validation took.
        is_best: Whether this is the best phi so far.
    """

    run: int
    meta_loss: float
    gradient_norm: float
    learning_rate: float
    skipped: int
    seconds: float
    validation: np.ndarray | None = None
    validation_loss: float | None = None
    final_loss: float | None = None
    validation_seconds: float | None = None
    is_best: bool = False
