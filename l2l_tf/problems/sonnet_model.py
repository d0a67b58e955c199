"""Any Sonnet module as an optimizee."""

from __future__ import annotations

import collections
from collections.abc import Mapping, Sequence
from typing import Any

import sonnet as snt
import tensorflow as tf

from l2l_tf.core import checks
from l2l_tf.core import randomness
from l2l_tf.problems import arrays
from l2l_tf.problems import base
from l2l_tf.problems import initial_values as initial_values_lib
from l2l_tf.problems import losses
from l2l_tf.problems import networks
from l2l_tf.problems import seeding


class SonnetModel(base.Problem):
    """f(theta) = loss of a Sonnet module on a random minibatch, in training.

    Variables that are not trainable, such as moving averages of batch
    normalisation, are carried along the run.
    """

    name = "from_sonnet"

    def __init__(
        self,
        make_module: networks.MakeModule,
        loss: str | losses.Measure,
        examples: arrays.Examples,
        split: str = "train",
        batch_size: int = 128,
        initial_values: initial_values_lib.InitialValues = "module",
        metrics: Mapping[str, losses.Measure] | None = None,
    ):
        """Creates the problem; see `from_sonnet` for the arguments."""
        super().__init__(split)
        self._examples = examples
        self._batch_size = checks.integer("batch_size", batch_size)
        self._initial_values = initial_values_lib.check(initial_values)
        measure = losses.get(loss)
        if metrics is None:
            metrics = losses.default_metrics(loss)
        inputs, _ = examples.first()

        def make_network() -> _Network:
            return _Network(make_module, inputs)

        def evaluate(params, model_state, inputs, targets):
            outputs, model_state = network.apply(params, model_state, inputs)
            value = measure(outputs, targets)
            if value.shape.rank != 0:
                raise ValueError(
                    "The loss of a minibatch must be a scalar; received shape "
                    f"{value.shape}."
                )
            measured = {
                name: of(outputs, targets) for name, of in metrics.items()
            }
            return base.Outcome(value, model_state, measured)

        self._draw = seeding.seeded(lambda: make_network().initial_values())
        self._evaluate = seeding.seeded(evaluate)
        # Not in a graph, where Sonnet names variables in another way.
        network = make_network()
        self._names = network.parameter_names()
        self.options = {
            "loss": losses.title(loss),
            "batch_size": self._batch_size,
            "initial_values": initial_values,
            "parameter_shapes": [list(v.shape) for v in network.params],
        }

    @property
    def parameter_names(self) -> list[str]:
        """See base class."""
        return self._names

    def initial_params(self, task, seed):
        """Draws by the module's own initializers, or as `initial_values`."""
        del task
        seed = randomness.stream(seed, "network")
        params, _ = self._draw(randomness.stream(seed, "weights"))
        return initial_values_lib.redraw(
            self._initial_values, self._names, params, seed
        )

    def initial_model_state(self, task, seed):
        """See base class."""
        del task
        return self._draw(seed)[1]

    def sample_batch(self, task, seed):
        """Draws inputs and targets, with replacement."""
        del task
        return self._examples.sample(self.split, self._batch_size, seed)

    def loss(self, params, model_state, task, batch, seed):
        """See base class."""
        del task
        return self._evaluate(seed, params, model_state, *batch)


def from_sonnet(
    make_module: networks.MakeModule,
    loss: str | losses.Measure,
    data: Any,
    batch_size: int = 128,
    initial_values: initial_values_lib.InitialValues = "module",
    metrics: Mapping[str, losses.Measure] | None = None,
) -> SonnetModel:
    """Makes an optimizee of a Sonnet module, to meta-train an optimizer for it.

        from_sonnet(
            lambda: snt.nets.MLP([20, 10]),
            "sparse_categorical_crossentropy",
            (images, labels),
        )

    Args:
        make_module: Returns a new module, which is called with the inputs
            and, where it takes it, `is_training=True`. It may have state and
            drop units at random. Its arithmetic has the type of the inputs.
        loss: `"sparse_categorical_crossentropy"`,
            `"categorical_crossentropy"` or `"binary_crossentropy"` of logits,
            `"mean_squared_error"`, or a function of outputs and targets that
            returns a scalar.
        data: Arrays `(inputs, targets)`, or a finite batched
            `tf.data.Dataset` of such pairs. It is held in memory: the first
            two thirds for training, a sixth for validation, a sixth for
            testing. Shuffle beforehand what is sorted.
        batch_size: Examples per minibatch.
        initial_values: How to draw theta_0: by the module's own initializers,
            anew for each run, or as
            `l2l_tf.problems.initial_values.InitialValues` says.
        metrics: Functions of outputs and targets by name, which are evaluated
            on the same minibatches; by default the accuracy where the loss is
            a cross-entropy by name.

    Returns:
        The problem.

    Raises:
        ValueError: If the module or the data cannot be used.
    """
    return SonnetModel(
        make_module,
        loss,
        arrays.split(data),
        batch_size=batch_size,
        initial_values=initial_values,
        metrics=metrics,
    )


class _Network:
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
