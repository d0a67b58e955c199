"""Any Sonnet module as an optimizee."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from l2l_tf.core import checks
from l2l_tf.core import randomness
from l2l_tf.problems import arrays
from l2l_tf.problems import base
from l2l_tf.problems import initial_values as initial_values_lib
from l2l_tf.problems import losses
from l2l_tf.problems import networks
from l2l_tf.problems import seeding
from l2l_tf.problems import sonnet_network


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

        def make_network() -> sonnet_network.Network:
            return sonnet_network.Network(make_module, inputs)

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
