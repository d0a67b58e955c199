"""A rule whose updates are multiplied by a rate that falls along the run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from l2l_tf.core import checks
from l2l_tf.core import registry as registry_lib
from l2l_tf.rules import base
from l2l_tf.rules import registry

_LENGTH, _SHORT = 1000.0, 30.0  # steps

Schedule = Callable[[tf.Tensor], tf.Tensor]
"""Maps the share of the run that is over, 0 to 1, to a factor."""

SCHEDULES: registry_lib.Registry[Schedule] = registry_lib.Registry(
    "schedule", "l2l_tf.rules"
)


@SCHEDULES.register("constant")
def constant(share: tf.Tensor) -> tf.Tensor:
    """Returns 1."""
    return tf.ones_like(share)


@SCHEDULES.register("linear")
def linear(share: tf.Tensor) -> tf.Tensor:
    """Returns `1 - share`."""
    return 1.0 - share


@SCHEDULES.register("cosine")
def cosine(share: tf.Tensor) -> tf.Tensor:
    """Returns `(1 + cos(pi share)) / 2`.

    Source: Loshchilov and Hutter 2017, arXiv 1608.03983, equation 5.
    """
    return 0.5 * (1.0 + tf.cos(tf.constant(math.pi, share.dtype) * share))


@registry.register_rule("scheduled")
class Scheduled(base.UpdateRule):
    """Another rule's updates times a learning rate that follows a schedule.

        a = learning_rate (1000 / max(T, 30))^length_power
        a_t = a (final + (1 - final) schedule(min(t / T, 1)))
        u_t = a_t rule(grad_0, ..., grad_t)

    T is the length of the run, which whoever starts one tells by
    `with_horizon`; else it is the option `horizon`. Where no length is known,

        a_t = 2 learning_rate / (1 + t / decay_steps)^decay_power

    which suits runs of any length, few of them as well as a schedule.
    """

    def __init__(
        self,
        of: base.UpdateRule | Mapping[str, Any],
        learning_rate: float = 0.003,
        schedule: str = "cosine",
        horizon: int | None = None,
        final: float = 0.0,
        decay_steps: int = 20,
        decay_power: float = 0.75,
        length_power: float = 0.0,
    ):
        """Takes the rule and the schedule.

        Args:
            of: The rule, or its configuration.
            learning_rate: The factor at the first step, of runs of 1,000 steps
                where it depends on the length; twice that where no length is
                known.
            schedule: A name in `SCHEDULES`.
            horizon: Steps of a run whose length is not told; None where that
                may be any.
            final: The share of the learning rate that is left in the end of
                runs of known length, and stays beyond.
            decay_steps: When rates begin to fall, where no length is known.
            decay_power: How fast they fall then.
            length_power: How much smaller rates are in longer runs; 0.5 keeps
                the sum of squared rates.

        Raises:
            ValueError: If a value is refused.
        """
        super().__init__()
        if not isinstance(of, (base.UpdateRule, Mapping)):
            raise ValueError(
                "of must be a rule or its options, such as {'rule': "
                f"'coordinatewise'}}; received {of!r}."
            )
        self.rule = (
            of if isinstance(of, base.UpdateRule) else registry.make_rule(of)
        )
        self.learning_rate = checks.number(
            "learning_rate", learning_rate, 0.0, above=True
        )
        self.schedule = schedule
        self.horizon = (
            None if horizon is None else checks.integer("horizon", horizon)
        )
        self.final = checks.number("final", final, 0.0)
        if final > 1.0:
            raise ValueError(
                f"final must be a share, 0 to 1; received {final!r}."
            )
        self.decay_steps = checks.integer("decay_steps", decay_steps)
        self.decay_power = checks.number("decay_power", decay_power, 0.0)
        self.length_power = checks.number("length_power", length_power, 0.0)
        SCHEDULES.get(schedule)

    @classmethod
    def map_config(cls, config, change):
        """See base class; changes the rule's own configuration, too."""
        inner = registry.map_config(config.get("of"), change)
        return change(cls, {**config, "of": inner})

    def bind(self, parameter_names: Sequence[str]) -> Scheduled:
        """See base class; binds the rule."""
        options = self._options()
        return type(self)(of=self.rule.bind(parameter_names), **options)

    def initial_state(self, params: Sequence[tf.Tensor]) -> base.State:
        """See base class; the rule's state, the step and the horizon."""
        return self._state(self.rule.initial_state(params))

    def initial_state_of_functions(
        self, params: Sequence[tf.Tensor], num_functions: int | None
    ) -> base.State:
        """See base class."""
        return self._state(
            self.rule.initial_state_of_functions(params, num_functions)
        )

    def with_horizon(
        self,
        state: base.State,
        params: Sequence[tf.Tensor],
        num_steps: int | tf.Tensor,
    ) -> base.State:
        """See base class."""
        return {
            **state,
            "rule": self.rule.with_horizon(state["rule"], params, num_steps),
            "horizon": tf.cast(num_steps, tf.float32),
        }

    def __call__(
        self, gradients: Sequence[tf.Tensor], state: base.State
    ) -> tuple[list[tf.Tensor], base.State]:
        """See base class."""
        updates, inner = self.rule(gradients, state["rule"])
        return self._scaled(updates, state), self._next(state, inner)

    def record(
        self, gradients: Sequence[tf.Tensor], state: base.State
    ) -> tuple[list[tf.Tensor], base.State, base.Record]:
        """See base class; what the rule records."""
        updates, inner, record = self.rule.record(gradients, state["rule"])
        return self._scaled(updates, state), self._next(state, inner), record

    def replay(
        self,
        gradients: Sequence[tf.Tensor],
        records: base.Record,
        state: base.State,
        cotangents: Sequence[tf.Tensor],
        options: base.ReplayOptions,
    ) -> list[tf.Tensor]:
        """See base class; `sum <a_t u_t, c_t> = sum <u_t, a_t c_t>`."""
        factors = []
        for cotangent in cotangents:
            num_steps, *rest = cotangent.shape
            rates = self.rates(
                state["step"] + tf.range(num_steps), state["horizon"]
            )
            rates = tf.reshape(rates, [num_steps, *(1 for _ in rest)])
            factors.append(cotangent * tf.cast(rates, cotangent.dtype))
        return self.rule.replay(
            gradients, records, state["rule"], factors, options
        )

    def rates(
        self, steps: tf.Tensor, horizon: int | float | tf.Tensor
    ) -> tf.Tensor:
        """Returns the learning rates a_t.

        Args:
            steps: The steps t, of any shape.
            horizon: The length of the run T; infinite where it is not known.
        """
        steps = tf.cast(steps, tf.float32)
        horizon = tf.cast(horizon, tf.float32)
        factor = SCHEDULES.get(self.schedule)(tf.minimum(steps / horizon, 1.0))
        factor = self.final + (1.0 - self.final) * factor
        factor = tf.where(
            tf.math.is_inf(horizon),
            2.0 * (1.0 + steps / self.decay_steps) ** -self.decay_power,
            (_LENGTH / tf.maximum(horizon, _SHORT)) ** self.length_power
            * factor,
        )
        return self.learning_rate * factor

    def weights_from(
        self, source: base.UpdateRule
    ) -> list[tuple[tf.Variable, tf.Variable]]:
        """See base class; from the rule itself, or another schedule of it."""
        inner = source.rule if isinstance(source, Scheduled) else source
        return self.rule.weights_from(inner)

    def check_claims(self, params: Sequence[tf.Tensor]) -> None:
        """See base class; checks the rule's."""
        self.rule.check_claims(params)

    def example_params(self) -> list[tf.Tensor]:
        """See base class."""
        return self.rule.example_params()

    def config(self) -> dict[str, Any]:
        """See base class."""
        options = self._options()
        return {"rule": self.rule_name, "of": self.rule.config(), **options}

    def describe(self) -> str:
        """See base class."""
        length = (
            "the run" if self.horizon is None else f"{self.horizon:,} steps"
        )
        return (
            f"{self.rule.describe()}\nIts updates times {self.learning_rate:g} "
            f"by the schedule {self.schedule!r} over {length}."
        )

    def _options(self) -> dict[str, Any]:
        names = (
            "learning_rate",
            "schedule",
            "horizon",
            "final",
            "decay_steps",
            "decay_power",
            "length_power",
        )
        return {name: getattr(self, name) for name in names}

    def _state(self, inner: base.State) -> base.State:
        return {
            "rule": inner,
            "step": tf.constant(0, tf.int32),
            "horizon": tf.constant(self.horizon or math.inf, tf.float32),
        }

    def _next(self, state: base.State, inner: base.State) -> base.State:
        return {**state, "rule": inner, "step": state["step"] + 1}

    def _scaled(
        self, updates: Sequence[tf.Tensor], state: base.State
    ) -> list[tf.Tensor]:
        rate = self.rates(state["step"], state["horizon"])
        return [update * tf.cast(rate, update.dtype) for update in updates]
