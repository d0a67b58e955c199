"""Your own Keras model as an optimizee."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from l2l_tf import randomness
from l2l_tf.problems import base


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
        self._data = _split(dataset)
        self._batch_size = batch_size
        self._initial_std = initial_std
        self._loss = keras.losses.get(loss)
        self._model = _build(model_fn, self._data["train"])
        if not self._model.trainable_variables:
            raise ValueError("The model has no trainable variables.")
        # A second model, seen while its variables have no value yet, tells
        # how each of them is drawn.
        with keras.StatelessScope():
            model = _build(model_fn, self._data["train"])
            self._trainable = _recipes(model.trainable_variables)
            self._non_trainable = _recipes(model.non_trainable_variables)

    @property
    def parameter_names(self) -> list[str]:
        """See base class."""
        return [variable.path for variable in self._model.trainable_variables]

    def initial_params(self, task, seed):
        """Draws by the model's own initialisers, or as `initial_std` says."""
        del task
        if self._initial_std is None:
            return _draw(self._trainable, seed)
        return [
            self._initial_std
            * tf.random.stateless_normal(
                variable.shape,
                randomness.fold_in(seed, index),
                dtype=variable.dtype,
            )
            for index, variable in enumerate(self._model.trainable_variables)
        ]

    def initial_model_state(self, task, seed):
        """See base class."""
        del task
        return _draw(self._non_trainable, seed)

    def sample_batch(self, task, seed):
        """Draws examples and their targets, with replacement."""
        del task
        inputs, targets = self._data[self.split]
        size = tf.nest.flatten(inputs)[0].shape[0]
        chosen = tf.random.stateless_uniform(
            [self._batch_size], seed, 0, size, tf.int32
        )
        return tf.nest.map_structure(
            lambda array: tf.gather(array, chosen), (inputs, targets)
        )

    def loss(self, params, task, batch):
        """See base class; takes the model's state as it was built."""
        state = [v.value for v in self._model.non_trainable_variables]
        return self.stateful_loss(params, state, task, batch)[0]

    def stateful_loss(self, params, model_state, task, batch):
        """See base class."""
        del task
        inputs, targets = batch
        outputs, model_state, penalties = self._model.stateless_call(
            params, model_state, inputs, training=True, return_losses=True
        )
        loss = tf.reduce_mean(self._loss(targets, outputs))
        return tf.add_n([loss, *penalties]), list(model_state)


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
            model's own initialisers are used.

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


class _Recipe(NamedTuple):
    """How one variable of a Keras model gets its first value."""

    name: str
    initializer: Callable[..., Any]
    shape: tuple[int, ...]
    dtype: str


def _recipes(variables: list[keras.Variable]) -> list[_Recipe]:
    return [
        _Recipe(v.name, v._initializer, v.shape, v.dtype) for v in variables
    ]


def _draw(recipes: list[_Recipe], seed: tf.Tensor) -> list[tf.Tensor]:
    values = []
    for index, (name, initializer, shape, dtype) in enumerate(recipes):
        fixed = randomness.fold_in(seed, index)
        if name == "seed_generator_state":
            values.append(tf.cast(fixed, dtype))
            continue
        owner = getattr(initializer, "__self__", initializer)
        former = getattr(owner, "seed", None)
        if former is not None:
            owner.seed = _FixedSeed(fixed)
        values.append(tf.convert_to_tensor(initializer(shape, dtype=dtype)))
        if former is not None:
            owner.seed = former
    return values


def _build(model_fn: Callable[[], keras.Model], data) -> keras.Model:
    model = model_fn()
    if not model.built:
        inputs, _ = data
        model.build(
            tf.nest.map_structure(lambda a: (None, *a.shape[1:]), inputs)
        )
    return model


def _split(dataset: Any) -> dict[str, Any]:
    if isinstance(dataset, tf.data.Dataset):
        batches = list(dataset.as_numpy_iterator())
        dataset = tf.nest.map_structure(
            lambda *arrays: np.concatenate(arrays), *batches
        )
    if not isinstance(dataset, (tuple, list)) or len(dataset) != 2:
        raise ValueError(
            "dataset must be a pair (inputs, targets) of arrays or a batched "
            f"tf.data.Dataset of pairs; received {type(dataset).__name__}."
        )
    data = tf.nest.map_structure(tf.constant, tuple(dataset))
    sizes = {array.shape[0] for array in tf.nest.flatten(data)}
    size = min(sizes)
    if len(sizes) != 1 or size < 6:
        raise ValueError(
            "inputs and targets must have the same number of examples, at "
            f"least 6; received {sorted(sizes)}."
        )
    bounds = [0, size - 2 * (size // 6), size - size // 6, size]
    return {
        name: tf.nest.map_structure(lambda a: a[start:stop], data)  # noqa: B023
        for name, start, stop in zip(
            base.SPLITS, bounds[:-1], bounds[1:], strict=True
        )
    }
