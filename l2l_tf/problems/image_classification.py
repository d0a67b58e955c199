"""Training a small classifier of images."""

from __future__ import annotations

from collections.abc import Sequence

import sonnet as snt
import tensorflow as tf

from l2l_tf.core import checks
from l2l_tf.core import randomness
from l2l_tf.problems import base
from l2l_tf.problems import datasets as data
from l2l_tf.problems import initial_values as initial_values_lib

NAMED_DATASETS = ("digits", "mnist", "fashion_mnist")
"""Data sets that are problems by their own names."""

ACTIVATIONS = {
    "sigmoid": tf.sigmoid,
    "relu": tf.nn.relu,
    "tanh": tf.tanh,
    "elu": tf.nn.elu,
    "gelu": tf.nn.gelu,
}


class ImageClassification(base.Problem):
    """f(theta) = cross-entropy of an MLP on a random minibatch of images.

    Source: Andrychowicz et al. 2016, section 3.2.
    """

    name = "image_classification"

    def __init__(
        self,
        dataset: str,
        split: str = "train",
        hidden_layers: Sequence[int] = (20,),
        activation: str = "sigmoid",
        batch_size: int = 128,
        initial_values: initial_values_lib.InitialValues = 0.01,
        data_dir: str | None = None,
        dtype: str = "float32",
    ):
        """Creates the problem and loads its data.

        Args:
            dataset: The data set, see `l2l_tf.problems.datasets.load`.
            split: The part of the data from which minibatches come.
            hidden_layers: Units of each hidden layer.
            activation: One of `ACTIVATIONS`.
            batch_size: Images per minibatch, drawn with replacement.
            initial_values: How to draw theta_0.
            data_dir: Folder of prepared TFDS data sets.
            dtype: Type of parameters and arithmetic.

        Raises:
            ValueError: If a value is refused.
            DataNotFoundError: If the data cannot be found.
        """
        super().__init__(split)
        if activation not in ACTIVATIONS:
            raise ValueError(
                f"Unknown activation {activation!r}; accepted: "
                f"{sorted(ACTIVATIONS)}."
            )
        self.dtype = tf.as_dtype(checks.floating_dtype("dtype", dtype))
        self._batch_size = checks.integer("batch_size", batch_size)
        self._hidden_layers = checks.integers("hidden_layers", hidden_layers)
        self._activation = ACTIVATIONS[activation]
        self._initial_values = initial_values_lib.check(initial_values)
        self.options = {
            "hidden_layers": self._hidden_layers,
            "activation": activation,
            "batch_size": self._batch_size,
            "initial_values": initial_values,
            "dtype": dtype,
        }
        if dataset in NAMED_DATASETS:
            self.name = dataset
        else:
            self.options["dataset"] = dataset
        loaded = data.load(dataset, data_dir)
        self._num_classes = loaded.num_classes
        self._data = {
            name: tuple(map(tf.constant, getattr(loaded, name)))
            for name in base.SPLITS
        }
        network, variables = self._build(tf.constant([0, 0]))
        self._apply = snt.functional.transform(network).apply
        self._references = [variable.ref() for variable in variables]
        self._names = [v.name.removesuffix(":0") for v in variables]

    @property
    def parameter_names(self) -> list[str]:
        """See base class."""
        return self._names

    def initial_params(self, task, seed):
        """See base class."""
        del task
        _, variables = self._build(seed)
        return [variable.tensor_value for variable in variables]

    def sample_batch(self, task, seed):
        """Draws images as floats in [0, 1], and their labels."""
        del task
        images, labels, scale = self._data[self.split]
        chosen = tf.random.stateless_uniform(
            [self._batch_size], seed, 0, images.shape[0], tf.int32
        )
        pixels = tf.cast(tf.gather(images, chosen), self.dtype)
        return pixels * tf.cast(scale, self.dtype), tf.gather(labels, chosen)

    def loss(self, params, task, batch):
        """See base class."""
        del task
        images, labels = batch
        values = dict(zip(self._references, params, strict=True))
        logits = self._apply(values, images)
        return tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        )

    def _build(
        self, seed: tf.Tensor
    ) -> tuple[snt.Module, Sequence[tf.Variable]]:
        """Returns a network and its variables, which hold fresh values."""
        w_init, b_init = initial_values_lib.initializers(
            self._initial_values, randomness.stream(seed, "network")
        )
        image_shape = self._data["train"][0].shape[1:]
        with snt.functional.variables():
            network = snt.Sequential(
                [
                    snt.Flatten(),
                    snt.nets.MLP(
                        [*self._hidden_layers, self._num_classes],
                        w_init=w_init,
                        b_init=b_init,
                        activation=self._activation,
                    ),
                ]
            )
            network(tf.zeros([1, *image_shape], self.dtype))
            return network, network.trainable_variables
