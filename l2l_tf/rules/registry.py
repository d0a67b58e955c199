"""Builds update rules from plain configurations, and checks these."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from l2l_tf.rules import base
from l2l_tf.rules import hand_designed
from l2l_tf.rules import routed
from l2l_tf.rules.learned import deep_lstm_rules as learned

LEARNED: dict[str, type[learned.DeepLSTMRule]] = {
    "coordinatewise": learned.CoordinatewiseDeepLSTM,
    "kernelwise": learned.KernelwiseDeepLSTM,
    "vectorwise": learned.VectorwiseDeepLSTM,
}


def make_rule(
    config: Mapping[str, Any], parameter_names: Sequence[str] = ()
) -> base.UpdateRule:
    """Builds a rule from its configuration.

    Args:
        config: `{"rule": name, ...options}`, or `{"rule": "routed", "routes":
            {pattern: config}}`. The name defaults to `"coordinatewise"`.
        parameter_names: Names of the optimizee's parameters; only a routed
            rule needs them.

    Returns:
        The rule.

    Raises:
        ValueError: If a name or an option is unknown, or a value is refused.
    """
    options = dict(config)
    name = options.pop("rule", "coordinatewise")
    if name == "routed":
        routes = options.pop("routes", {})
        _check_options("rule 'routed'", options, ["routes"])
        if not isinstance(routes, Mapping) or not all(
            isinstance(part, Mapping) for part in routes.values()
        ):
            raise ValueError(
                "routes must map patterns of parameter names to the options "
                f"of rules; received {routes!r}."
            )
        if any(part.get("rule") == "routed" for part in routes.values()):
            raise ValueError(
                "The rules of a routed rule cannot be routed themselves; put "
                "all patterns into one list of routes."
            )
        rules = {pattern: make_rule(c) for pattern, c in routes.items()}
        return routed.Routed(rules, parameter_names)
    known = {**LEARNED, **hand_designed.RULES}
    if not isinstance(name, str) or name not in known:
        raise ValueError(
            f"Unknown rule {name!r}; accepted: {sorted([*known, 'routed'])}."
        )
    _check_options(f"rule {name!r}", options, accepted_options(name))
    try:
        return known[name](**options)
    except TypeError as error:
        raise ValueError(f"Cannot build rule {name!r}: {error}.") from error


def accepted_options(name: str) -> list[str]:
    """Returns the names of the options that a rule accepts."""
    if name in hand_designed.RULES:
        return hand_designed.accepted_options(name)
    own = inspect.signature(LEARNED[name]).parameters
    shared = inspect.signature(learned.DeepLSTMRule).parameters
    names = [*own, *shared]
    return [n for n in names if n not in ("options", "arrangement")]


def _check_options(
    owner: str, options: Mapping[str, Any], accepted: Sequence[str]
) -> None:
    unknown = sorted(set(options) - set(accepted))
    if unknown:
        raise ValueError(
            f"Unknown options {unknown} for {owner}; accepted: "
            f"{sorted(accepted)}."
        )
