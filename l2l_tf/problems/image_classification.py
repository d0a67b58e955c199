"""Training a small classifier of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

from l2l_tf.core import checks
from l2l_tf.problems import arrays
from l2l_tf.problems import base
from l2l_tf.problems import datasets
from l2l_tf.problems import initial_values as initial_values_lib
from l2l_tf.problems import networks
from l2l_tf.problems import registry
from l2l_tf.problems import sonnet_model

NAMED_DATASETS = ("digits", "mnist", "fashion_mnist")
"""Data sets that are problems by their own names."""


class ImageProblem(sonnet_model.SonnetModel):
    """f(theta) = cross-entropy of a network on a random minibatch of images.

    What all problems on data sets of images have in common.
    """

    def __init__(
        self,
        dataset: datasets.Dataset,
        make_network: Callable[[int], networks.MakeModule],
        split: str = "train",
        /,
        batch_size: int = 128,
        initial_values: initial_values_lib.InitialValues = "module",
        labels: Sequence[int] | None = None,
        dtype: str = "float32",
    ):
        """Creates the problem.

        Args:
            dataset: The data.
            make_network: Returns, for a number of classes, what makes the
                network.
            split: The part of the data from which minibatches come.
            batch_size: Images per minibatch, drawn with replacement.
            initial_values: How to draw theta_0.
            labels: The classes that there are, in the order of the network's
                outputs; by default all.
            dtype: Type of parameters and arithmetic.

        Raises:
            ValueError: If a value is refused.
        """
        checks.floating_dtype("dtype", dtype)
        if labels is not None:
            dataset = datasets.select(dataset, labels)
        super().__init__(
            make_network(dataset.num_classes),
            "sparse_categorical_crossentropy",
            _examples(dataset, tf.as_dtype(dtype)),
            split,
            batch_size,
            initial_values,
        )
        self.options = {
            "batch_size": checks.integer("batch_size", batch_size),
            "initial_values": initial_values,
            "dtype": dtype,
        }
        if labels is not None:
            self.options["labels"] = list(labels)
        self.data = dataset.describe()


class ImageClassification(ImageProblem):
    """f(theta) = cross-entropy of an MLP on a random minibatch of images.

    Source: Andrychowicz et al. 2016, section 3.2.
    """

    def __init__(
        self,
        dataset: str,
        split: str = "train",
        /,
        hidden_layers: Sequence[int] = (20,),
        activation: str = "sigmoid",
        batch_size: int = 128,
        initial_values: initial_values_lib.InitialValues = 0.01,
        data_dir: str | None = None,
        dtype: str = "float32",
        labels: Sequence[int] | None = None,
    ):
        """Creates the problem and loads its data.

        Args:
            dataset: The data set, see `l2l_tf.problems.datasets.load`.
            split: See base class.
            hidden_layers: Units of each hidden layer.
            activation: One of `l2l_tf.problems.networks.ACTIVATIONS`.
            batch_size: See base class.
            initial_values: See base class.
            data_dir: Folder of prepared TFDS data sets.
            dtype: See base class.
            labels: See base class.

        Raises:
            ValueError: If a value is refused.
            DataNotFoundError: If the data cannot be found.
        """
        super().__init__(
            datasets.load(dataset, data_dir),
            lambda classes: networks.mlp(hidden_layers, classes, activation),
            split,
            batch_size,
            initial_values,
            labels,
            dtype,
        )
        self.options |= {
            "hidden_layers": checks.integers("hidden_layers", hidden_layers),
            "activation": activation,
        }
        self.name = dataset
        if dataset not in NAMED_DATASETS:
            self.name = "image_classification"
            self.options["dataset"] = dataset


@registry.PROBLEMS.register("digits")
class Digits(ImageClassification):
    """Scikit-learn's embedded digits, 8x8 pixels."""

    def __init__(self, split: str = "train", /, **options):
        """See `ImageClassification`."""
        super().__init__("digits", split, **options)


@registry.PROBLEMS.register("mnist")
class Mnist(ImageClassification):
    """MNIST, 28x28 pixels."""

    def __init__(self, split: str = "train", /, **options):
        """See `ImageClassification`."""
        super().__init__("mnist", split, **options)


@registry.PROBLEMS.register("fashion_mnist")
class FashionMnist(ImageClassification):
    """Fashion-MNIST, 28x28 pixels."""

    def __init__(self, split: str = "train", /, **options):
        """See `ImageClassification`."""
        super().__init__("fashion_mnist", split, **options)


@registry.PROBLEMS.register("image_classification")
class AnyImages(ImageClassification):
    """Any image classification set of TensorFlow Datasets."""

    def __init__(self, split: str = "train", /, *, dataset: str, **options):
        """See `ImageClassification`."""
        super().__init__(dataset, split, **options)


def _examples(loaded: datasets.Dataset, dtype: tf.DType) -> arrays.Examples:
    """Returns images and labels; the images are kept as small integers."""
    scale = tf.cast(tf.constant(loaded.train.scale), dtype)

    def prepare(batch):
        images, labels = batch
        return tf.cast(images, dtype) * scale, labels

    return arrays.Examples(
        {
            split: (
                getattr(loaded, split).images,
                getattr(loaded, split).labels,
            )
            for split in base.SPLITS
        },
        prepare,
    )
