"""How the size of a rule's updates depends on the size of gradients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from l2l_tf.evaluation import proposals
from l2l_tf.rules import base as rules


def sizes(
    rule: rules.UpdateRule,
    gradients: Sequence[np.ndarray],
    factors: Sequence[float],
) -> np.ndarray:
    """Shows a rule a run's gradients, all of them times a factor.

    Args:
        rule: The rule, which moves nothing.
        gradients: For each parameter the gradients of a run, an array of shape
            [T, ...].
        factors: What to multiply them by.

    Returns:
        The root mean square of the updates over steps and coordinates, for
        each factor, shape [len(factors)].
    """
    follower = proposals.Follower(rule)
    found = []
    for factor in factors:
        scaled = [g * np.asarray(factor, g.dtype) for g in gradients]
        updates = follower.follow(scaled).updates
        total = sum(np.sum(np.square(u, dtype=np.float64)) for u in updates)
        found.append(np.sqrt(total / sum(u.size for u in updates)))
    return np.array(found)
