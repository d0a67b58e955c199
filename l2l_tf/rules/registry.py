"""Update rules by name, built from plain configurations."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from l2l_tf.core import failures
from l2l_tf.core import files
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
    # A ValueError is about the configuration, and is said already.
    with failures.explained(f"The rule {name!r} cannot be built", ValueError):
        rule = RULES.build(name, **options)
        if parameter_names is not None:
            rule = rule.bind(parameter_names)
    if not isinstance(rule, base.UpdateRule):
        raise ValueError(
            f"bind() of the rule {name!r} must return a rule; received "
            f"{reprlib.repr(rule)}."
        )
    return rule


def config_of(rule: base.UpdateRule) -> dict[str, Any]:
    """Returns a rule's configuration, which a file can hold.

    Args:
        rule: The rule.

    Raises:
        ValueError: If its `config` fails, returns something else than plain
            values by name, or not always the same.
    """
    what = f"config() of the rule {type(rule).__name__}"
    with failures.explained(f"{what} fails"):
        config, again = rule.config(), rule.config()
    if not isinstance(config, Mapping):
        raise ValueError(
            f"{what} must return its name and options, "
            f"{{'rule': {rule.rule_name!r}, ...}}; received {config!r}."
        )
    with failures.explained(
        f"{what} must hold what JSON does: {reprlib.repr(config)}"
    ):
        files.check_plain(config)
        files.check_plain(again)
    if files.plain(config) != files.plain(again):
        raise ValueError(
            f"{what} must return the same each time; received {config!r} and "
            f"then {again!r}."
        )
    return config


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
