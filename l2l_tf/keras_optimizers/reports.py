"""What a user should know about a run so far, said once."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

from l2l_tf.keras_optimizers import description
from l2l_tf.keras_optimizers import diagnostics
from l2l_tf.keras_optimizers import losses as losses_lib

_LOG = logging.getLogger("l2l_tf")


class Run(NamedTuple):
    """A run so far.

    Attributes:
        steps: Steps made.
        skipped: Steps whose gradients were not finite.
        rules: What was trained, and for how many steps, each a `RulePart`.
        losses: See `l2l_tf.keras_optimizers.losses.follow`.
        fallback: The fallback's name, None if there is none.
        fell_back: Whether it has taken over.
        told: For how many steps a schedule was asked for, None for none.
        update_norm: That of the last update.
    """

    steps: int
    skipped: int = 0
    rules: Sequence[Any] = ()
    losses: Sequence[float] = (0.0, 0.0, 0.0)
    fallback: str | None = None
    fell_back: bool = False
    told: int | None = None
    update_norm: float = 1.0


class Reporter:
    """Warns of what was seen in a run, once for each reason."""

    def __init__(self, name: str, raises: bool):
        """Takes what to say.

        Args:
            name: The optimizer's name.
            raises: Whether gradients that are not finite raise instead.
        """
        self._name, self._raises = name, raises
        self._said: set[str] = set()
        self._seen = 0

    def forget(self, skipped: int, fell_back: bool) -> None:
        """Takes what a restored run has seen as known."""
        self._seen = skipped
        if fell_back:
            self._said.add("fallback")

    def report(self, run: Run) -> None:
        """Warns, if it is due.

        Raises:
            FloatingPointError: If steps were skipped since the last report,
                and they raise.
        """
        new, self._seen = run.skipped - self._seen, run.skipped
        if new > 0 and self._raises:
            raise FloatingPointError(diagnostics.NOT_FINITE)
        if new > 0:
            self.say(
                "finite",
                f"{diagnostics.NOT_FINITE} {run.skipped} steps were left out.",
            )
        if run.fell_back:
            self.say(
                "fallback",
                f"{self._name}: the fallback {run.fallback!r} has taken over, "
                "since its losses were lower than those of the learned rule.",
            )
            return
        exploded = losses_lib.warning(run.losses)
        if exploded and run.fallback is None:
            self.say("loss exploded", f"{self._name}: {exploded}")
        is_over = run.told and run.steps > run.told and not new
        if is_over and run.update_norm == 0.0:
            self.say(
                "schedule",
                f"{self._name}: steps={run.told} was given, the run has "
                f"{run.steps}, and the rule moves nothing any more; give it "
                "the steps of all training.",
            )
        if run.fallback is None:
            self.warn_beyond(run.rules, run.steps)

    def warn_beyond(self, rules: Sequence[Any], steps: int) -> None:
        """Warns of runs and models beyond what was tried.

        Args:
            rules: What was trained, each a `RulePart`.
            steps: Steps of the run.
        """
        for part in rules:
            told = description.beyond(
                part.label, part.metadata, steps, part.num_parameters
            )
            for reason, sentence in told.items():
                self.say(reason, sentence)

    def say(self, reason: str, message: str) -> None:
        """Warns and logs, once for each reason."""
        if reason not in self._said:
            self._said.add(reason)
            _LOG.info(message)
            warnings.warn(message, stacklevel=4)
