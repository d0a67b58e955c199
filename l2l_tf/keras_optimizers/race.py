"""Which of two optimizers trains a model better, judged from losses alone.

Both start from the same parameters and take turns, each with parameters and a
state of its own. The race ends when one is clearly better: the one whose loss
will be lower if both losses go on falling as they did. The model keeps its
parameters, and the steps of the other were the price: 20 or 40 where it is
clear by then, more only where losses fall slowly.

Two other ways were tried and are not fair. Comparing both from a point that one
of them reached favours the one with small steps, which always lowers the loss
a little where large steps have just been. And handing over the learned run's
point costs too much: Adam may end far above the loss that it reaches from the
start. Hence the fallback's own run is kept until the learned one has shown, at
twice, four times and so on as many steps, that it is where the fallback would
be by then.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from l2l_tf.keras_optimizers import trial


class Record(NamedTuple):
    """What is known of two runs, float32 scalars.

    Attributes:
        learned_mean: Running mean of the learned run's losses, biased to zero
            at first.
        fallback_mean: The fallback's.
        learned_steps: Steps that the learned run has made.
        fallback_steps: Those of the fallback.
        learned_past: The learned run's mean at half of its steps.
        fallback_past: The fallback's; once it has lost, at half of those at
            which it was expected last.
        turn: Whose parameters the model has, `LEARNED` or `FALLBACK`.
        is_over: Whether they are compared no more.
        goal: Steps at which the run at work is looked at next.
        expected: The fallback's mean, and once it has lost, what that would
            have become by the learned run's last comparison.
        limit: The mean that is too high for a learned run that has won.
        worse: Steps in a row that it was.
        ended_at: Steps that both had made when training last ended.
    """

    learned_mean: tf.Tensor
    fallback_mean: tf.Tensor
    learned_steps: tf.Tensor
    fallback_steps: tf.Tensor
    learned_past: tf.Tensor
    fallback_past: tf.Tensor
    turn: tf.Tensor
    is_over: tf.Tensor
    goal: tf.Tensor
    expected: tf.Tensor
    limit: tf.Tensor
    worse: tf.Tensor
    ended_at: tf.Tensor


class Verdict(NamedTuple):
    """What to do with a step, bools.

    Attributes:
        moves: Whether it is made.
        changes: Whether the model then gets the other parameters.
        keeps: Whether the model's are then kept in the other's place.
    """

    moves: tf.Tensor
    changes: tf.Tensor
    keeps: tf.Tensor


LEARNED, FALLBACK = 0.0, 1.0


def begin(settings: trial.Settings) -> Record:
    """Returns the record of two runs without steps; the learned one begins."""
    numbers = dict.fromkeys(Record._fields, 0.0)
    numbers |= {"goal": settings.steps / 2, "limit": float("inf")}
    return Record(**{k: tf.constant(v, tf.float32) for k, v in numbers.items()})


def judge(
    record: Record, loss: tf.Tensor, settings: trial.Settings
) -> tuple[Record, Verdict]:
    """Takes one more loss into account.

        m_t = s m_{t-1} + (1 - s) f(theta_t),   f_t = m_t / (1 - s^t)

    Args:
        record: What is known.
        loss: The loss of this step, of the run whose turn it is.
        settings: How runs are compared.
    """
    is_learned = record.turn == LEARNED
    keep = settings.smoothing
    # A run whose loss is not finite has lost.
    value = tf.where(tf.math.is_finite(loss), loss, float("inf"))

    def add(mean, steps, is_own):
        new = keep * mean + (1 - keep) * value
        return tf.where(is_own, new, mean), tf.where(is_own, steps + 1, steps)

    learned = add(record.learned_mean, record.learned_steps, is_learned)
    fallback = add(record.fallback_mean, record.fallback_steps, ~is_learned)
    record = record._replace(
        learned_mean=learned[0],
        learned_steps=learned[1],
        fallback_mean=fallback[0],
        fallback_steps=fallback[1],
    )
    is_lost = is_learned & ~tf.math.is_finite(loss)
    return tf.nest.map_structure(
        lambda after, before: tf.where(record.is_over > 0, after, before),
        _follow(record, is_lost, settings),
        _compare(record, is_lost, settings),
    )


def leader(record: Record, settings: trial.Settings) -> tf.Tensor:
    """Returns whose parameters are the better ones so far."""

    def known(level, steps):
        return tf.where(steps > 0, level, float("inf"))

    learned, fallback = levels(record, settings)
    is_behind = known(fallback, record.fallback_steps) < known(
        learned, record.learned_steps
    )
    best = tf.where(is_behind, FALLBACK, LEARNED)
    return tf.where(record.is_over > 0, record.turn, best)


def levels(
    record: Record, settings: trial.Settings
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the means of both runs, without their bias."""

    def level(mean, steps):
        return tf.math.divide_no_nan(mean, 1 - settings.smoothing**steps)

    return (
        level(record.learned_mean, record.learned_steps),
        level(record.fallback_mean, record.fallback_steps),
    )


