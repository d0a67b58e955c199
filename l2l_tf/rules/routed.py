"""A rule made of several: each parameter goes to the first that claims it."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf

from l2l_tf.core import randomness
from l2l_tf.core import routing
from l2l_tf.rules import base
from l2l_tf.rules import registry


@registry.register_rule("routed")
class Routed(base.UpdateRule):
    """Several rules, each serving the parameters whose names it matches.

        rule = Routed({"conv": kernelwise, ".*": coordinatewise})
        rule = rule.bind(["conv/w", "dense/w", "dense/b"])

    Source: google-deepmind/learning-to-learn, `net_assignments`; Andrychowicz
    et al. 2016, section 3.3 (one LSTM for convolutions, one for dense layers).
    """

    def __init__(
        self, routes: Mapping[str, base.UpdateRule | Mapping[str, Any]]
    ):
        """Takes the routes.

        Args:
            routes: Rules, or configurations of rules, by regular expressions
                over parameters' names, in order of precedence.

        Raises:
            ValueError: If the routes are not of that kind.
        """
        super().__init__()
        if not isinstance(routes, Mapping) or not all(
            isinstance(part, (base.UpdateRule, Mapping))
            for part in routes.values()
        ):
            raise ValueError(
                "routes must map patterns of parameter names to the options "
                f"of rules; received {routes!r}."
            )
        for pattern in routes:
            routing.check_pattern(pattern)
        self.rules = {
            pattern: part
            if isinstance(part, base.UpdateRule)
            else registry.make_rule(part)
            for pattern, part in routes.items()
        }
        self.positions: list[list[int]] | None = None

    def bind(self, parameter_names: Sequence[str]) -> Routed:
        """Returns this rule with its parameters assigned; it shares the parts.

        Raises:
            ValueError: If a parameter has no rule or a rule no parameter.
        """
        positions = routing.route(list(self.rules), parameter_names)
        bound = type(self)(
            {
                pattern: rule.bind([parameter_names[p] for p in own])
                for (pattern, rule), own in zip(
                    self.rules.items(), positions, strict=True
                )
            }
        )
        bound.positions = positions
        return bound

    def leaves(
        self, positions: Sequence[int]
    ) -> list[tuple[base.UpdateRule, list[int]]]:
        """See base class; the leaves of all parts."""
        return [
            leaf
            for rule, own in self._parts()
            for leaf in rule.leaves([positions[p] for p in own])
        ]

    def initial_state(self, params: Sequence[tf.Tensor]) -> base.State:
        """See base class."""
        return [
            rule.initial_state([params[p] for p in own])
            for rule, own in self._parts()
        ]

    def initial_state_of_functions(
        self, params: Sequence[tf.Tensor], num_functions: int | None
    ) -> base.State:
        """See base class."""
        return [
            rule.initial_state_of_functions(
                [params[p] for p in own], num_functions
            )
            for rule, own in self._parts()
        ]

    def __call__(
        self, gradients: Sequence[tf.Tensor], state: base.State
    ) -> tuple[list[tf.Tensor], base.State]:
        """See base class."""
        updates, state, _ = self._step(gradients, state)
        return updates, state

    def record(
        self, gradients: Sequence[tf.Tensor], state: base.State
    ) -> tuple[list[tf.Tensor], base.State, base.Record]:
        """See base class; a record for each part that makes one."""
        updates, state, records = self._step(gradients, state)
        return updates, state, records if tf.nest.flatten(records) else ()

    def replay(
        self,
        gradients: Sequence[tf.Tensor],
        records: base.Record,
        state: base.State,
        cotangents: Sequence[tf.Tensor],
        options: base.ReplayOptions,
    ) -> list[tf.Tensor]:
        """See base class; sums over parts what they share."""
        records = records or [()] * len(self.rules)
        found: dict[Any, tf.Tensor] = {}
        for index, ((rule, own), record, old) in enumerate(
            zip(self._parts(), records, state, strict=True)
        ):
            variables = rule.trainable_variables
            if not variables:
                continue
            seed = options.seed
            if seed is not None:
                seed = randomness.fold_in(seed, index)
            results = rule.replay(
                [gradients[p] for p in own],
                record,
                old,
                [cotangents[p] for p in own],
                options._replace(seed=seed),
            )
            for variable, result in zip(variables, results, strict=True):
                key = variable.ref()
                found[key] = found[key] + result if key in found else result
        return [found[v.ref()] for v in self.trainable_variables]

    def check_claims(self, params: Sequence[tf.Tensor]) -> None:
        """See base class; checks each part."""
        for rule, own in self._parts():
            rule.check_claims([params[p] for p in own])

    def save(self, folder: str | os.PathLike) -> None:
        """Saves each part that has weights under `routes/<index>`."""
        for rule, part_folder in self._folders(folder):
            rule.save(part_folder)

    def restore(self, folder: str | os.PathLike) -> None:
        """See base class; restores each part that has weights."""
        for rule, part_folder in self._folders(folder):
            rule.restore(part_folder)

    def saved_parts(
        self, folder: str | os.PathLike
    ) -> list[tuple[base.UpdateRule, pathlib.Path]]:
        """See base class; those of all parts that have weights."""
        return [
            found
            for rule, part_folder in self._folders(folder)
            for found in rule.saved_parts(part_folder)
        ]

    def config(self) -> dict[str, Any]:
        """See base class."""
        routes = {
            pattern: rule.config() for pattern, rule in self.rules.items()
        }
        return {"rule": self.rule_name, "routes": routes}

    def describe(self) -> str:
        """See base class; a sentence for each part."""
        return "\n".join(
            f"{pattern!r}: {rule.describe()}"
            for pattern, rule in self.rules.items()
        )

    def _parts(self) -> list[tuple[base.UpdateRule, list[int]]]:
        if self.positions is None:
            raise ValueError(
                "A routed rule must know its parameters' names before it is "
                f"used; call rule.bind(parameter_names). Its patterns are "
                f"{list(self.rules)}."
            )
        return list(zip(self.rules.values(), self.positions, strict=True))

    def _step(
        self, gradients: Sequence[tf.Tensor], state: base.State
    ) -> tuple[list[tf.Tensor], list[base.State], list[base.Record]]:
        """Makes a step; returns updates, and states and records of parts."""
        updates: list[Any] = [None] * len(gradients)
        next_state, records = [], []
        for (rule, own), old in zip(self._parts(), state, strict=True):
            proposed, new, record = rule.record(
                [gradients[p] for p in own], old
            )
            next_state.append(new)
            records.append(record)
            for position, update in zip(own, proposed, strict=True):
                updates[position] = update
        return updates, next_state, records

    def _folders(
        self, folder: str | os.PathLike
    ) -> Iterator[tuple[base.UpdateRule, pathlib.Path]]:
        for index, rule in enumerate(self.rules.values()):
            if rule.trainable_variables:
                yield rule, pathlib.Path(folder, "routes", str(index))
