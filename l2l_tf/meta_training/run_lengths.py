"""How long runs are, and which part of them is trained on."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from l2l_tf.meta_training import settings as settings_lib

_STREAM = 7
"""Keeps these draws apart from others with the same seed."""


class Plan(NamedTuple):
    """One run.

    Attributes:
        num_steps: Its length T, which the rule is told.
        skipped: Unrolls that are made without training on them.
        num_unrolls: Those after them that are trained on.
    """

    num_steps: int
    skipped: int
    num_unrolls: int


def plan(settings: settings_lib.Settings, index: int) -> Plan:
    """Draws a run's length, and where in it training begins.

    Lengths are log-uniform between `min_steps` and `num_steps`, whole unrolls
    all of them. Of longer runs than `max_unrolls` a part is trained on that
    begins anywhere, so that late steps are not seen after early ones only.

    Args:
        settings: How to train.
        index: The run's number, counted from 0.

    Returns:
        The same for the same settings and number, whatever went before.
    """
    unroll = settings.unroll_length
    most = settings.num_steps // unroll
    rng = np.random.default_rng([settings.seed, _STREAM, index])
    total = most
    if settings.min_steps is not None:
        least = settings.min_steps // unroll
        # Each whole number has the share of the range around it.
        low, high = math.log(least - 0.5), math.log(most + 0.5)
        drawn = round(math.exp(rng.uniform(low, high)))
        total = min(max(drawn, least), most)
    count = min(total, settings.max_unrolls or total)
    skipped = int(rng.integers(0, total - count + 1))
    return Plan(total * unroll, skipped, count)
