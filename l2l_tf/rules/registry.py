"""Update rules by name, built from plain configurations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from l2l_tf.core import registry
from l2l_tf.rules import base

RULES: registry.Registry[type[base.UpdateRule]] = registry.Registry(
    "rule", "l2l_tf.rules", registry.OF_YOUR_OWN
)
"""All update rules. A file in this room adds one by `register_rule`."""

DEFAULT = "coordinatewise"
"""The rule that a configuration without a name describes: the paper's."""


def register_rule(name: str) -> Callable[[type], type]:
    """Returns a decorator that registers a class of rules.

        @register_rule("sgd")
        class SGD(base.UpdateRule): ...

    Args:
        name: The name in configurations; the class gets it as `rule_name`.

    Raises:
        ValueError: If another rule has the name.
    """

    def decorate(rule: type[base.UpdateRule]) -> type[base.UpdateRule]:
        RULES.register(name)(rule)
        rule.rule_name = name
        return rule

    return decorate


def make_rule(
    config: Mapping[str, Any], parameter_names: Sequence[str] | None = None
) -> base.UpdateRule:
    """Builds a rule from its configuration.

    Args:
        config: `{"rule": name, ...options}`; the name defaults to
            `DEFAULT`.
        parameter_names: Names of the optimizee's parameters, to which the rule
            is bound; only a routed rule needs them.

    Returns:
        The rule.

    Raises:
        ValueError: If a name or an option is unknown, or a value is refused.
    """
    options = dict(config)
    name = options.pop("rule", DEFAULT)
    rule = RULES.build(name, **options)
    return rule if parameter_names is None else rule.bind(parameter_names)


def map_config(
    config: Any,
    change: Callable[
        [type[base.UpdateRule], Mapping[str, Any]], dict[str, Any]
    ],
) -> Any:
    """Returns a configuration, changed; see `UpdateRule.map_config`.

    One that no rule is made from is returned as it is.
    """
    name = config.get("rule", DEFAULT) if isinstance(config, Mapping) else None
    return (
        RULES.get(name).map_config(config, change) if name in RULES else config
    )


def with_seed(config: Any, seed: int) -> Any:
    """Gives a seed to every part of a rule that takes one and has none."""

    def change(rule, options):
        takes_one = "seed" in registry.accepted(rule)
        return {"seed": seed, **options} if takes_one else dict(options)

    return map_config(config, change)