def _compare(record, is_lost, settings) -> tuple[Record, Verdict]:
    """Looks at both runs whenever they have made the same number of steps."""
    is_learned = record.turn == LEARNED
    steps = tf.where(is_learned, record.learned_steps, record.fallback_steps)
    is_due = steps >= record.goal
    is_both = is_due & (
        tf.minimum(record.learned_steps, record.fallback_steps) >= record.goal
    )
    learned, fallback = levels(record, settings)
    lower, higher = tf.minimum(learned, fallback), tf.maximum(learned, fallback)
    is_early = record.goal < settings.steps
    # So few steps say nothing about how losses will fall.
    ahead = tf.where(
        is_early,
        learned <= fallback,
        _after_as_many(learned, record.learned_past)
        <= _after_as_many(fallback, record.fallback_past),
    )
    wins = ahead | ~tf.math.is_finite(fallback)
    past = tf.where(
        learned <= fallback, record.learned_past, record.fallback_past
    )
    size = tf.abs(lower)
    # What the lower loss gained while its run's steps doubled. Steps that a
    # run is late cost a part of that, when it ends.
    gain = tf.math.divide_no_nan(tf.nn.relu(past - lower), size)
    margin = tf.where(is_early, settings.obvious, settings.clear)
    is_dear = (
        gain * 2 * record.goal > settings.price * settings.run_length
    ) | (4 * record.goal > settings.run_length)
    ends = (higher - lower > margin * size) | (is_dear & ~is_early)
    ends &= is_both
    goes_on = is_both & ~ends
    # The learned run goes first, also where the fallback's was ahead of it.
    changes = is_lost | tf.where(
        is_both, (goes_on | wins) != is_learned, is_due
    )
    is_over = ends | is_lost
    is_half = steps <= tf.maximum(record.goal / 2, 1)
    is_learned_past = goes_on | (is_half & is_learned)
    is_fallback_past = goes_on | (is_half & ~is_learned)
    return record._replace(
        learned_past=tf.where(is_learned_past, learned, record.learned_past),
        fallback_past=tf.where(
            is_fallback_past, fallback, record.fallback_past
        ),
        turn=tf.where(changes, 1 - record.turn, record.turn),
        is_over=tf.cast(is_over, tf.float32),
        goal=tf.where(goes_on | ends, 2 * record.goal, record.goal),
        expected=fallback,
        limit=tf.where(ends, fallback, record.limit),
    ), Verdict(~is_lost, changes, tf.constant(False))


def _after_as_many(now: tf.Tensor, past: tf.Tensor) -> tf.Tensor:
    """Returns the level after as many steps again.

    A loss that fell by a factor falls by it once more; one that rose rises by
    as much.
    """
    size = tf.maximum(tf.abs(now), tf.abs(past))
    return now - (past - now) * tf.math.divide_no_nan(tf.abs(now), size)


def _follow(record, is_lost, settings) -> tuple[Record, Verdict]:
    """Watches the learned run after it won."""
    is_learned = record.turn == LEARNED
    level, _ = levels(record, settings)
    is_worse = is_learned & (level > record.limit)
    worse = tf.where(is_worse, record.worse + 1, 0.0)
    is_due = is_learned & (record.learned_steps >= record.goal)
    expected = _after_as_many(record.expected, record.fallback_past)
    # Later there is no run of the fallback's own to go back to, or too few
    # steps are left to make it worth while.
    is_compared = is_due & (record.goal < 2 * settings.trusted)
    is_behind = level - expected > settings.clear * tf.abs(expected)
    fails = is_lost | (worse >= settings.patience) | (is_compared & is_behind)
    is_due &= ~fails
    keeps = is_due & (record.learned_steps >= settings.trusted)
    limit = level + settings.tolerance * tf.abs(level)
    return record._replace(
        turn=tf.where(fails, FALLBACK, record.turn),
        goal=tf.where(is_due, 2 * record.learned_steps, record.goal),
        expected=tf.where(is_due, expected, record.expected),
        fallback_past=tf.where(is_due, record.expected, record.fallback_past),
        limit=tf.where(keeps, limit, record.limit),
        worse=worse,
    ), Verdict(~fails, fails, keeps)
