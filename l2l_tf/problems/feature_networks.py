"""What feature networks are: stacks of convolutions that look at images."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from l2l_tf.core import registry

_COPIES = 4
"""Of each feature: before the bias and the ReLU, behind them, and gradients."""


class Layer(NamedTuple):
    """A convolution, which a ReLU follows.

    Attributes:
        name: Its name, another one for each layer.
        kernel: Shape [height, width, channels in, channels out].
        bias: Shape [channels out].
    """

    name: str
    kernel: tf.Tensor
    bias: tf.Tensor


class Terms(NamedTuple):
    """Layers and factors of a content, b style and g smoothness.

    Each network has its own that suit it: the losses of content and style grow
    with the second and the fourth power of its features.

    Attributes:
        content_layer: The layer whose features tell what an image shows.
        style_layers: The layers whose correlations tell its style.
        content_weight: The factor a.
        style_weight: The factor b, per pixel of the image.
        smoothness_weight: The factor g.
    """

    content_layer: str
    style_layers: Sequence[str]
    content_weight: float = 1.0
    style_weight: float = 1.0
    smoothness_weight: float = 1.0


class FeatureNetwork:
    """Convolutions with ReLU in blocks, 2x2 pooling between the blocks.

    Attributes:
        names: The names of all layers, in order.
        terms: The terms that suit it.
    """

    def __init__(
        self,
        blocks: Sequence[Sequence[Layer]],
        pool: Callable[..., tf.Tensor],
        normalise: Callable[[tf.Tensor], tf.Tensor],
        terms: Terms,
    ):
        """Takes the layers.

        Args:
            blocks: The layers of each block.
            pool: `tf.nn.avg_pool2d` or `tf.nn.max_pool2d`.
            normalise: Maps pixels, 0 for black and 1 for white, to what the
                first layer takes.
            terms: See the class.
        """
        self._blocks = [list(block) for block in blocks]
        self._pool = pool
        self._normalise = normalise
        self.names = [layer.name for block in blocks for layer in block]
        self.terms = terms

    def __call__(
        self, images: tf.Tensor, names: Sequence[str]
    ) -> dict[str, tf.Tensor]:
        """Returns the features of images, after the ReLU.

        Args:
            images: Pixels, shape [images, height, width, 3], 0 for black and
                1 for white.
            names: The layers that are asked for; those behind the last of
                them are not computed.

        Returns:
            Features by layer, shape [images, height, width, channels], height
            and width half as large in each block as in the one before.
        """
        found: dict[str, tf.Tensor] = {}
        hidden = self._normalise(images)
        for index, block in enumerate(self._blocks):
            if len(found) == len(set(names)):
                break
            if index > 0:
                hidden = self._pool(hidden, 2, 2, "VALID")
            for layer in block:
                hidden = tf.nn.conv2d(hidden, layer.kernel, 1, "SAME")
                hidden = tf.nn.relu(hidden + layer.bias)
                if layer.name in names:
                    found[layer.name] = hidden
        return found

    def memory(self, height: int, width: int) -> int:
        """Estimates what all features of an image and their gradient take.

        Args:
            height: The image's height.
            width: The image's width.

        Returns:
            Bytes.
        """
        numbers = sum(
            (height * width >> 2 * depth) * layer.bias.shape[0]
            for depth, block in enumerate(self._blocks)
            for layer in block
        )
        return 4 * _COPIES * numbers

    def depth(self, name: str) -> int:
        """Returns how often the images are halved before a layer."""
        for index, block in enumerate(self._blocks):
            if name in [layer.name for layer in block]:
                return index
        raise ValueError(
            f"Unknown layer {name!r}; accepted: {', '.join(self.names)}."
        )


FEATURE_NETWORKS: registry.Registry[Callable[[], FeatureNetwork]] = (
    registry.Registry("feature network", "l2l_tf.problems")
)
"""Functions that load a network."""


def load(name: str) -> FeatureNetwork:
    """Loads a feature network, once.

    Args:
        name: One of `FEATURE_NETWORKS`.

    Returns:
        The network.

    Raises:
        ValueError: If the name is unknown, or what lies on disk is damaged.
        DataNotFoundError: If its weights are not there and cannot be fetched.
    """
    return _loaded(FEATURE_NETWORKS.get(name))


@functools.cache
def _loaded(make: Callable[[], FeatureNetwork]) -> FeatureNetwork:
    return make()
