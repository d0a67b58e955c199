"""An optimizer that hands over to another where it stops descending."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from l2l_tf.core import checks
from l2l_tf.keras_optimizers import descent
from l2l_tf.keras_optimizers import own_variables


@keras.saving.register_keras_serializable(package="l2l_tf")
class GuardedOptimizer(own_variables.OwnVariables, keras.optimizers.Optimizer):
    """Trains with one optimizer, and on from its best point with another.

    The loss comes through `scale_loss`, which `fit` calls in each step; in a
    loop of your own, call `loss = optimizer.scale_loss(loss)` under the tape.
    When the loss is not finite, stays above its best running mean by a
    factor, or no longer improves, the parameters return to those of the best
    running mean, and the fallback takes over for good.

    `learning_rate` is that of the optimizer at work.

    Source: the safeguard of Heaton et al. 2020, arXiv 2003.01880, with
    observed losses in place of bounds.
    """

    def __init__(
        self,
        optimizer: keras.optimizers.Optimizer,
        fallback: keras.optimizers.Optimizer,
        limits: descent.Limits | Mapping[str, float] | None = None,
        name: str = "guarded_optimizer",
    ):
        """Takes both optimizers.

        Args:
            optimizer: The one to begin with.
            fallback: The one to go on with.
            limits: When to hand over, see `l2l_tf.keras_optimizers.descent`.
            name: The optimizer's name.

        Raises:
            ValueError: If an argument is not accepted.
        """
        for role, value in (("optimizer", optimizer), ("fallback", fallback)):
            is_fit = isinstance(value, keras.optimizers.Optimizer)
            if not is_fit or isinstance(value, _WRAPPERS):
                raise ValueError(
                    f"{role} must be a Keras optimizer without a guard or an "
                    f"automatic loss scale of its own; received {value!r}."
                )
        factors = (optimizer.loss_scale_factor, fallback.loss_scale_factor)
        if factors[1] not in (None, factors[0]):
            raise ValueError(
                "Losses are scaled once for both optimizers, by the first "
                f"one's loss_scale_factor; received {factors}."
            )
        if tf.distribute.has_strategy():
            raise ValueError(
                "A fallback needs the loss of the whole batch, and runs "
                "outside of strategies; received "
                f"{type(tf.distribute.get_strategy()).__name__}."
            )
        super().__init__(learning_rate=0.0, name=name)
        self._limits = _make_limits(limits)
        self.optimizer = optimizer
        self.fallback = fallback
        fallback.loss_scale_factor = optimizer.loss_scale_factor
        self._has_loss = False
        self._also: list[keras.Variable] = []
        self._loss = self.add_variable((), dtype="float32", name="loss")
        self._fell_back = self.add_variable((), dtype="bool", name="fell_back")
        self._record = [
            self.add_variable(
                (),
                dtype="float32",
                initializer=keras.initializers.Constant(first),
                name=name,
            )
            for name, first in descent.FIRST._asdict().items()
        ]

    @property
    def fell_back(self) -> bool:
        """Whether the fallback has taken over."""
        return bool(keras.ops.convert_to_numpy(self._fell_back))

    @property
    def learning_rate(self):
        """That of the optimizer at work."""
        return self._active().learning_rate

    @learning_rate.setter
    def learning_rate(self, value):
        self._active().learning_rate = value

    @property
    def optimizers(self) -> list[keras.optimizers.Optimizer]:
        """The routes' optimizers, where routes are at work.

        Raises:
            AttributeError: Where one optimizer is at work; Keras's callbacks
                then take that one's learning rate.
        """
        return self._active().optimizers

    @property
    def variables(self) -> list[keras.Variable]:
        """Its own, and those of both optimizers."""
        return [
            *self._variables,
            *self.optimizer.variables,
            *self.fallback.variables,
        ]

    def describe(self) -> str:
        """Returns what both optimizers are, and when one hands over."""
        main = getattr(self.optimizer, "describe", lambda: self.optimizer.name)
        return (
            f"{main()}\nFallback: {self.fallback.name}, within the limits "
            f"{self._limits._asdict()}."
        )

    def also_restore(self, variables: Sequence[keras.Variable]) -> None:
        """Takes further variables that return to the best point.

        Give it `model.non_trainable_variables` where batch normalisation keeps
        moving statistics.

        Args:
            variables: Variables of floating point numbers; others are left as
                they are.

        Raises:
            ValueError: If training has begun.
        """
        if self.built:
            raise ValueError(
                "Variables to restore are given before training; received "
                f"{[v.path for v in variables]} after it began."
            )
        self._also = [v for v in variables if "float" in v.dtype]

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Builds both optimizers, and room for the best parameters."""
        if self.built:
            return
        super().build(variables)
        self._kept = [*variables, *self._also]
        self._best = self.add_optimizer_variables(self._kept, "best")
        self.optimizer.build(variables)
        self.fallback.build(variables)

    def scale_loss(self, loss: tf.Tensor) -> tf.Tensor:
        """Takes note of the loss; see base class."""
        self._has_loss = True
        self._loss.assign(tf.cast(loss, tf.float32))
        return self.optimizer.scale_loss(loss)

    def apply(self, grads, trainable_variables=None) -> None:
        """Lets one of the optimizers apply gradients; see base class."""
        if not self._has_loss:
            raise ValueError(
                "A fallback needs the loss of each step, and received none: "
                "call loss = optimizer.scale_loss(loss) under the tape. With "
                "mixed_float16, compile with auto_scale_loss=False and give "
                "the optimizer a loss_scale_factor."
            )
        self._has_loss = False
        if not self.built:
            self.build(trainable_variables)
        variables = trainable_variables or self._trainable_variables
        record, is_best, ends = descent.judge(
            descent.Record(*(v.value for v in self._record)),
            tf.convert_to_tensor(self._loss.value),
            self._limits,
        )
        fell_back = tf.convert_to_tensor(self._fell_back.value)
        for variable, value in zip(self._record, record, strict=True):
            variable.assign(value)
        tf.cond(is_best & ~fell_back, self._keep_best, lambda: None)

        def go_on(optimizer):
            optimizer.apply(grads, variables)
            return tf.constant(True)

        # The gradients of a step that hands over belong to other parameters.
        tf.cond(
            fell_back,
            lambda: go_on(self.fallback),
            lambda: tf.cond(
                ends, self._hand_over, lambda: go_on(self.optimizer)
            ),
        )
        self._iterations.assign_add(1)

    def finalize_variable_values(self, var_list) -> None:
        """See base class."""
        self._active().finalize_variable_values(var_list)
        # What a learned rule has to say is due after it handed over, too.
        getattr(self.optimizer, "report", lambda: None)()

    def get_config(self) -> dict[str, Any]:
        """See base class."""
        return {
            "name": self.name,
            "optimizer": keras.optimizers.serialize(self.optimizer),
            "fallback": keras.optimizers.serialize(self.fallback),
            "limits": self._limits._asdict(),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None) -> GuardedOptimizer:
        """See base class."""
        parts = {
            role: keras.optimizers.deserialize(config[role], custom_objects)
            for role in ("optimizer", "fallback")
        }
        return cls(**{**config, **parts})

    def _active(self) -> keras.optimizers.Optimizer:
        # Inside a graph nobody can know; what asks there are the optimizers.
        is_over = tf.executing_eagerly() and self.fell_back
        return self.fallback if is_over else self.optimizer

    def _keep_best(self) -> None:
        for best, variable in zip(self._best, self._kept, strict=True):
            best.assign(variable)

    def _hand_over(self) -> tf.Tensor:
        for best, variable in zip(self._best, self._kept, strict=True):
            variable.assign(best)
        self._fell_back.assign(True)
        return tf.constant(True)


def _make_limits(
    limits: descent.Limits | Mapping[str, float] | None,
) -> descent.Limits:
    if isinstance(limits, Mapping):
        unknown = set(limits) - set(descent.Limits._fields)
        if unknown:
            raise ValueError(
                f"Unknown limits {sorted(unknown)}; accepted: "
                f"{list(descent.Limits._fields)}."
            )
        limits = descent.Limits(**limits)
    limits = limits or descent.Limits()
    for name, least in _LEAST.items():
        checks.number(name, getattr(limits, name), least)
    for name in ("smoothing", "improvement"):
        if getattr(limits, name) >= 1:
            raise ValueError(
                f"{name} must be below 1; received {getattr(limits, name)!r}."
            )
    return limits


_WRAPPERS = (GuardedOptimizer, keras.optimizers.LossScaleOptimizer)

_LEAST = {
    "smoothing": 0,
    "factor": 1,
    "patience": 1,
    "stall": 1,
    "improvement": 0,
    "trial": 0,
}
