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
from l2l_tf.rules import gradients as gradients_lib
from l2l_tf.rules import registry


@registry.register_rule("routed")
class Routed(base.UpdateRule):
    """Several rules, each serving the parameters that match its pattern.

        rule = Routed({"rank=4": convolutional, ".*": coordinatewise})
        rule = rule.bind(["conv/w", "dense/w", "dense/b"])

    Patterns are those of `l2l_tf.core.routing.route`. A rule whose pattern gets
    no parameter does nothing.

    Source: google-deepmind/learning-to-learn, `net_assignments`; Andrychowicz
    et al. 2016, section 3.3 (one LSTM for convolutions, one for dense layers).
    """

    def __init__(
        self, routes: Mapping[str, base.UpdateRule | Mapping[str, Any]]
    ):
        """Takes the routes.

        Args:
            routes: Rules, or configurations of rules, by patterns, in order
                of precedence.

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
        self._names: tuple[str, ...] | None = None

    @classmethod
    def map_config(cls, config, change):
        """See base class; changes the parts' configurations."""
        routes = config.get("routes")
        if not isinstance(routes, Mapping):
            return dict(config)  # Refused where the rule is made.
        routes = {
            pattern: registry.map_config(part, change)
            for pattern, part in routes.items()
        }
        return {**config, "routes": routes}

    def routes(self) -> Mapping[str, base.UpdateRule]:
        """See base class."""
        return self.rules

    def bind(self, parameter_names: Sequence[str]) -> Routed:
        """Returns this rule with its parameters named; it shares the parts.

        Raises:
            ValueError: If a parameter has no rule or a rule no parameter, as
                far as names tell.
        """
        bound = type(self)(self.rules)
        bound._names = tuple(parameter_names)
        if not any(map(routing.asks_rank, self.rules)):
            bound._parts()
        return bound

    def leaves(
        self, positions: Sequence[int]
    ) -> list[tuple[base.UpdateRule, list[int]]]:
        """See base class; the leaves of all parts, which names must tell."""
        return [
            leaf
            for rule, own in self._parts()
            for leaf in rule.leaves([positions[p] for p in own])
        ]

    def initial_state(self, params: Sequence[tf.Tensor]) -> base.State:
        """See base class."""
        return [
            rule.initial_state([params[p] for p in own])
            for rule, own in self._parts(_ranks(params))
        ]

    def initial_state_of_functions(
        self, params: Sequence[tf.Tensor], num_functions: int | None
    ) -> base.State:
        """See base class."""
        return [
            rule.initial_state_of_functions(
                [params[p] for p in own], num_functions
            )
            for rule, own in self._parts(_ranks(params))
        ]

    def with_horizon(
        self,
        state: base.State,
        params: Sequence[tf.Tensor],
        num_steps: int | tf.Tensor,
    ) -> base.State:
        """See base class."""
        parts = self._parts(_ranks(params))
        return [
            rule.with_horizon(part, [params[p] for p in own], num_steps)
            for (rule, own), part in zip(parts, state, strict=True)
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
        # Along the first axis lie the steps.
        parts = self._parts([rank - 1 for rank in _ranks(gradients)])
        records = records or [()] * len(parts)
        found: list[tuple[tf.Variable, tf.Tensor]] = []
        for index, ((rule, own), record, old) in enumerate(
            zip(parts, records, state, strict=True)
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
            found += zip(variables, results, strict=True)
        return gradients_lib.in_order(self.trainable_variables, found)

    def check_claims(self, params: Sequence[tf.Tensor]) -> None:
        """See base class; checks each part."""
        for rule, own in self._parts(_ranks(params)):
            rule.check_claims([params[p] for p in own])

    def weights_from(
        self, source: base.UpdateRule
    ) -> list[tuple[tf.Variable, tf.Variable]]:
        """See base class; each part may also start from one and the same rule.

        So two LSTMs begin as one that was trained alone.
        """
        try:
            return super().weights_from(source)
        except ValueError:
            return [
                pair
                for rule in self.rules.values()
                if rule.trainable_variables
                for pair in rule.weights_from(source)
            ]

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

    def _parts(
        self, ranks: Sequence[int] | None = None
    ) -> list[tuple[base.UpdateRule, list[int]]]:
        """Returns the rules that have parameters, with their positions."""
        if self._names is None:
            raise ValueError(
                "A routed rule must know its parameters' names before it is "
                f"used; call rule.bind(parameter_names). Its patterns are "
                f"{list(self.rules)}."
            )
        positions = routing.route(list(self.rules), self._names, ranks)
        return [
            (rule.bind([self._names[p] for p in own]), own)
            for rule, own in zip(self.rules.values(), positions, strict=True)
            if own
        ]

    def _step(
        self, gradients: Sequence[tf.Tensor], state: base.State
    ) -> tuple[list[tf.Tensor], list[base.State], list[base.Record]]:
        """Makes a step; returns updates, and states and records of parts."""
        updates: list[Any] = [None] * len(gradients)
        next_state, records = [], []
        parts = self._parts(_ranks(gradients))
        for (rule, own), old in zip(parts, state, strict=True):
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


def _ranks(tensors: Sequence[tf.Tensor]) -> list[int]:
    return [tensor.shape.rank for tensor in tensors]
