"""A Keras optimizer that moves some of the variables, by its own settings."""

from __future__ import annotations

from typing import Any

import keras

from l2l_tf.keras_optimizers import parts


class KerasPart(parts.Part):
    """Hands gradients on to a Keras optimizer.

    Its learning rate, clipping and decay are its own; the owner's weight decay
    holds where it has none.
    """

    def __init__(self, role: str, value: Any, weight_decay: float | None):
        """Takes the optimizer.

        Args:
            role: What it is for, for messages.
            value: A Keras optimizer, its configuration or its name.
            weight_decay: The owner's.

        Raises:
            ValueError: If it is none, or not one that can be a part.
        """
        self.optimizer = _get(role, value)
        if self.optimizer.weight_decay is None:
            self.optimizer.weight_decay = weight_decay

    def build(self, owner, variables) -> None:
        """See base class."""
        self.optimizer.build(variables)
        for variable in self.optimizer.variables:
            owner.adopt(variable)

    def step(self, owner, gradients, variables, learning_rate) -> None:
        """See base class."""
        del owner, learning_rate
        self.optimizer.apply(list(gradients), list(variables))

    def describe(self) -> str:
        """See base class."""
        describe = getattr(self.optimizer, "describe", None)
        return describe() if describe else self.optimizer.name

    def config(self) -> Any:
        """See base class."""
        return keras.optimizers.serialize(self.optimizer)

    def rules(self) -> list[parts.Part]:
        """See base class; a learned optimizer may be the part of another."""
        return list(getattr(self.optimizer, "rule_parts", []))

    def optimizers(self) -> list[keras.optimizers.Optimizer]:
        """See base class."""
        return [self.optimizer]


_WRAPPERS = (
    keras.optimizers.LossScaleOptimizer,
    keras.optimizers.MultiOptimizer,
)


def _get(role: str, value: Any) -> keras.optimizers.Optimizer:
    accepted = (
        f"{role} must be a Keras optimizer or the name of one, without a "
        "scale of the loss, several optimizers or a fallback inside"
    )
    try:
        optimizer = keras.optimizers.get(value)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise ValueError(f"{accepted}; received {value!r}.") from error
    if (
        optimizer is None
        or isinstance(optimizer, _WRAPPERS)
        or getattr(optimizer, "fallback", None) is not None
    ):
        raise ValueError(f"{accepted}; received {value!r}.")
    if optimizer.loss_scale_factor is not None:
        raise ValueError(
            "The loss is scaled once, by LearnedOptimizer's own "
            f"loss_scale_factor; received {role} with a loss_scale_factor of "
            f"{optimizer.loss_scale_factor}."
        )
    if optimizer.built:
        raise ValueError(
            f"{role} must be an optimizer of its own that has not begun; "
            f"received {optimizer.name!r}, which has."
        )
    return optimizer
