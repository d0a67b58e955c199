"""A rule made of several: each parameter goes to the first that claims it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from l2l_tf.rules import base


def route(patterns: Sequence[str], names: Sequence[str]) -> list[list[int]]:
    """Assigns every name to the first pattern that it matches.

    Args:
        patterns: Regular expressions, searched for anywhere in a name, in
            order of precedence.
        names: Names of parameters.

    Returns:
        For each pattern, the positions of its names.

    Raises:
        ValueError: If a name is matched by no pattern, a pattern gets no
            name, or a pattern is not a regular expression.
    """
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(
                f"{pattern!r} is not a regular expression: {error}."
            ) from error
    positions: list[list[int]] = [[] for _ in patterns]
    unmatched = []
    for position, name in enumerate(names):
        for found, pattern in zip(positions, patterns, strict=True):
            if re.search(pattern, name):
                found.append(position)
                break
        else:
            unmatched.append(name)
    unused = [
        p for p, found in zip(patterns, positions, strict=True) if not found
    ]
    if unmatched:
        raise ValueError(
            f"No pattern of {list(patterns)} matches the parameters "
            f"{unmatched}; add a pattern for them, such as '.*' at the end."
        )
    if unused:
        raise ValueError(
            f"The patterns {unused} get none of the parameters {list(names)}; "
            "remove them, or move them before a pattern that takes their "
            "parameters."
        )
    return positions


class Routed(base.UpdateRule):
    """Several rules, each serving the parameters whose names it matches.

    Source: google-deepmind/learning-to-learn, `net_assignments`; Andrychowicz
    et al. 2016, section 3.3 (one LSTM for convolutions, one for dense layers).
    """

    def __init__(
        self,
        routes: Mapping[str, base.UpdateRule],
        parameter_names: Sequence[str],
    ):
        """Assigns the parameters.

        Args:
            routes: Rules by regular expression, in order of precedence.
            parameter_names: The parameters' names, in the order in which
                gradients will come.

        Raises:
            ValueError: If a parameter has no rule or a rule no parameter.
        """
        super().__init__()
        self.rules = dict(routes)
        self.positions = route(list(routes), parameter_names)
        self.parameter_names = list(parameter_names)

    def initial_state(self, params: Sequence[tf.Tensor]) -> base.State:
        """See base class."""
        return [
            rule.initial_state([params[position] for position in positions])
            for rule, positions in self._assignments()
        ]

    def __call__(
        self, gradients: Sequence[tf.Tensor], state: base.State
    ) -> tuple[list[tf.Tensor], base.State]:
        """See base class."""
        updates: list[Any] = [None] * len(gradients)
        next_state = []
        for (rule, positions), old in zip(
            self._assignments(), state, strict=True
        ):
            proposed, new = rule([gradients[p] for p in positions], old)
            next_state.append(new)
            for position, update in zip(positions, proposed, strict=True):
                updates[position] = update
        return updates, next_state

    def config(self) -> dict[str, Any]:
        """See base class."""
        routes = {
            pattern: rule.config() for pattern, rule in self.rules.items()
        }
        return {"rule": "routed", "routes": routes}

    def _assignments(self) -> list[tuple[base.UpdateRule, list[int]]]:
        return list(zip(self.rules.values(), self.positions, strict=True))
