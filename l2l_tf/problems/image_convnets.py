"""Training a small convolutional classifier of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from l2l_tf.core import checks
from l2l_tf.problems import convnet
from l2l_tf.problems import datasets
from l2l_tf.problems import image_classification
from l2l_tf.problems import registry


class ImageConvNet(image_classification.ImageProblem):
    """f(theta) = cross-entropy of a convnet on a random minibatch of images.

    Source: Andrychowicz et al. 2016, section 3.3.
    """

    def __init__(
        self,
        dataset: datasets.Dataset,
        split: str = "train",
        /,
        channels: Sequence[int] = (16, 16, 16),
        kernel_size: int = 5,
        units: Sequence[int] = (32,),
        batch_norm: bool = True,
        **options: Any,
    ):
        """Creates the problem.

        Args:
            dataset: The data.
            split: See base class.
            channels: Output channels of each convolution.
            kernel_size: Height and width of the kernels.
            units: Units of each dense layer before the last.
            batch_norm: Whether to normalise by the minibatch's statistics.
            **options: See base class.
        """
        super().__init__(
            dataset,
            lambda classes: convnet.convnet(
                classes, channels, kernel_size, units, batch_norm
            ),
            split,
            **options,
        )
        self.options |= {
            "channels": checks.integers("channels", channels),
            "kernel_size": kernel_size,
            "units": checks.integers("units", units),
            "batch_norm": batch_norm,
        }

    def default_rule(self) -> dict[str, Any]:
        """Returns two LSTMs: one for the convolutions' kernels, one for rest.

        Source: Andrychowicz et al. 2016, section 3.3.
        """
        lstm = super().default_rule()
        return {"rule": "routed", "routes": {"rank=4": lstm, ".*": lstm}}


@registry.PROBLEMS.register("cifar10")
class Cifar10(ImageConvNet):
    """CIFAR-10, 32x32 pixels in colour; the last 5,000 for validation."""

    name = "cifar10"

    def __init__(
        self, split: str = "train", /, data_dir: str | None = None, **options
    ):
        """See `ImageConvNet`; data_dir: folder of prepared TFDS data sets."""
        loaded = datasets.load("cifar10", data_dir, num_validation=5_000)
        super().__init__(loaded, split, **options)


@registry.PROBLEMS.register("image_convnet")
class AnyImagesConvNet(ImageConvNet):
    """Any image classification set of TensorFlow Datasets, or digits."""

    name = "image_convnet"

    def __init__(
        self,
        split: str = "train",
        /,
        *,
        dataset: str,
        data_dir: str | None = None,
        **options,
    ):
        """See `ImageConvNet`; `dataset` as in `datasets.load`."""
        super().__init__(datasets.load(dataset, data_dir), split, **options)
        self.options["dataset"] = dataset
