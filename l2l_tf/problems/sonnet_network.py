"""A Sonnet module as a pure function of its parameters and its state."""

from __future__ import annotations

import collections
from collections.abc import Sequence

import sonnet as snt
import tensorflow as tf

from l2l_tf.problems import base
from l2l_tf.problems import networks


class Network:
    """A module, and the variables that its first call has made.

    Attributes:
        params: The trainable variables.
    """

    def __init__(self, make_module: networks.MakeModule, inputs: base.Nest):
        with snt.functional.variables(), tf.variable_creator_scope(_create):
            module, self._options = _connect(make_module, inputs)
        snt.allow_empty_variables(module)
        self.params = list(module.trainable_variables)
        self._state = [v for v in module.variables if not v.trainable]
        if not self.params:
            raise ValueError("The module has no trainable variables.")
        self._apply = snt.functional.transform_with_state(module).apply

    def parameter_names(self) -> list[str]:
        """Returns names, each another one."""
        return _unique([v.name.removesuffix(":0") for v in self.params])

    def initial_values(self) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        """Returns the values of parameters and of state before the first call.

        Raises:
            ValueError: If they were not made anew.
        """
        graph = tf.constant(0).graph
        values = [
            [getattr(v, "initial_tensor_value", None) for v in variables]
            for variables in (self.params, self._state)
        ]
        if any(
            getattr(value, "graph", None) is not graph
            for part in values
            for value in part
        ):
            raise ValueError(
                "make_module must return a new module with new variables each "
                "time; received variables that there were before."
            )
        return tuple(values)

    def apply(
        self,
        params: Sequence[tf.Tensor],
        state: Sequence[tf.Tensor],
        inputs: base.Nest,
    ) -> tuple[base.Nest, list[tf.Tensor]]:
        """Returns the outputs and the next state."""
        outputs, after = self._apply(
            {v.ref(): p for v, p in zip(self.params, params, strict=True)},
            {v.ref(): s for v, s in zip(self._state, state, strict=True)},
            inputs,
            **self._options,
        )
        return outputs, [after[v.ref()] for v in self._state]


def _create(next_creator, **kwargs):
    """Gives a variable the type asked for, which Sonnet's creator forgets."""
    value, dtype = kwargs["initial_value"], kwargs.get("dtype")
    value = tf.convert_to_tensor(value() if callable(value) else value, dtype)
    return next_creator(**{**kwargs, "initial_value": value})


def _connect(
    make_module: networks.MakeModule, inputs: base.Nest
) -> tuple[snt.Module, dict[str, bool]]:
    """Returns a new module that was called, and the options of its calls."""
    module = make_module()
    if not isinstance(module, tf.Module):
        raise ValueError(
            "make_module must return a Sonnet module; received "
            f"{type(module).__name__}."
        )
    # Sonnet's modules hide the signatures of their methods.
    try:
        module(inputs, is_training=True)
        return module, {"is_training": True}
    except (TypeError, ValueError) as error:
        if "is_training" not in str(error):
            raise
    module = make_module()
    module(inputs)
    return module, {}


def _unique(names: Sequence[str]) -> list[str]:
    """Numbers the modules of variables that have one name: a/w, a_1/w."""
    counts: dict[str, int] = collections.defaultdict(int)
    unique: list[str] = []
    for name in names:
        candidate = name
        while candidate in unique:
            counts[name] += 1
            module, slash, variable = name.rpartition("/")
            number = counts[name]
            candidate = (
                f"{module}_{number}/{variable}"
                if slash
                else f"{variable}_{number}"
            )
        unique.append(candidate)
    return unique
