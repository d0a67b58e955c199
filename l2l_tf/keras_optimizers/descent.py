"""Does a run still descend?  Judged from its losses alone."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf


class Limits(NamedTuple):
    """Where a run counts as one that descends no more.

    Attributes:
        smoothing: Weight of the past in the running mean of the loss.
        factor: A running mean above this multiple of the best one is worse.
        patience: Steps in a row that may be worse.
        stall: Steps that may pass without an improvement of `improvement`.
        improvement: Share of the best running mean that counts as one.
        trial: Steps after which the rule is trusted: one that ends its descent
            earlier does not fit the problem, and may have left parameters of a
            low loss from which others get nowhere, so that the start counts
            as the best point.
    """

    smoothing: float = 0.9
    factor: float = 1.5
    patience: int = 10
    stall: int = 100
    improvement: float = 0.02
    trial: int = 200


class Record(NamedTuple):
    """What is known of a run, scalars.

    Attributes:
        mean: The running mean of the loss, biased to zero at first.
        count: Losses in it.
        best: The lowest running mean.
        worse: Steps in a row that were worse than the best by far.
        mark: The last running mean that was an improvement.
        stalled: Steps since then.
    """

    mean: tf.Tensor
    count: tf.Tensor
    best: tf.Tensor
    worse: tf.Tensor
    mark: tf.Tensor
    stalled: tf.Tensor


FIRST = Record(0.0, 0.0, float("inf"), 0.0, float("inf"), 0.0)
"""The record of a run without steps."""


def judge(
    record: Record, loss: tf.Tensor, limits: Limits
) -> tuple[Record, tf.Tensor, tf.Tensor]:
    """Takes one more loss into account.

        m_t = s m_{t-1} + (1 - s) f(theta_t),   f_t = m_t / (1 - s^t)

    Args:
        record: What is known, float32 scalars.
        loss: The loss of this step.
        limits: Where descent ends.

    Returns:
        The next record, whether this is the best point so far, and whether
        the run descends no more.
    """
    keep = limits.smoothing
    is_finite = tf.math.is_finite(loss)
    count = record.count + 1
    mean = keep * record.mean + (1 - keep) * loss
    now = mean / (1 - keep**count)
    is_best = is_finite & (now < record.best)
    best = tf.where(is_best, now, record.best)
    # Relative to the size of the best, so that losses may be negative.
    is_worse = now > best + (limits.factor - 1) * tf.abs(best)
    worse = tf.where(is_worse, record.worse + 1, 0.0)
    gain = limits.improvement * tf.abs(record.mark)
    is_gain = is_finite & ((now < record.mark - gain) | (record.count == 0))
    stalled = tf.where(is_gain, 0.0, record.stalled + 1)
    ends = ~is_finite | (worse >= limits.patience) | (stalled >= limits.stall)
    mark = tf.where(is_gain, now, record.mark)
    # The start always counts, so that there is a point to return to.
    is_point = (count == 1) | (is_best & (count > limits.trial))
    return Record(mean, count, best, worse, mark, stalled), is_point, ends
