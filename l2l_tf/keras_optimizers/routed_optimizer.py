"""Variables to optimizers, by patterns over their paths."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from l2l_tf.keras_optimizers import guarded_optimizer
from l2l_tf.keras_optimizers import own_variables


@keras.saving.register_keras_serializable(package="l2l_tf")
class RoutedOptimizer(
    own_variables.OwnVariables, keras.optimizers.MultiOptimizer
):
    """Keras's MultiOptimizer, with the first pattern that matches a path.

    Every variable must match a pattern. Further attributes and callbacks are
    those of `keras.optimizers.MultiOptimizer`: each optimizer in `optimizers`
    has a learning rate of its own.
    """

    def __init__(
        self,
        routes: Mapping[str, keras.optimizers.Optimizer],
        name: str = "routed_optimizer",
        loss_scale_factor: float | None = None,
    ):
        """Takes the routes.

        Args:
            routes: Optimizers by regular expressions, of which the first that
                is found in a variable's path counts.
            name: The optimizer's name.
            loss_scale_factor: Factor on the loss, see Keras.

        Raises:
            ValueError: If there is no route, a pattern is not one, or an
                optimizer serves two patterns.
        """
        for pattern, optimizer in routes.items():
            _check_route(pattern, optimizer)
        if not routes or len({id(o) for o in routes.values()}) < len(routes):
            raise ValueError(
                "Routes must be one optimizer of its own for each pattern, at "
                f"least one; received {dict(routes)}."
            )
        super().__init__(
            _FirstMatch(routes), loss_scale_factor=loss_scale_factor, name=name
        )
        self.routes = dict(routes)

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Builds each route's optimizer for its variables.

        Raises:
            ValueError: If variables match no pattern; it lists them.
        """
        lost = [v.path for v in variables if not _matching(self.routes, v)]
        if lost:
            raise ValueError(
                f"No route for the variables {lost}; the patterns are "
                f"{list(self.routes)}. '.*' matches all that is left."
            )
        super().build(variables)

    def describe(self) -> str:
        """Returns what each route's optimizer is."""
        return "\n".join(
            f"{pattern!r}: "
            + getattr(optimizer, "describe", lambda o=optimizer: o.name)()
            for pattern, optimizer in self.routes.items()
        )

    def get_config(self) -> dict[str, Any]:
        """See base class."""
        return {
            # Pairs, since the order counts.
            "routes": [
                [pattern, keras.optimizers.serialize(optimizer)]
                for pattern, optimizer in self.routes.items()
            ],
            "loss_scale_factor": self.loss_scale_factor,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None) -> RoutedOptimizer:
        """See base class."""
        routes = {
            pattern: keras.optimizers.deserialize(optimizer, custom_objects)
            for pattern, optimizer in config["routes"]
        }
        return cls(**{**config, "routes": routes})


class _FirstMatch:
    """Keras asks it for a variable's optimizer."""

    def __init__(self, routes: Mapping[str, keras.optimizers.Optimizer]):
        self._routes = dict(routes)

    def __call__(self, variable) -> keras.optimizers.Optimizer:
        return self._routes[_matching(self._routes, variable)[0]]

    def values(self):
        return self._routes.values()


_WRAPPERS = (
    guarded_optimizer.GuardedOptimizer,
    keras.optimizers.LossScaleOptimizer,
    keras.optimizers.MultiOptimizer,
)


def _matching(routes: Mapping[str, Any], variable) -> list[str]:
    return [pattern for pattern in routes if re.search(pattern, variable.path)]


def _check_route(pattern: Any, optimizer: Any) -> None:
    try:
        re.compile(pattern)
    except (re.error, TypeError) as error:
        raise ValueError(
            f"A route must be a regular expression; received {pattern!r}."
        ) from error
    is_optimizer = isinstance(optimizer, keras.optimizers.Optimizer)
    if not is_optimizer or isinstance(optimizer, _WRAPPERS):
        raise ValueError(
            f"The route {pattern!r} must lead to the name or path of a saved "
            "optimizer, or to a Keras optimizer without a loss scale, routes "
            f"or a fallback of its own; received {optimizer!r}. A fallback= "
            "goes around the routes."
        )
