"""Numbers about the last step, and warnings about the run so far."""

from __future__ import annotations

import warnings

import tensorflow as tf

NAMES = ("update_norm", "gradient_norm", "cosine", "skipped_steps")
"""What `diagnose` returns, in its order."""

NOT_FINITE = "LearnedOptimizer received a gradient that is not finite."

_FAR = 10  # times the trained horizon


def diagnose(
    gradients: tf.Tensor,
    updates: tf.Tensor,
    is_finite: tf.Tensor,
    previous: tf.Tensor,
) -> tf.Tensor:
    """Returns norms of update and gradient, their cosine, and skipped steps.

    Args:
        gradients: Those of a step, as columns.
        updates: What the rule proposed.
        is_finite: Whether all gradients were finite.
        previous: What the step before returned.

    Returns:
        One number for each of `NAMES`.
    """
    gradient_norm, update_norm = tf.norm(gradients), tf.norm(updates)
    inner = tf.reduce_sum(gradients * updates)
    cosine = tf.math.divide_no_nan(inner, gradient_norm * update_norm)
    skipped = previous[-1] + tf.cast(~is_finite, previous.dtype)
    numbers = [update_norm, gradient_norm, cosine]
    return tf.stack([*(tf.cast(x, skipped.dtype) for x in numbers), skipped])


class Reporter:
    """Warns of what was seen in a run, once for each reason."""

    def __init__(self, name: str, horizon: int | None, raises: bool):
        """Takes what to say.

        Args:
            name: The saved optimizer's.
            horizon: For how many steps it was trained, None if unknown.
            raises: Whether gradients that are not finite raise instead.
        """
        self._name, self._horizon, self._raises = name, horizon, raises
        self._said: set[str] = set()
        self._seen = 0

    def forget(self, skipped: int) -> None:
        """Takes skipped steps as known, such as those of a restored run."""
        self._seen = skipped

    def report(self, steps: int, skipped: int) -> None:
        """Warns, if it is due.

        Args:
            steps: Steps made so far.
            skipped: Steps whose gradients were not finite.

        Raises:
            FloatingPointError: If there are such steps since the last report,
                and they raise.
        """
        new, self._seen = skipped - self._seen, skipped
        if new > 0 and self._raises:
            raise FloatingPointError(NOT_FINITE)
        if new > 0:
            self._warn("finite", f"{NOT_FINITE} {skipped} steps were left out.")
        if self._horizon and steps > _FAR * self._horizon:
            self._warn(
                "horizon",
                f"{self._name!r} was trained for runs of {self._horizon} "
                f"steps; this one has {steps}. Compare with Adam, or pass "
                "fallback=.",
            )

    def _warn(self, reason: str, message: str) -> None:
        if reason not in self._said:
            self._said.add(reason)
            warnings.warn(message, stacklevel=4)
