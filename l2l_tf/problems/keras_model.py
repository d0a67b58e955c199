"""Your own Keras model as an optimizee."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from l2l_tf.core import checks
from l2l_tf.core import randomness
from l2l_tf.problems import arrays
from l2l_tf.problems import base
from l2l_tf.problems import losses


class KerasModel(base.Problem):
    """f(theta) = loss of a Keras model on a random minibatch, in training mode.

    Non-trainable state (moving averages of batch normalisation, the seeds of
    dropout) is carried along the run. Regularisation losses are included.
    """

    name = "from_keras"

    def __init__(
        self,
        model_fn: Callable[[], keras.Model],
        loss: str | Callable[..., Any],
        dataset: Any,
        split: str = "train",
        batch_size: int = 128,
        initial_std: float | None = None,
    ):
        """Creates the problem; see `from_keras` for the arguments."""
        super().__init__(split)
        self._examples = arrays.split(dataset)
        self._batch_size = checks.integer("batch_size", batch_size)
        self._initial_std = initial_std
        if initial_std is not None:
            checks.number("initial_std", initial_std, 0.0)
        self._loss = keras.losses.get(loss)
        self._metrics = _metrics(self._loss)
        with _record_initializers() as initializers:
            self._model = model_fn()
            # A call makes the variables of any model, however it is defined.
            self._model(self._examples.first()[0])
        if not self._model.trainable_variables:
            raise ValueError("The model has no trainable variables.")
        self.options = {
            "loss": loss if isinstance(loss, str) else type(loss).__name__,
            "batch_size": batch_size,
            "initial_std": initial_std,
            "parameter_shapes": [
                list(v.shape) for v in self._model.trainable_variables
            ],
        }
        self._initializers = [
            initializers.get(id(v)) for v in self._model.trainable_variables
        ]

    @property
    def parameter_names(self) -> list[str]:
        """See base class."""
        return [variable.path for variable in self._model.trainable_variables]

    def initial_params(self, task, seed):
        """Draws by the model's own initialisers, or as `initial_std` says."""
        del task
        params = []
        for index, (variable, initializer) in enumerate(
            zip(
                self._model.trainable_variables,
                self._initializers,
                strict=True,
            )
        ):
            own = randomness.fold_in(seed, index)
            shape, dtype = variable.shape, variable.dtype
            if self._initial_std is None and initializer is None:
                # It was made with a value, or by an earlier call.
                params.append(tf.convert_to_tensor(variable))
            elif self._initial_std is None:
                params.append(_draw(initializer, shape, dtype, own))
            else:
                normal = tf.random.stateless_normal(shape, own, dtype=dtype)
                params.append(self._initial_std * normal)
        return params

    def initial_model_state(self, task, seed):
        """Returns the values that the model has, but for fresh seeds."""
        del task
        return [
            tf.cast(randomness.fold_in(seed, index), variable.dtype)
            if variable.name == "seed_generator_state"
            else tf.convert_to_tensor(variable)
            for index, variable in enumerate(
                self._model.non_trainable_variables
            )
        ]

    def sample_batch(self, task, seed):
        """Draws inputs and targets, with replacement."""
        del task
        return self._examples.sample(self.split, self._batch_size, seed)

    # As in `fit`, TensorFlow rewrites neither Keras's code nor the user's; with
    # a hundred layers that takes long.
    @tf.autograph.experimental.do_not_convert
    def loss(self, params, model_state, task, batch, seed):
        """See base class; what layers draw comes from the model's state."""
        del task, seed
        inputs, targets = batch
        model = self._model
        values = [
            *zip(model.trainable_variables, params, strict=True),
            *zip(model.non_trainable_variables, model_state, strict=True),
        ]
        # Not `model.stateless_call`, which does not tell the layers inside a
        # model without a `training` argument that it is trained.
        with keras.StatelessScope(values, collect_losses=True) as scope:
            outputs = model(inputs, training=True)
            penalties = model.losses
        model_state = [
            scope.get_current_value(variable)
            for variable in model.non_trainable_variables
        ]
        targets = losses.align(targets, outputs)
        loss = tf.reduce_mean(self._loss(targets, outputs))
        metrics = {
            name: of(outputs, targets) for name, of in self._metrics.items()
        }
        return base.Outcome(tf.add_n([loss, *penalties]), model_state, metrics)


def from_keras(
    model_fn: Callable[[], keras.Model],
    loss: str | Callable[..., Any],
    dataset: Any,
    batch_size: int = 128,
    initial_std: float | None = None,
) -> KerasModel:
    """Makes an optimizee of a Keras model, to meta-train an optimizer for it.

    Args:
        model_fn: Returns a new model; it need not be built or compiled.
        loss: A Keras loss or its name, such as
            `"sparse_categorical_crossentropy"`.
        dataset: Arrays `(inputs, targets)`, or a finite batched
            `tf.data.Dataset` of such pairs. It is held in memory: the first
            two thirds for training, a sixth for validation, a sixth for
            testing. Shuffle beforehand what is sorted.
        batch_size: Examples per minibatch.
        initial_std: Standard deviation of a Gaussian start; by default the
            model's own initialisers are drawn from anew for each run, also
            where `model_fn` set other values; frozen variables keep theirs.

    Returns:
        The problem.

    Raises:
        ValueError: If the data or the model cannot be used.
    """
    return KerasModel(
        model_fn,
        loss,
        dataset,
        batch_size=batch_size,
        initial_std=initial_std,
    )


class _FixedSeed(keras.random.SeedGenerator):
    """Gives Keras's initialisers a seed that is a tensor."""

    def __init__(self, seed: tf.Tensor):
        self._fixed_seed = seed

    def next(self, ordered=True):
        """Returns the seed."""
        del ordered
        return self._fixed_seed


@contextlib.contextmanager
def _record_initializers() -> Iterator[dict[int, Callable[..., Any]]]:
    """Collects the initialisers of all variables made meanwhile, by their id.

    Keras forgets them once a variable has its value.
    """
    initializers = {}
    initialize = keras.Variable._initialize_with_initializer

    def recording(variable, initializer):
        initializers[id(variable)] = initializer
        initialize(variable, initializer)

    keras.Variable._initialize_with_initializer = recording
    try:
        yield initializers
    finally:
        keras.Variable._initialize_with_initializer = initialize


def _draw(initializer, shape, dtype, seed: tf.Tensor) -> tf.Tensor:
    """Draws from a Keras initialiser with a seed that is a tensor."""
    former = getattr(initializer, "seed", None)
    if former is not None:
        initializer.seed = _FixedSeed(seed)
    try:
        return tf.convert_to_tensor(initializer(shape, dtype=dtype))
    finally:
        if former is not None:
            initializer.seed = former


def _metrics(loss: Callable[..., Any]) -> dict[str, losses.Measure]:
    """Returns the accuracy, if the loss is one of Keras's cross-entropies."""
    # A loss that is an object wraps one that is a function.
    function = getattr(loss, "fn", loss)
    name = getattr(function, "__name__", "").replace("focal_", "")
    if name != "binary_crossentropy":
        return losses.default_metrics(name)
    threshold = 0.0 if getattr(loss, "from_logits", False) else 0.5
    accuracy = functools.partial(losses.binary_accuracy, threshold=threshold)
    return {"accuracy": accuracy}
