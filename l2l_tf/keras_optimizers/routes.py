"""What moves which variable: the first pattern that a path matches counts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from l2l_tf.core import routing
from l2l_tf.keras_optimizers import column_part
from l2l_tf.keras_optimizers import description
from l2l_tf.keras_optimizers import general_part
from l2l_tf.keras_optimizers import keras_part
from l2l_tf.keras_optimizers import loading
from l2l_tf.keras_optimizers import parts
from l2l_tf.rules import base
from l2l_tf.saving import metadata as metadata_lib


class Routes(parts.Part):
    """Gives each variable to one of several parts."""

    def __init__(self, routes: Mapping[str, parts.Part]):
        """Takes parts by patterns, see `l2l_tf.core.routing.route`.

        Raises:
            ValueError: If there is no route, a pattern is refused, or an
                optimizer serves two patterns.
        """
        if not routes:
            raise ValueError(f"Routes must be at least one; received {routes}.")
        for pattern in routes:
            routing.check_pattern(pattern)
        self.routes = dict(routes)
        inside = [id(optimizer) for optimizer in self.optimizers()]
        if len(set(inside)) < len(inside):
            raise ValueError(
                "Each route needs an optimizer of its own; received one "
                f"optimizer for several of {list(routes)}."
            )

    def build(self, owner, variables) -> None:
        """See base class.

        Raises:
            ValueError: If variables match no pattern, or a pattern gets none.
        """
        names = [parts.path_of(variable) for variable in variables]
        ranks = [len(variable.shape) for variable in variables]
        found = routing.route(list(self.routes), names, ranks)
        self._owners = {}
        for (pattern, part), positions in zip(
            self.routes.items(), found, strict=True
        ):
            own = [variables[position] for position in positions]
            part.build(owner, own)
            self._owners |= {owner.key_of(v): pattern for v in own}

    def step(self, owner, gradients, variables, learning_rate) -> None:
        """See base class."""
        for pattern, part in self.routes.items():
            own = [
                (gradient, variable)
                for gradient, variable in zip(gradients, variables, strict=True)
                if self._owners[owner.key_of(variable)] == pattern
            ]
            if own:
                part.step(owner, *zip(*own, strict=True), learning_rate)

    def describe(self) -> str:
        """See base class."""
        return "\n".join(
            f"{pattern!r}: {part.describe()}"
            for pattern, part in self.routes.items()
        )

    def config(self) -> Any:
        """See base class."""
        # Pairs, since the order counts.
        return [
            [pattern, part.config()] for pattern, part in self.routes.items()
        ]

    def rules(self) -> list[parts.Part]:
        """See base class."""
        return [rule for part in self.routes.values() for rule in part.rules()]

    def optimizers(self) -> list[keras.optimizers.Optimizer]:
        """See base class."""
        return [
            optimizer
            for part in self.routes.values()
            for optimizer in part.optimizers()
        ]


class SavedRoutes(Routes):
    """The routes of a saved optimizer that holds several rules."""

    def __init__(
        self,
        loaded: loading.Loaded,
        rule: base.UpdateRule,
        options: parts.Options,
        patterns: Mapping[str, str] | None,
    ):
        """Takes the rule.

        Args:
            loaded: The saved optimizer.
            rule: Its rule, or one of them, which has routes.
            options: How rules are run.
            patterns: Patterns over variables' paths, and for each that of the
                saved rule which it stands for; by default the saved ones.

        Raises:
            ValueError: If there is no such saved pattern.
        """
        saved = rule.routes()
        patterns = patterns or {pattern: pattern for pattern in saved}
        unknown = sorted(set(patterns.values()) - set(saved))
        if unknown:
            raise ValueError(
                f"{loaded.label!r} has no routes {unknown}; accepted: "
                f"{list(saved)}."
            )
        super().__init__(
            {
                pattern: _rule_part(loaded, saved[name], options, None)
                for pattern, name in patterns.items()
            }
        )
        self._loaded = loaded
        self._rules = {
            pattern: saved[name] for pattern, name in patterns.items()
        }

    def describe(self) -> str:
        """See base class."""
        parts_of = "; ".join(
            f"{pattern!r}: {rule.describe()}"
            for pattern, rule in self._rules.items()
        )
        return description.describe(
            self._loaded.label, self._loaded.metadata, parts_of
        )

    def config(self) -> Any:
        """See base class."""
        return self._loaded.label


def make_part(
    value: Any,
    options: parts.Options,
    weight_decay: float | None = None,
    patterns: Mapping[str, str] | None = None,
) -> parts.Part:
    """Returns what runs a saved optimizer, or several things by patterns.

    Args:
        value: A name or a path, or a mapping (or pairs) of patterns to names,
            paths, Keras optimizers and their names, or mappings again.
        options: How rules are run.
        weight_decay: For Keras optimizers that have none.
        patterns: For a saved optimizer with several rules, see `SavedRoutes`.

    Raises:
        ValueError: If the value is something else.
    """
    if isinstance(value, (str, os.PathLike)):
        loaded = loading.load(value)
        return _rule_part(loaded, loaded.rule, options, patterns)
    if patterns is not None:
        raise ValueError(
            "routes stand for those of one saved optimizer with several "
            f"rules; received {dict(patterns)} beside {value!r}."
        )
    if not isinstance(value, (Mapping, list, tuple)):
        raise ValueError(
            "optimizer must be the name of a bundled optimizer, "
            f"{metadata_lib.bundled_names()}, the path of a folder that "
            "training or scripts/export.py wrote, or a mapping of patterns to "
            f"these and to Keras optimizers; received {value!r}. A Keras "
            "optimizer alone needs no LearnedOptimizer; fallback= takes one."
        )
    return Routes(
        {
            pattern: _make_route(pattern, target, options, weight_decay)
            for pattern, target in _pairs(value)
        }
    )


def _make_route(
    pattern: Any, target: Any, options: parts.Options, decay: float | None
) -> parts.Part:
    if isinstance(target, (list, tuple)) or (
        isinstance(target, Mapping) and "class_name" not in target
    ):
        return make_part(target, options, decay)
    if isinstance(target, (str, os.PathLike)) and not _is_keras_name(target):
        return make_part(target, options, decay)
    return keras_part.KerasPart(f"The route {pattern!r}", target, decay)


def _is_keras_name(value: str | os.PathLike) -> bool:
    """Returns whether a name is none of ours, but one of Keras's."""
    if metadata_lib.is_bundled(value) or not isinstance(value, str):
        return False
    try:
        keras.optimizers.get(value)
    except ValueError:
        return False
    return True


def _pairs(value: Any) -> Sequence[tuple[Any, Any]]:
    pairs = list(value.items() if isinstance(value, Mapping) else value)
    if not all(isinstance(p, (list, tuple)) and len(p) == 2 for p in pairs):
        raise ValueError(
            "Routes must be pairs of a pattern and a target; received "
            f"{value!r}."
        )
    return pairs


def _rule_part(
    loaded: loading.Loaded,
    rule: base.UpdateRule,
    options: parts.Options,
    patterns: Mapping[str, str] | None,
) -> parts.Part:
    if rule.routes():
        return SavedRoutes(loaded, rule, options, patterns)
    if patterns is not None:
        raise ValueError(
            f"{loaded.label!r} has one rule for all variables; routes were "
            f"given for several, {dict(patterns)}."
        )
    make = (
        column_part.ColumnPart
        if rule.is_separable
        else general_part.GeneralPart  # What couples columns sees all.
    )
    return make(loaded, rule, options)
